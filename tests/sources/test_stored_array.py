"""Types of stored arrays, and the natural order of their names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_graphs import random
from safetensors.numpy import save_file
from weight_files import read

from filterkit.sources.stored_array import CODES, FLOATS, StoredArray, natural


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


@given(st.lists(st.integers(0, 10**25), min_size=1))
def test_numbers_within_names_are_in_order(numbers: list[int]) -> None:
    names = [f"block{number}/conv{10**25 - number}.weight" for number in numbers]
    assert sorted(names, key=natural) == [
        f"block{number}/conv{10**25 - number}.weight" for number in sorted(numbers)
    ]


@given(st.text(), st.text())
def test_any_names_can_be_compared(one: str, other: str) -> None:
    assert sorted([one, other], key=natural) == sorted([other, one], key=natural) or natural(one) == natural(
        other
    )


@pytest.mark.parametrize("dtype", [*FLOATS, *CODES])
def test_bytes_of_every_type(dtype: str) -> None:
    width = 2 if dtype == "bfloat16" else 1 if dtype.startswith("float8") else np.dtype(dtype).itemsize
    assert StoredArray("w", dtype, (2, 3, 5), lambda: np.zeros(0)).nbytes == 30 * width
