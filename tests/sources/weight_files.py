"""Checkpoints of weights alone: writing them, and their banks as they get into a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx_graphs import random
from safetensors.numpy import save_file

from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.layers.naming import name_layers
from filterkit.graph.loading.load import open_graph
from filterkit.records import FilterBank
from filterkit.sources.weights_file import WeightsFile

V, BIAS = random(4, 3, 3, 3), random(4, seed=1)
G = np.abs(random(4, 1, 1, 1, seed=2))


def read(ref: object, workdir: Path) -> dict[str, FilterBank]:
    """The banks of a checkpoint by layer name, as they get into a catalog."""
    workdir.mkdir(exist_ok=True)
    fetched = WeightsFile().fetch(str(ref), workdir, lambda *_: None)
    onnx.checker.check_model(fetched.onnx_path)
    banks = list(ConvolutionExtractor().extract(open_graph(fetched.onnx_path)))
    assert all(isinstance(bank, FilterBank) for bank in banks)
    names = name_layers(banks, fetched.layer_names)  # type: ignore[arg-type]
    return dict(zip(names, banks, strict=True))  # type: ignore[arg-type]


def write_h5(path: Path, arrays: Mapping[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def banks_of(arrays: Mapping[str, Any], tmp_path: Path, options: str = "") -> dict[str, FilterBank]:
    save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, tmp_path / "net.safetensors"
    )
    return read(f"{tmp_path / 'net.safetensors'}{options}", tmp_path / "work")


def nets(*prefixes: str, layers: int = 3) -> dict[str, np.ndarray]:
    """The same small network under several names, with the same numbers times 1, 2, …"""
    weights = [random(4, 3 if number == 0 else 4, 3, 3, seed=number) for number in range(layers)]
    return {
        f"{prefix}conv{number}.weight": (place + 1) * weight
        for place, prefix in enumerate(prefixes)
        for number, weight in enumerate(weights)
    }
