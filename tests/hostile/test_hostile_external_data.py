"""Models whose weights are in files beside them, or claim to be, and model files that are no files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from isolated import Run
from onnx import TensorProto
from onnx_graphs import random
from small_models import POSIX, convolution

SECRET = random(4, 3, 3, 3).tobytes()


def outside(place: str, offset: object = None, length: object = None) -> Callable[[Path], None]:
    """A model whose weight lies in `place`; ``{here}`` is its folder, ``{there}`` another one."""

    def make(folder: Path) -> None:
        (folder / "net").mkdir()
        (folder / "there").mkdir()
        (folder / "there" / "secret.bin").write_bytes(SECRET)
        (folder / "net" / "own.bin").write_bytes(SECRET)
        model = convolution()
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        given = {
            "location": place.format(here=folder / "net", there=folder / "there"),
            "offset": offset,
            "length": length,
        }
        for key, value in given.items():
            if value is not None:
                weight.external_data.add(key=key, value=str(value))
        (folder / "net" / "model.onnx").write_bytes(model.SerializeToString())

    return make


def linked(link: Callable[[Path, Path], object], place: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        outside(place)(folder)
        link(folder / "net", folder / "there")

    return make


EXTERNAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "above": (outside("../there/secret.bin"), "outside"),
    "above and back": (outside("../net/own.bin"), "outside"),
    "absolute": (outside("{there}/secret.bin"), "outside"),
    "backslashes": (outside("..\\there\\secret.bin"), "outside"),
    "symlink to a file": (linked(lambda own, far: (own / "l").symlink_to(far / "secret.bin"), "l"), "out"),
    "symlink to a folder": (linked(lambda own, far: (own / "l").symlink_to(far), "l/secret.bin"), "outside"),
    "symlink to itself": (linked(lambda own, far: (own / "l").symlink_to("l"), "l"), "missing"),
    "hard link": (linked(lambda own, far: (own / "l").hardlink_to(far / "secret.bin"), "l"), "regular file"),
    "pipe": (linked(lambda own, far: os.mkfifo(own / "l"), "l"), "not a regular file"),
    "symlink to a device": (linked(lambda own, far: (own / "l").symlink_to("/dev/zero"), "l"), "outside"),
    "device": (outside("/dev/zero"), "outside"),
    "folder": (outside("."), "not a regular file"),
    "the model itself": (outside("model.onnx", 10**6, 432), "too short"),
    "nul": (outside("own\0.bin"), "outside"),
    "no name": (outside(""), "outside"),
    "long name": (outside("n" * 10_000), "missing"),
    "missing": (outside("none.bin"), "missing"),
    "short": (outside("own.bin", 4, 432), "too short"),
    "overlong": (outside("own.bin", 0, 3 << 30), "too short"),
    "2^70 long": (outside("own.bin", 0, 2**70), "too short"),
    "less than the shape": (outside("own.bin", 0, 428), "does not match its shape"),
    "more than the shape": (outside("own.bin", 0, 436), "too short"),
    "negative offset": (outside("own.bin", -4, 432), "too short"),
    "negative length": (outside("own.bin", 0, -432), "too short"),
    "offset that is no number": (outside("own.bin", "four"), "an invalid offset or length"),
}  # fmt: skip


@POSIX
@pytest.mark.parametrize("kind", EXTERNAL)
def test_external_data(run: Run, tmp_path: Path, kind: str) -> None:
    make, words = EXTERNAL[kind]
    make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    error, _ = run("add", "net/model.onnx").refusal()
    assert words in error
    assert sorted(tmp_path.rglob("*")) == before, "something was written"


def test_external_data_inside_the_folder_is_taken(run: Run, tmp_path: Path) -> None:
    outside("own.bin", 0, 432)(tmp_path)
    run("add", "net/model.onnx").fine  # noqa: B018
    assert run("layers", "model", "--format", "json").rows[0]["kernels"] == 12


@POSIX
@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_what_is_no_file_is_not_read(run: Run, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.onnx"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        import socket

        socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))
    error, _ = run("add", path).refusal()
    assert "not a file" in error
