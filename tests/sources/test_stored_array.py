"""Types of stored arrays, and the natural order of their names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx_graphs import random
from safetensors.numpy import save_file
from weight_files import read


def test_types_are_kept_or_become_float32(tmp_path: Path) -> None:
    halves = random(2, 3, 3, 3, dtype=np.float16)
    doubles = random(2, 3, 3, 3, dtype=np.float64)
    save_file(
        {"half.weight": halves, "half.bias": random(2), "double.weight": doubles}, tmp_path / "a.safetensors"
    )
    banks = read(tmp_path / "a.safetensors", tmp_path / "work")
    assert {name: (bank.source_dtype, bank.weights.dtype.name) for name, bank in banks.items()} == {
        "double": ("float64", "float32"),
        "half": ("float16", "float16"),
    }
    np.testing.assert_array_equal(banks["half"].weights, halves)
    np.testing.assert_array_equal(banks["double"].weights, doubles.astype(np.float32))
    assert banks["half"].bias is not None


def test_bfloat16(tmp_path: Path) -> None:
    exact = random(2, 3, 3, 3).view(np.uint32) & 0xFFFF0000
    data = (exact >> 16).astype("<u2").tobytes()
    header = {"c.weight": {"dtype": "BF16", "shape": [2, 3, 3, 3], "data_offsets": [0, len(data)]}}
    text = json.dumps(header).encode()
    (tmp_path / "net.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    [bank] = read(tmp_path / "net.safetensors", tmp_path / "work").values()
    assert (bank.source_dtype, bank.weights.dtype) == ("bfloat16", np.float32)
    np.testing.assert_array_equal(bank.weights, exact.view(np.float32))
