"""``filterkit visualize``: rows, files, and interruptions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import Run
from onnx_graphs import build, node, random
from PIL import Image

SHORT = ("--size", 24, "--steps", 8, "--provider", "cpu")


@pytest.fixture(autouse=True)
def net(run: Run, tmp_path: Path) -> None:
    """A network as ``net`` in a new catalog."""
    nodes = [node("Conv", "x w", "a", name="conv", pads=[1] * 4), node("Relu", "a", "y")]
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, {"w": random(4, 3, 3, 3)}), tmp_path / "net.onnx")
    assert run("add", "net.onnx").exit_code == 0


def test_rows(run: Run) -> None:
    rows = run("visualize", "net/conv/0:2", *SHORT, "--format", "json").rows
    assert [row["address"] for row in rows] == ["net/conv/0", "net/conv/1"]
    assert list(rows[0]) == [
        *("address", "objective", "size", "steps", "seed", "start", "best", "last"),
        *("seconds", "provider", "path"),
    ]
    assert rows[0]["size"] == [24, 24] and rows[0]["path"] is None


def test_files(run: Run) -> None:
    done = run("visualize", "net/conv", *SHORT, "-o", "sheet.png", "--format", "json")
    assert {row["path"] for row in done.rows} == {"sheet.png"}
    assert "wrote sheet.png" in done.stderr
    assert Image.open("sheet.png").size[0] > 100
    assert run("visualize", "net/conv/1", *SHORT, "-o", "one.npy").exit_code == 0
    assert np.load("one.npy").shape == (3, 24, 24)
    assert run("visualize", "net/conv", *SHORT, "-o", "all.npz").exit_code == 0
    assert len(np.load("all.npz").files) == 4
    paths = [
        row["path"] for row in run("visualize", "net/conv", *SHORT, "-o", "folder", "--format", "json").rows
    ]
    assert sorted(paths) == sorted(map(str, Path("folder").iterdir()))
    assert len(paths) == 4


def test_diversity_and_options(run: Run) -> None:
    options = ("--diversity", 2, "--objective", "unit", "--at", "pre", "--seed", 4)
    rows = run("visualize", "net/conv/1", *SHORT, *options, "-o", "two", "--format", "json").rows
    assert [row["path"] for row in rows] == [str(Path("two", f"net_conv_1_{each}.png")) for each in (0, 1)]
    assert (rows[0]["objective"], rows[0]["seed"]) == ("unit", 4)


def test_errors(run: Run) -> None:
    code, error, _ = run("visualize", "net/conv/9", *SHORT).failure
    assert code == 1 and "9" in error
    assert run("visualize", "net/conv/0", "--size", "original").failure[0] == 2
    long = ("--size", 64, "--steps", 1_000_000)
    assert run("visualize", "net/conv/0", *long, "-o", "a.docx").failure[0] == 2
    code, error, hint = run("visualize", "net/conv/0", *long, "--renderer", "mosaic", "-o", "a.svg").failure
    assert code == 2 and "'mosaic' writes" in error and "--renderer" in hint
    assert run("visualize", "net/conv/0/1", *SHORT).failure[2].endswith("net/conv/0")


PROGRAM = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in the background
from filterkit.cli import main
from filterkit.visualization.spectrum import Spectrum
back = Spectrum.back
def told(*arguments, **options):
    print("a step", file=sys.stderr, flush=True)
    return back(*arguments, **options)
Spectrum.back = told
main()
"""
LONG = ["visualize", "net/conv/1", "--size", "64", "--steps", "100000"]


def started(*options: str) -> subprocess.Popen[str]:
    """A process that has made some steps."""
    command = [sys.executable, "-c", PROGRAM, *LONG, *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env={**os.environ}
    )
    assert process.stderr is not None
    assert [process.stderr.readline() for _ in range(3)] == ["a step\n"] * 3
    return process


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_keeps_what_there_is() -> None:
    process = started("-o", "far.png", "--format", "json")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert '"path": "far.png"' in stdout and "interrupted after" in stderr
    Image.open("far.png").load()
    assert not list(Path("catalog.store").glob("visualizations/*/*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_kill_leaves_whole_files_only(run: Run) -> None:
    process = started("-o", "far.png")
    process.kill()
    process.communicate(timeout=60)
    assert not Path("far.png").exists()
    assert run("doctor").exit_code == 0
