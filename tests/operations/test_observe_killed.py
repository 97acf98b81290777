"""An observation that is killed or interrupted again and again ends equal to one that never was."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import killing
import numpy as np
import pytest
from observed import contents
from PIL import Image
from small_network import write_network

import filterkit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are killed differently"),
]

KILLS = 100


def write_list(folder: Path, count: int) -> Path:
    """Small pictures in two classes, of which some are equal to the eye."""
    folder.mkdir()
    lines = []
    for number in range(count):
        pixels = np.random.default_rng(number // 3 * 3 if number % 3 == 1 else number).integers(
            0, 256, (12, 16 if number % 5 else 20, 3), dtype=np.uint8
        )
        Image.fromarray(pixels).save(path := folder / f"{number}.png", compress_level=9 * (number % 2))
        lines.append(f"{path},class{number % 2}")
    path = folder / "all.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_hundred_kills_at_random_moments(tmp_path: Path) -> None:
    listed = write_list(tmp_path / "pictures", 1000)
    write_network(tmp_path / "net.onnx")
    for name in ("killed", "whole"):
        with filterkit.open(tmp_path / f"{name}.db") as bench:
            bench.add(tmp_path / "net.onnx")
    done = subprocess.run(
        [sys.executable, killing.__file__, str(tmp_path / "killed.db"), str(KILLS), "7", str(listed)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    print(done.stderr)
    assert done.returncode == 0, done.stderr
    killed, whole = (filterkit.open(tmp_path / f"{name}.db") for name in ("killed", "whole"))
    with killed, whole:
        assert contents(killed) == contents(whole)
        assert killed.examine()["faults"] == []
        files = [
            sorted((tmp_path / f"{name}.store" / "observations").glob("*/*")) for name in ("killed", "whole")
        ]
        assert [path.name for path in files[0]] == [path.name for path in files[1]]
        assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


@pytest.mark.parametrize("after", [0, 0.2, 0.5])
def test_ctrl_c_ends_with_one_line(tmp_path: Path, after: float) -> None:
    listed = write_list(tmp_path / "pictures", 900)
    write_network(tmp_path / "net.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "net.onnx")
    command = [
        *(sys.executable, "-m", "filterkit", "observe", "net", f"list:{listed}", "--batch", "1"),
        *("--catalog", str(tmp_path / "catalog.db")),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
            while not connection.execute("SELECT 1 FROM observation").fetchall():
                time.sleep(0.01)
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    if process.returncode == 0:
        pytest.skip("it ended before")
    assert (process.returncode, output, errors) == (130, "", "interrupted\n")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.observe("net", [f"list:{listed}"])
        assert len(bench.query("SELECT 1 FROM image")) == 900
