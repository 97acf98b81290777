"""From a network to an ONNX file: as free in its sizes as the network is, with its weights as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filterkit
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from filterkit_torch.loading import Network
from filterkit_torch.naming import names_of_program, names_of_script
from filterkit_torch.program import simplify, write
from filterkit_torch.request import Request
from filterkit_torch.words import first_line

SIZES = {1: 224, 2: 224, 3: 32}
"""By the number of axes: sizes of the sample that a network is traced with, unless the user says others."""
LETTERS = {1: "W", 2: "HW", 3: "DHW"}
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def export(network: Network, request: Request) -> dict[str, str]:
    """Write `network` to the request's ONNX file.

    Returns
    -------
    dict
        From a node's name to the name of the module that it stands for.

    Raises
    ------
    filterkit.UsageError
        The network does not take the input that is stated or assumed.
    filterkit.SourceError
        PyTorch cannot export it.
    """
    path = Path(request.onnx)
    if isinstance(network, torch.export.ExportedProgram):
        return _write(network, (), {}, path, request)
    shape = request.input_shape or _shape_of(network)
    axes = (0, *range(2, len(shape) + 1))
    _check_input(network, shape, request)
    for free in (axes, (0,), ()):
        sample = _sample(network, 2 if free else 1, shape)
        probe = _sample(network, 3, shape, grow=free)
        wanted = _answers(network, probe) if free else None
        if free and wanted is None:
            continue  # the network itself takes no other sizes
        try:
            names = _write(network, (sample,), _dynamic(free, len(shape)), path, request)
        except filterkit.SourceError:
            if not free:
                raise
            continue
        if wanted is None or _agrees(path, probe, wanted):
            return names
    raise AssertionError("with no free axis, an export either ends or raises")


def _shape_of(network: nn.Module) -> tuple[int, ...]:
    """Channels and sizes of the assumed input: what the first convolution takes, else a picture."""
    for module in network.modules():
        if isinstance(module, _CONVOLUTIONS):
            rank = len(module.kernel_size)
            # A lazy one has no channels before it has run.
            return (module.in_channels or 3, *[SIZES[rank]] * rank)
    return (3, *[SIZES[2]] * 2)


def _sample(network: nn.Module, count: int, shape: Sequence[int], grow: Sequence[int] = ()) -> torch.Tensor:
    """Random numbers of the network's type; larger along the axes `grow` by steps that halve evenly."""
    sizes = [count, *shape]
    for axis in grow:
        if axis:
            sizes[axis] += 64 * (axis - 1)
    dtype = next((each.dtype for each in network.parameters() if each.is_floating_point()), torch.float32)
    return torch.randn(sizes, generator=torch.Generator().manual_seed(0)).to(dtype)


def _dynamic(free: Sequence[int], rank: int) -> dict[int, str]:
    letters = "NC" + LETTERS.get(rank - 1, "123456789"[: rank - 1])
    return {axis: letters[axis] for axis in free}


def _run(network: nn.Module, sample: torch.Tensor) -> list[NDArray[Any]]:
    with torch.no_grad():
        return list(_tensors(network(sample)))


def _tensors(value: Any) -> Iterator[NDArray[Any]]:
    """The arrays in whatever a network returns."""
    if isinstance(value, torch.Tensor):
        yield value.numpy()
    elif isinstance(value, Mapping):
        yield from (each for held in value.values() for each in _tensors(held))
    elif isinstance(value, list | tuple):
        yield from (each for held in value for each in _tensors(held))


def _answers(network: nn.Module, sample: torch.Tensor) -> list[NDArray[Any]] | None:
    """What the network makes of a sample; None where it refuses."""
    try:
        return _run(network, sample)
    except Exception:
        return None


def _check_input(network: nn.Module, shape: Sequence[int], request: Request) -> None:
    """Run the network once, which also completes lazy modules."""
    try:
        _run(network, _sample(network, 1, shape))
    except Exception as error:
        raise filterkit.UsageError(
            f"{request.shown} takes no input of {'×'.join(map(str, shape))}: {first_line(error)}",
            hint="state channels and sizes of its one input: ?input=3x224x224; "
            "a network of other inputs can be saved by torch.export as a .pt2",
        ) from error


def _write(
    network: Network, sample: tuple[torch.Tensor, ...], free: Mapping[int, str], path: Path, request: Request
) -> dict[str, str]:
    """Export once, with the axes `free`; names of its layers."""
    try:
        if isinstance(network, torch.jit.ScriptModule):
            return _write_script(network, sample, free, path)
        return _write_program(network, sample, free, path)
    except Exception as error:  # of many kinds, for what an exporter does not know
        raise filterkit.SourceError(f"PyTorch cannot export {request.shown}: {first_line(error)}") from error


def _write_program(
    network: Network, sample: tuple[torch.Tensor, ...], free: Mapping[int, str], path: Path
) -> dict[str, str]:
    if isinstance(network, torch.export.ExportedProgram):
        program = torch.onnx.export(network, dynamo=True, optimize=False, verbose=False)
        parameters = set(network.state_dict)
    else:
        shapes = (dict(free),)
        program = torch.onnx.export(
            network, sample, dynamo=True, dynamic_shapes=shapes, optimize=False, verbose=False
        )
        parameters = set(network.state_dict())
    assert program is not None
    simplify(program, parameters)
    names = names_of_program(program, parameters)
    write(program, path)
    return names


def _write_script(
    network: torch.jit.ScriptModule, sample: tuple[torch.Tensor, ...], free: Mapping[int, str], path: Path
) -> dict[str, str]:
    """The new exporter takes no TorchScript; the old one folds batch norms unless told not to."""
    torch.onnx.export(
        network,
        sample,
        str(path),
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": dict(free)},
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )
    return names_of_script(path, set(network.state_dict()))


def _agrees(path: Path, probe: torch.Tensor, wanted: Sequence[NDArray[Any]]) -> bool:
    """Whether the exported graph answers as the network itself at sizes that it was not traced with."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # that it may fail is why it is asked
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        made = session.run(None, {session.get_inputs()[0].name: probe.numpy()})
    except Exception:
        return False
    return len(made) == len(wanted) and all(
        got.shape == want.shape and np.allclose(got, want, rtol=1e-3, atol=1e-3 * (np.abs(want).max() or 1))
        for got, want in zip(made, wanted, strict=True)
    )
