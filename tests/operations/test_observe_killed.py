"""An observation that is killed again and again ends equal to one that was never killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from observed import contents, write_pictures
from small_network import write_network

import filterkit

KILLS = 12

OBSERVE = """
import sys
import filterkit
from filterkit.operations import observing

observing.SECONDS = 0  # save after every batch
with filterkit.open(sys.argv[1]) as bench:
    print("ready", flush=True)
    bench.observe("net", [sys.argv[2]], batch=1, name="all")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed differently")
def test_killed_at_random_moments(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx")
    photos = write_pictures(tmp_path / "photos", 40)
    benches = [filterkit.open(tmp_path / f"{name}.db") for name in ("killed", "whole")]
    for bench in benches:
        bench.add(tmp_path / "net.onnx")
        bench.close()
    kills = 0
    rng = random.Random(7)
    for _ in range(KILLS):
        command = [sys.executable, "-c", OBSERVE, str(tmp_path / "killed.db"), str(photos)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 1.5))
            finished = process.poll() is not None
            process.kill()
        if finished:
            break
        kills += 1
    assert kills >= 2
    killed, whole = (filterkit.open(tmp_path / f"{name}.db") for name in ("killed", "whole"))
    with killed, whole:
        killed.observe("net", [photos], batch=1, name="all")
        whole.observe("net", [photos], batch=1, name="all")
        assert contents(killed) == contents(whole)
        assert killed.examine()["faults"] == []
        files = [
            sorted((tmp_path / f"{name}.store" / "observations").glob("*/*")) for name in ("killed", "whole")
        ]
        assert [path.name for path in files[0]] == [path.name for path in files[1]]
        assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))
