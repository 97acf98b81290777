"""Outputs of a network, and whether its export gives the same ones at other sizes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

SIZES = {1: 224, 2: 224, 3: 32}
"""Default sizes of the input that a network is traced with, by the number of axes."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def shape_of(network: nn.Module) -> tuple[int, ...]:
    """Channels and sizes of the assumed input: those of the first convolution, else a picture."""
    for module in network.modules():
        if isinstance(module, _CONVOLUTIONS):
            rank = len(module.kernel_size)
            # A lazy one has no channels until it has run.
            return (module.in_channels or 3, *[SIZES[rank]] * rank)
    return (3, *[SIZES[2]] * 2)


def sample(network: nn.Module, count: int, shape: Sequence[int]) -> torch.Tensor:
    """Random numbers of the network's type: `count` pictures of `shape`."""
    dtype = next((each.dtype for each in network.parameters() if each.is_floating_point()), torch.float32)
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(0)).to(dtype)


def probe(network: nn.Module, shape: Sequence[int], axes: Collection[int]) -> torch.Tensor:
    """A sample that is larger along `axes`: by two pictures, and by sizes that can be halved repeatedly."""
    sizes = [size + 64 * (axis - 1) * (axis in axes) for axis, size in enumerate(shape, 1)]
    return sample(network, 3 if 0 in axes else 1, sizes)


def run(network: nn.Module, pictures: torch.Tensor) -> list[NDArray[Any]]:
    """All outputs of a network."""
    with torch.no_grad():
        return list(_tensors(network(pictures)))


def takes(network: nn.Module, pictures: torch.Tensor) -> bool:
    """Whether a network runs without an error."""
    try:
        run(network, pictures)
    except Exception:  # arbitrary code raises anything
        return False
    return True


def agrees(path: Path, network: nn.Module, pictures: torch.Tensor) -> bool:
    """Whether the graph at `path` gives the same outputs as the network."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it may fail: that is what is tested
    try:
        wanted = run(network, pictures)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        made = session.run(None, {session.get_inputs()[0].name: pictures.numpy()})
    except Exception:
        return False
    return len(made) == len(wanted) and all(
        got.shape == want.shape and np.allclose(got, want, rtol=1e-3, atol=1e-3 * (np.abs(want).max() or 1))
        for got, want in zip(made, wanted, strict=True)
    )


def _tensors(value: Any) -> Iterator[NDArray[Any]]:
    """The arrays in whatever a network returns."""
    if isinstance(value, torch.Tensor):
        yield value.numpy()
    elif isinstance(value, Mapping):
        yield from (each for held in value.values() for each in _tensors(held))
    elif isinstance(value, list | tuple):
        yield from (each for held in value for each in _tensors(held))
