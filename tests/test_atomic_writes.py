"""Files written with -o are either complete or unchanged."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import filterkit
from filterkit.atomic_writes import put, replacing
from filterkit.cli.app import build_app

resource = pytest.importorskip("resource")
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs links, pipes and devices")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

COMMANDS = {
    "show.png": "show classic/edge_sobel_x",
    "show.svg": "show classic/edge_sobel_x",
    "show.txt": "show classic/edge_sobel_x",
    "mosaic.png": "show classic/edge_sobel_x --renderer mosaic",
    "stats.pdf": "stats classic",
    "export.npy": "export classic/edge_sobel_x",
    "export.npz": "export classic",
    "export.safetensors": "export classic",
    "maps.npy": "maps classic/edge_sobel_x photo.png",
    "maps.npz": "maps classic/edge_sobel_x photo.png",
    "maps.png": "maps classic/edge_sobel_x photo.png",
    "convolve.npy": "convolve classic/edge_sobel_x photo.png",
    "similar.png": "similar classic/edge_sobel_x",
    "diff.png": "diff classic classic --level filter",
}
"""Which command writes which file."""

BEGIN = """
import os, resource, signal, sys
from filterkit.cli.app import run
import filterkit.operations.stacks, matplotlib.figure, onnxruntime, safetensors.numpy, scipy.optimize
{how}
run(sys.argv[1:])
"""
FULL = "resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))"
RENAMED = """
def die(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith({name!r}):
        {what}
sys.addaudithook(die)
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
INTERRUPTED = "raise KeyboardInterrupt"


@pytest.fixture
def folder(classic_catalog: Path, tmp_path: Path) -> Path:
    Image.new("RGB", (32, 24), "red").save(tmp_path / "photo.png")
    return tmp_path


def command(catalog: Path, name: str) -> list[str]:
    return [*COMMANDS[name].split(), "-o", name, "--catalog", str(catalog), "--quiet", "--format", "csv"]


def ran(folder: Path, catalog: Path, name: str, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN.format(how=how), *command(catalog, name)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("old", [b"what was there before", None], ids=["old", "new"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_leaves_no_part_of_a_file(
    folder: Path, classic_catalog: Path, name: str, old: bytes | None
) -> None:
    if old:
        (folder / name).write_bytes(old)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = ran(folder, classic_catalog, name, FULL)
    assert done.returncode == 1 and done.stderr.startswith(f"error: {name}: "), done
    assert len(done.stderr.splitlines()) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("name", ["show.png", "export.npz", "maps.npy", "maps.npz"])
def test_a_kill_leaves_the_old_file(folder: Path, classic_catalog: Path, name: str) -> None:
    (folder / name).write_bytes(b"old")
    how = RENAMED.format(name=name, what=KILLED)
    assert ran(folder, classic_catalog, name, how).returncode == -9
    assert (folder / name).read_bytes() == b"old"
    assert all(path.name.startswith(".") or path.name in (name, "photo.png") for path in folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["show.png", "export.npz", "maps.npy", "maps.npz"])
def test_an_interruption_leaves_nothing_else(folder: Path, classic_catalog: Path, name: str) -> None:
    (folder / name).write_bytes(b"old")
    how = RENAMED.format(name=name, what=INTERRUPTED)
    assert ran(folder, classic_catalog, name, how).returncode == 130
    assert (folder / name).read_bytes() == b"old"
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "photo.png"])


def test_a_renderer_that_fails_leaves_the_old_file(folder: Path, classic_catalog: Path) -> None:
    (folder / "show.png").write_bytes(b"old")
    how = (
        "import filterkit.renderers.grid as grid\ndef fail(*_): raise RuntimeError('no')\ngrid.written = fail"
    )
    assert ran(folder, classic_catalog, "show.png", how).returncode == 1
    assert (folder / "show.png").read_bytes() == b"old"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_written_replaces_the_old_file(
    folder: Path, classic_catalog: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / name).write_bytes(b"old")
    monkeypatch.chdir(folder)
    assert CliRunner().invoke(build_app(), command(classic_catalog, name)).exit_code == 0
    assert (folder / name).read_bytes() != b"old"
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "photo.png"])


@POSIX
def test_modes_are_those_of_any_new_file_and_of_an_old_one(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "new") as part:
            part.write_bytes(b"1")
        (tmp_path / "old").touch(0o604)
        (tmp_path / "old").chmod(0o604)
        with replacing(tmp_path / "old") as part:
            part.write_bytes(b"1")
        (tmp_path / "source").write_bytes(b"2")
        put(tmp_path / "source", tmp_path / "moved")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "old": 0o604, "moved": 0o640}


@POSIX
def test_a_link_stays_and_the_file_that_it_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_bytes(b"old")
    for link, target in (("link", "far/file"), ("lost", "far/new")):
        (tmp_path / link).symlink_to(target)
        with replacing(tmp_path / link) as part:
            part.write_bytes(b"new")
        assert (tmp_path / link).is_symlink() and (tmp_path / target).read_bytes() == b"new"
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["file", "new"]


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("name", ["export.npz", "show.png", "maps.npy", "maps.npz", "export.safetensors"])
def test_pipes_and_devices_are_written_themselves(folder: Path, classic_catalog: Path, name: str) -> None:
    (folder / name).symlink_to("/dev/null")
    assert ran(folder, classic_catalog, name, "").returncode == 0
    assert Path("/dev/null").is_char_device() and (folder / name).is_symlink()
    (folder / name).unlink()
    os.mkfifo(folder / name)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((folder / name).read_bytes()), daemon=True)
    reader.start()
    assert ran(folder, classic_catalog, name, "").returncode == 0
    reader.join(60)
    assert len(read[0]) > 100 and stat.S_ISFIFO((folder / name).stat().st_mode)


@POSIX
@pytest.mark.skipif(ROOT, reason="may write anywhere")
def test_what_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o444)
    with pytest.raises(PermissionError) as caught, replacing(tmp_path / "file"):
        pass
    assert caught.value.filename == str(tmp_path / "file")
    (tmp_path / "closed").mkdir(mode=0o555)
    with pytest.raises(PermissionError) as caught, replacing(tmp_path / "closed" / "file"):
        pass
    assert caught.value.filename == str(tmp_path / "closed" / "file")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), replacing(tmp_path):
        pass
    long = tmp_path / ("n" * 250)
    with replacing(long) as part:
        part.write_bytes(b"1")
    assert long.read_bytes() == b"1"


def test_layers_may_be_called_anything(tmp_path: Path) -> None:
    """Arrays may have names that `numpy.savez` refuses, and pictures stay inside the requested folder."""
    from filterkit.formats.arrays import write_arrays
    from filterkit.renderers.drawing import file_name

    arrays = {"file": np.ones((1, 2)), "allow_pickle": np.zeros(3, "f4")}
    write_arrays(arrays, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert {name: stored[name].tolist() for name in stored.files} == {
            name: array.tolist() for name, array in arrays.items()
        }
    assert file_name("block1_conv1") == "block1_conv1"
    assert file_name("../../\x1b[2Jx\\y") == ".._.._" + "_x1b[2Jx_y"
    assert filterkit.__version__


@POSIX
@pytest.mark.parametrize("name", ["out.png", "out.npz"])
def test_a_link_to_stdout_is_written_through_a_pipe(folder: Path, classic_catalog: Path, name: str) -> None:
    (folder / name).symlink_to("/dev/stdout")
    words = COMMANDS["show.png" if name == "out.png" else "export.npz"].split()
    command = [sys.executable, "-m", "filterkit", *words, "-o", name, "--catalog", classic_catalog, "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"\x89PNG" if name == "out.png" else b"PK")
    assert (folder / name).is_symlink()
