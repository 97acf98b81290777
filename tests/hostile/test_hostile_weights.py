"""Untrusted weights files: refused in one line, in little time and memory; no other file is read."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import filterkit
from filterkit.errors import FilterkitError, SourceError
from filterkit.sources.weights_file import WeightsFile

KERNEL = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)


def fetch(path: Path) -> None:
    WeightsFile().fetch(str(path), path.parent, lambda *_: None)


def save_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["conv/vars/0"] = KERNEL
        file["conv/vars/1"] = KERNEL[:, 0, 0, 0]


WRITERS: dict[str, Callable[[Path], object]] = {
    ".safetensors": lambda path: save_file(
        {"conv.weight": KERNEL, "conv.bias": KERNEL[:, 0, 0, 0].copy()}, path
    ),
    ".npz": lambda path: np.savez_compressed(path, conv=KERNEL),
    ".h5": save_h5,
}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_one_line_or_does_no_harm(suffix: str, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / f"net{suffix}"
    WRITERS[suffix](path)
    whole = path.read_bytes()
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        if place < len(damaged):
            damaged[place] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        fetch(path)
    except FilterkitError as error:
        assert error.exit_code == 1
        assert "\n" not in error.message


@pytest.mark.parametrize("suffix", WRITERS)
def test_garbage_leaves_the_catalog_as_it_was(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"net{suffix}").write_bytes(b"\x93NUMPY" + bytes(range(256)) * 9)
    words = f"cannot read net{suffix} as {suffix}"
    with filterkit.open(tmp_path / "catalog.db") as bench, pytest.raises(SourceError, match=re.escape(words)):
        bench.add(f"weights:{tmp_path}/net{suffix}")
    assert not (tmp_path / "catalog.db").exists()


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pickled-was-run",)


def test_pickles_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("objects.npz", conv=np.array([Bomb()], object), pairs=np.zeros((2, 2, 3), "f4,f4"))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("objects.npz", "pickle.npz"):
        with pytest.raises(SourceError):
            fetch(tmp_path / name)
    assert not Path("pickled-was-run").exists()


def npy(shape: tuple[int, ...], data: bytes) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape!r}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def test_an_archive_that_unpacks_to_more_than_it_can_hold(tmp_path: Path) -> None:
    zeros = bytes(1 << 20)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("conv.npy", "w") as member:
        member.write(npy((1 << 14, 512, 3, 3), b""))
        for _ in range(64):
            member.write(zeros)
    with pytest.raises(SourceError, match="declares 301,989,888 bytes of weights in a file of"):
        fetch(path)


@pytest.mark.parametrize("shape", [(1 << 40, 1 << 40, 3, 3), (4, 3, 3, 4), (-4, -3, 3, 3)])
def test_a_shape_that_is_not_true(shape: tuple[int, ...], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        archive.writestr("conv.npy", npy(shape, bytes(4 * 108)))
    with pytest.raises(SourceError):
        fetch(tmp_path / "net.npz")


def test_a_dataset_larger_than_its_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.create_dataset("conv/vars/0", (3, 3, 1 << 20, 1 << 20), "f4", chunks=(3, 3, 8, 8))
    with pytest.raises(SourceError, match="claims"):
        fetch(tmp_path / "net.h5")


def test_links_and_foreign_storage_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(KERNEL.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["conv"] = KERNEL
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["conv/vars/0"] = KERNEL
        file["linked/vars/0"] = h5py.ExternalLink("other.h5", "conv")
        file["soft"] = h5py.SoftLink("/conv/vars/0")
        file["conv/loop"] = file["conv"]
    fetched = WeightsFile().fetch(str(tmp_path / "links.h5"), tmp_path, lambda *_: None)
    assert list((fetched.layer_names or {}).values()) == ["conv"]
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("conv", KERNEL.shape, "f4", external=[(secret, 0, secret.stat().st_size)])
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(KERNEL.shape, "f4")
        layout[:] = h5py.VirtualSource("other.h5", "conv", KERNEL.shape)
        file.create_virtual_dataset("conv", layout)
    for name in ("external.h5", "virtual.h5"):
        with pytest.raises(SourceError, match="stores 'conv' in an external file"):
            fetch(tmp_path / name)


def test_a_header_that_is_not_true(tmp_path: Path) -> None:
    for offsets in ([0, 1 << 60], [-4, 0], [8, 4], ["a", "b"]):
        entry = {"dtype": "F32", "shape": [1 << 29, 1, 1, 1 << 29], "data_offsets": offsets}
        text = json.dumps({"conv.weight": entry}).encode()
        (tmp_path / "net.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
        with pytest.raises(SourceError):
            fetch(tmp_path / "net.safetensors")
