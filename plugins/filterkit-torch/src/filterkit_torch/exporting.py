"""Export a network to an ONNX file with as many free sizes as it supports, and with unchanged weights."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import filterkit
import onnx_ir as ir
import torch
from torch import nn

from filterkit_torch.loading import Network
from filterkit_torch.naming import names_of_program, names_of_script
from filterkit_torch.probing import agrees, probe, run, sample, shape_of, takes
from filterkit_torch.program import simplify, write
from filterkit_torch.request import Request
from filterkit_torch.words import first_line

LETTERS = {1: "W", 2: "HW", 3: "DHW"}
INSTEAD = (
    "PyTorch's newer exporter supports more, but not TorchScript: name the callable that builds the network, "
    "torch:MODULE:CALLABLE, or save it with torch.export as a .pt2"
)


def export(network: Network, request: Request) -> dict[str, str]:
    """Write `network` to the request's ONNX file.

    Returns
    -------
    dict
        From a node's name to the name of its module.

    Raises
    ------
    filterkit.UsageError
        If the network does not accept the stated or assumed input.
    filterkit.SourceError
        If PyTorch cannot export it.
    """
    path = Path(request.onnx)
    if isinstance(network, torch.export.ExportedProgram):
        return _write(network, (), {}, path, request)
    shape = request.input_shape or shape_of(network)
    _check_input(network, shape, request)
    axes = [axis for axis in (0, *range(2, len(shape) + 1)) if takes(network, probe(network, shape, [axis]))]
    if axes and (names := _write_free(network, shape, axes, path, request)) is not None:
        return names
    return _write_fixed(network, shape, path, request)


def _write_fixed(network: nn.Module, shape: Sequence[int], path: Path, request: Request) -> dict[str, str]:
    return _write(network, (sample(network, 1, shape),), {}, path, request)


def _write_free(
    network: nn.Module, shape: Sequence[int], axes: list[int], path: Path, request: Request
) -> dict[str, str] | None:
    """Export with as many of `axes` free as possible; returns layer names, or None if no axis can be free.

    All are tried at once, which usually works; otherwise they are added one by one.
    """

    def attempt(free: Sequence[int], trial: Path) -> dict[str, str] | None:
        pictures = sample(network, 2 if 0 in free else 1, shape)
        try:
            names = _write(network, (pictures,), _dynamic(free, len(shape)), trial, request)
        except filterkit.SourceError:
            return None
        return names if agrees(trial, network, probe(network, shape, free)) else None

    with (
        tempfile.TemporaryDirectory(dir=path.parent) as first,
        tempfile.TemporaryDirectory(dir=first) as later,
    ):
        whole, trial = Path(first, path.name), Path(later, path.name)
        best = attempt(axes, whole)
        if best is not None:
            _move(whole, path)
            return best
        if whole.exists():  # the results differ, perhaps along some of the axes only
            candidates = [axis for axis in axes if agrees(whole, network, probe(network, shape, [axis]))]
        else:
            best = _write_fixed(
                network, shape, path, request
            )  # if that fails as well, nothing else will help
            candidates = axes
        kept: list[int] = []
        for axis in candidates:
            free = [*kept, axis]
            if free != axes and (names := attempt(free, trial)) is not None:
                best, kept = names, free
                _move(trial, path)
    return best


def _move(made: Path, path: Path) -> None:
    """Move a model to its final path, together with its file of external weights, if any."""
    for each in made.parent.glob(f"{glob.escape(path.name)}*"):
        each.replace(path.parent / each.name)


def _dynamic(free: Sequence[int], rank: int) -> dict[int, str]:
    letters = _letters(rank)
    return {axis: letters[axis] for axis in free}


def _letters(rank: int) -> str:
    """Names of the batch axis and of the axes of pictures with `rank` axes."""
    return "NC" + LETTERS.get(rank - 1, "123456789"[: rank - 1])


def _check_input(network: nn.Module, shape: Sequence[int], request: Request) -> None:
    """Run the network once, which also initializes lazy modules."""
    try:
        run(network, sample(network, 1, shape))
    except Exception as error:
        raise filterkit.UsageError(
            f"{request.shown} does not accept an input of {'×'.join(map(str, shape))}: {first_line(error)}",
            hint="state channels and sizes of its one input: ?input=3x224x224; "
            "a network with other inputs can be saved with torch.export as a .pt2",
        ) from error


def _write(
    network: Network,
    pictures: tuple[torch.Tensor, ...],
    free: Mapping[int, str],
    path: Path,
    request: Request,
) -> dict[str, str]:
    """Export once, with the axes `free`; returns the names of its layers."""
    try:
        if isinstance(network, torch.jit.ScriptModule):
            return _write_script(network, pictures, free, path)
        return _write_program(network, pictures, free, path)
    except Exception as error:  # exporters raise many kinds of errors
        raise filterkit.SourceError(
            f"PyTorch cannot export {request.shown}: {first_line(error)}",
            hint=INSTEAD if isinstance(network, torch.jit.ScriptModule) else None,
        ) from error


def _write_program(
    network: Network, pictures: tuple[torch.Tensor, ...], free: Mapping[int, str], path: Path
) -> dict[str, str]:
    if isinstance(network, torch.export.ExportedProgram):
        program = torch.onnx.export(network, dynamo=True, optimize=False, verbose=False)
        assert program is not None
        _name_axes(program)
        parameters = set(network.state_dict)
    else:
        shapes = (dict(free),)
        program = torch.onnx.export(
            network, pictures, dynamo=True, dynamic_shapes=shapes, optimize=False, verbose=False
        )
        parameters = set(network.state_dict())
    assert program is not None
    simplify(program, parameters)
    names = names_of_program(program, parameters)
    write(program, path)
    return names


def _name_axes(program: torch.onnx.ONNXProgram) -> None:
    """Name the free axes of inputs, pictures first, as for other networks; a saved program numbers them."""
    shapes = [value.shape or () for value in program.model.graph.inputs]
    called: dict[str | ir.SymbolicDim, str] = {}
    for shape in sorted(shapes, key=len, reverse=True):
        for size, letter in zip(shape, _letters(len(shape) - 1), strict=False):
            if not isinstance(size, ir.SymbolicDim) or size.value is None or letter == "C":
                continue
            if size.value not in called and letter not in called.values():  # a name stands for one size
                called[size.value] = letter
    program.rename_axes(called)


def _write_script(
    network: torch.jit.ScriptModule, pictures: tuple[torch.Tensor, ...], free: Mapping[int, str], path: Path
) -> dict[str, str]:
    """The new exporter does not support TorchScript; the old one folds batch norms by default."""
    torch.onnx.export(
        network,
        pictures,
        str(path),
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": dict(free)},
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )
    return names_of_script(path, set(network.state_dict()))
