"""Array files, read back with the libraries of their formats."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from filterkit.errors import UsageError
from filterkit.formats.arrays import ARRAYS, write_arrays

NAMED = {"file": np.arange(6, dtype=np.float32).reshape(2, 3), "block1/conv": np.ones((1, 2), np.float16)}


def test_every_format_is_read_back_by_its_library(tmp_path: Path) -> None:
    write_arrays(NAMED, tmp_path / "deep" / "a.npz")
    with np.load(tmp_path / "deep" / "a.npz", allow_pickle=False) as found:
        assert {name: found[name].tolist() for name in found} == {n: a.tolist() for n, a in NAMED.items()}
    write_arrays(NAMED, tmp_path / "a.SAFETENSORS")
    loaded = load_file(tmp_path / "a.SAFETENSORS")
    assert {name: (str(a.dtype), a.tolist()) for name, a in loaded.items()} == {
        name: (str(a.dtype), a.tolist()) for name, a in NAMED.items()
    }
    write_arrays({"one": NAMED["file"][:, ::-1]}, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), NAMED["file"][:, ::-1])
    assert sorted(path.suffix.lower() for path in tmp_path.rglob("a.*")) == sorted(ARRAYS)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("suffix", ARRAYS)
def test_who_may_read_a_file_is_up_to_the_user(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "plain").touch()
    path = tmp_path / f"a{suffix}"
    write_arrays({"one": NAMED["file"]}, path)
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o604)
    write_arrays({"one": NAMED["file"]}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write 2 layers to one \.npy file"):
        write_arrays(NAMED, tmp_path / "a.npy")
    with pytest.raises(UsageError, match=r"cannot write arrays to 'a\.mat'"):
        write_arrays(NAMED, tmp_path / "a.mat")
    assert list(tmp_path.iterdir()) == []
