"""From a request to a network: imported and called, or read from a file."""

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
"""A module in evaluation mode, TorchScript among them, or an exported program."""

_WRAPPED = ("state_dict", "model_state_dict", "model")
"""Where training scripts put the weights of a checkpoint that holds more than these."""
_WORDS = {"true": True, "false": False, "none": None}


def load(request: Request) -> Network:
    """The network that is wanted.

    Raises
    ------
    filterkit.UsageError, filterkit.SourceError
        There is none; the message says why.
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
    except Exception as error:  # whatever the reader raises at a broken file
        raise filterkit.SourceError(f"{path.name} cannot be loaded: {first_line(error)}") from error
    return script.eval()


def widen(network: Network) -> bool:
    """Turn a module's bfloat16 numbers, with which ONNX Runtime does not convolve, into the same as float32.

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
            f"{path.name} is no exported program: {first_line(error)}",
            hint="torch.export.save(torch.export.export(model, inputs), FILE) writes one",
        ) from error


def _is_script(path: Path) -> bool:
    """Whether a file holds code, which TorchScript does and a checkpoint does not."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())


def _not_script(path: Path) -> filterkit.SourceError:
    """Says what a .pt file is that is no TorchScript."""
    weights = _weights(path)
    return filterkit.SourceError(
        f"{path.name} holds {len(weights)} weights, and not the network that they belong to",
        hint=f"say what makes the network: torch:MODULE:CALLABLE?checkpoint={path.name}; "
        "or save them as .safetensors, which filterkit adds without a network",
    )


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by name; nothing but tensors is ever made of the file."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise filterkit.SourceError(
            f"{path.name} is no file of weights alone: {_held_instead(error)}",
            hint="torch.save(model.state_dict(), FILE) writes one; other objects are not loaded",
        ) from error
    inside = [held[key] for key in _WRAPPED if isinstance(held, Mapping) and key in held]
    weights = next((each for each in inside if isinstance(each, Mapping)), held)
    if not isinstance(weights, Mapping) or not all(isinstance(v, torch.Tensor) for v in weights.values()):
        raise filterkit.SourceError(
            f"{path.name} holds {type(weights).__name__}, not weights by name",
            hint="torch.save(model.state_dict(), FILE) writes those",
        )
    named = {str(key): value for key, value in weights.items()}
    consume_prefix_in_state_dict_if_present(named, "module.")  # left there by DataParallel
    return named


def _held_instead(error: Exception) -> str:
    """What a file was refused for. PyTorch's own words tell how to run what is in it all the same."""
    named = re.search(r"GLOBAL (\S+)", str(error))
    if named:
        return f"it holds {named[1]}"
    return "it holds other objects" if isinstance(error, pickle.UnpicklingError) else first_line(error)


def _called(request: Request) -> nn.Module:
    _sow(request.seed)
    factory = _imported(request)
    _sow(request.seed)  # whatever the module has drawn by being imported
    network = factory if isinstance(factory, nn.Module) and not request.arguments else None
    if network is None:
        network = _call(factory, request)
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise filterkit.UsageError(f"{request.shown} gives a value of type {kind}, not a torch.nn.Module")
    if request.checkpoint:
        _fill(network, Path(request.checkpoint), request)
    return network.eval()


def _sow(seed: int) -> None:
    for sow in (random.seed, np.random.seed, torch.manual_seed):
        sow(seed)


def _imported(request: Request) -> Any:
    """What the request names; modules of the working folder are found, before installed ones."""
    module, name = str(request.module), str(request.name)
    try:
        found = import_asked_for(module)
    except (Exception, SystemExit) as error:  # it is anybody's code
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise filterkit.UsageError(
                f"there is no Python module '{error.name}'",
                hint="modules are looked for in this folder and among the installed ones",
            ) from error
        raise filterkit.SourceError(f"importing {module} fails: {first_line(error)}") from error
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
            f"{request.shown} is of type {type(factory).__name__}, and cannot be called"
        )
    arguments = {key: _value(text) for key, text in request.arguments.items()}
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # some callables do not tell theirs
        signature = None
    if signature is not None:
        try:
            signature.bind(**arguments)
        except TypeError as error:
            takes = ", ".join(str(each) for each in signature.parameters.values()) or "none"
            raise filterkit.UsageError(
                f"{request.shown} cannot be called so: {error}",
                hint=f"its arguments are {takes}; write them as ?name=value&name=value",
            ) from error
    try:
        return factory(**arguments)
    except (Exception, SystemExit) as error:
        raise filterkit.SourceError(f"calling {request.shown} fails: {first_line(error)}") from error


def _value(text: str) -> Any:
    """An argument: true, false, none, whatever Python reads as a literal, and else the text itself."""
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
            f"the weights of {path.name} do not fit {request.shown}: "
            + (", ".join(found) or first_line(error, skip=1)),
            hint="arguments may make it the network that was trained: ?num_classes=10",
        ) from error
