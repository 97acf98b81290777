"""Filter banks as arrays, and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from small_network import BIAS, FIRST, SECOND

import filterkit


def test_banks_and_biases_are_arrays(small: filterkit.Workbench) -> None:
    np.testing.assert_array_equal(small.bank("net/conv1"), FIRST)
    np.testing.assert_array_equal(small.bank("net/conv2/1/0,3"), SECOND[1:, [0, 3]])
    np.testing.assert_array_equal(small.bias("net/conv1/2:"), BIAS[2:])
    assert small.bias("net/conv2") is None


def test_files_hold_the_same_arrays(small: filterkit.Workbench, tmp_path: Path) -> None:
    small.export("net/conv1", tmp_path / "one.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), FIRST)
    small.export("net", tmp_path / "all.npz")
    small.export("net", tmp_path / "all.safetensors")
    with np.load(tmp_path / "all.npz") as stored:
        for arrays in (
            {name: stored[name] for name in stored.files},
            load_file(tmp_path / "all.safetensors"),
        ):
            assert arrays.keys() == {"conv1", "conv2"}
            np.testing.assert_array_equal(arrays["conv1"], FIRST)
            np.testing.assert_array_equal(arrays["conv2"], SECOND)


@pytest.mark.parametrize("name", ["all.npy", "all.txt", "all"])
def test_what_cannot_be_written_is_wrong_use(small: filterkit.Workbench, tmp_path: Path, name: str) -> None:
    with pytest.raises(filterkit.UsageError):
        small.export("net", tmp_path / name)
    assert not list(tmp_path.iterdir())
