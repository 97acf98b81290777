"""Load the requested network: import and call a callable, or read a file."""

from __future__ import annotations

import ast
import inspect
import pickle
import random
import re
import zipfile
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import filterkit
import numpy as np
import torch
from torch import nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from filterkit_torch.request import PROGRAMS, Request
from filterkit_torch.words import first_line
from filterkit_torch.working_folder import import_asked_for

Network = nn.Module | torch.export.ExportedProgram
"""A module in evaluation mode (possibly TorchScript), or an exported program."""

_WRAPPED = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the weights in a checkpoint with more content."""
_WORDS = {"true": True, "false": False, "none": None}


def load(request: Request) -> Network:
    """The requested network.

    Raises
    ------
    filterkit.UsageError, filterkit.SourceError
        If it cannot be loaded; the message says why.
    """
    if request.file is None:
        return _called(request)
    path = Path(request.file)
    if path.suffix.lower() in PROGRAMS:
        return _program(path)
    if not _is_script(path):
        raise _not_script(path)
    try:
        script: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # the reader raises anything for a broken file
        raise filterkit.SourceError(f"{path.name} cannot be loaded: {first_line(error)}") from error
    return script.eval()


def widen(network: Network) -> bool:
    """Convert a module's bfloat16 numbers to float32: ONNX Runtime has no bfloat16 convolutions.

    Returns
    -------
    bool
        Whether there were any.
    """
    if not isinstance(network, nn.Module):
        return False
    narrow = [each for each in (*network.parameters(), *network.buffers()) if each.dtype == torch.bfloat16]
    for each in narrow:
        each.data = each.data.float()
    return bool(narrow)


def _program(path: Path) -> torch.export.ExportedProgram:
    try:
        return torch.export.load(path)
    except Exception as error:  # as above
        raise filterkit.SourceError(
            f"{path.name} is not an exported program: {first_line(error)}",
            hint="torch.export.save(torch.export.export(model, inputs), FILE) writes one",
        ) from error


def _is_script(path: Path) -> bool:
    """Whether a file contains code: TorchScript does, a checkpoint does not."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())


def _not_script(path: Path) -> filterkit.SourceError:
    """The error for a .pt file that is not TorchScript, which says what it is."""
    weights = _weights(path)
    return filterkit.SourceError(
        f"{path.name} contains {len(weights)} weights, but not the network that they belong to",
        hint=f"name the callable that builds the network: torch:MODULE:CALLABLE?checkpoint={path.name}; "
        "or save them as .safetensors, which filterkit adds without a network",
    )


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by name; nothing but tensors is ever created from the file."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise filterkit.SourceError(
            f"{path.name} is not a file of weights only: {_held_instead(error)}",
            hint="torch.save(model.state_dict(), FILE) writes one; other objects are not loaded",
        ) from error
    inside = [held[key] for key in _WRAPPED if isinstance(held, Mapping) and key in held]
    weights = next((each for each in inside if isinstance(each, Mapping)), held)
    if not isinstance(weights, Mapping) or not all(isinstance(v, torch.Tensor) for v in weights.values()):
        raise filterkit.SourceError(
            f"{path.name} contains a {type(weights).__name__}, not a dictionary of weights",
            hint="torch.save(model.state_dict(), FILE) writes one",
        )
    named = {str(key): value for key, value in weights.items()}
    consume_prefix_in_state_dict_if_present(named, "module.")  # added by DataParallel
    return named


def _held_instead(error: Exception) -> str:
    """Why a file was refused. PyTorch's own message explains how to run its content anyway."""
    named = re.search(r"GLOBAL (\S+)", str(error))
    if named:
        return f"it contains {named[1]}"
    return "it contains other objects" if isinstance(error, pickle.UnpicklingError) else first_line(error)


def _called(request: Request) -> nn.Module:
    _sow(request.seed)
    factory = _imported(request)
    _sow(request.seed)  # whatever random numbers its import has drawn
    network = factory if isinstance(factory, nn.Module) and not request.arguments else None
    if network is None:
        network = _call(factory, request)
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise filterkit.UsageError(f"{request.shown} returns a value of type {kind}, not a torch.nn.Module")
    if request.checkpoint:
        _fill(network, Path(request.checkpoint), request)
    return network.eval()


def _sow(seed: int) -> None:
    for sow in (random.seed, np.random.seed, torch.manual_seed):
        sow(seed)


def _imported(request: Request) -> Any:
    """The requested callable; modules in the current folder take precedence over installed ones."""
    module, name = str(request.module), str(request.name)
    try:
        found = import_asked_for(module)
    except (Exception, SystemExit) as error:  # arbitrary code
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise filterkit.UsageError(
                f"there is no Python module '{error.name}'",
                hint="modules are searched in this folder and among the installed ones",
            ) from error
        raise filterkit.SourceError(f"importing {module} failed: {first_line(error)}") from error
    try:
        return attrgetter(name)(found)
    except AttributeError as error:
        public = ", ".join(key for key, value in vars(found).items() if _is_own(key, value, module))
        raise filterkit.UsageError(
            f"{module} has no '{name}'", hint=f"it has {public}" if public else None
        ) from error


def _is_own(key: str, value: Any, module: str) -> bool:
    return callable(value) and not key.startswith("_") and getattr(value, "__module__", None) == module


def _call(factory: Any, request: Request) -> Any:
    if not callable(factory):
        raise filterkit.UsageError(
            f"{request.shown} is of type {type(factory).__name__}, which is not callable"
        )
    arguments = {key: _value(text) for key, text in request.arguments.items()}
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # some callables have no signature
        signature = None
    if signature is not None:
        try:
            signature.bind(**arguments)
        except TypeError as error:
            takes = ", ".join(str(each) for each in signature.parameters.values()) or "none"
            raise filterkit.UsageError(
                f"{request.shown} does not accept these arguments: {error}",
                hint=f"its arguments are {takes}; write them as ?name=value&name=value",
            ) from error
    try:
        return factory(**arguments)
    except (Exception, SystemExit) as error:
        raise filterkit.SourceError(f"calling {request.shown} failed: {first_line(error)}") from error


def _value(text: str) -> Any:
    """An argument: true, false, none, a Python literal, else the text itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _fill(network: nn.Module, path: Path, request: Request) -> None:
    weights = _weights(path)
    try:
        network.load_state_dict(weights)
    except Exception as error:
        missing = sorted(set(network.state_dict()) - set(weights))
        foreign = sorted(set(weights) - set(network.state_dict()))
        found = [
            f"{len(names)} {what} ({', '.join(names[:2])}{', …' * (len(names) > 2)})"
            for names, what in ((missing, "missing"), (foreign, "unknown"))
            if names
        ]
        raise filterkit.SourceError(
            f"the weights in {path.name} do not match {request.shown}: "
            + (", ".join(found) or first_line(error, skip=1)),
            hint="pass the arguments that the network was trained with, e.g. ?num_classes=10",
        ) from error
