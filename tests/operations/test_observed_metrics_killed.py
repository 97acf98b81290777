"""An observation with a response metric that joins it later, and is killed again and again, is complete."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from observed import contents, write_pictures
from small_network import write_network

import filterkit

KILLS = 10

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "kurtosis_metric.py"

OBSERVE = """
import sys
import filterkit
from filterkit.operations import observing

observing.SECONDS = 0  # save after every batch
with filterkit.open(sys.argv[1]) as bench:
    print("ready", flush=True)
    bench.observe("net", [sys.argv[2]], batch=1, name="all", metrics="kurtosis")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed differently")
def test_killed_while_it_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "plugins")
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(tmp_path / "plugins"))
    write_network(tmp_path / "net.onnx")
    photos = write_pictures(tmp_path / "photos", 40)
    for name in ("killed", "whole"):
        with filterkit.open(tmp_path / f"{name}.db") as bench:
            bench.add(tmp_path / "net.onnx")
            if name == "killed":
                bench.observe("net/conv1", [photos], batch=1, name="all")
    rng = random.Random(5)
    for _ in range(KILLS):
        command = [sys.executable, "-c", OBSERVE, str(tmp_path / "killed.db"), str(photos)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 1.5))
            process.kill()
    killed, whole = (filterkit.open(tmp_path / f"{name}.db") for name in ("killed", "whole"))
    with killed, whole:
        for bench in (killed, whole):
            bench.observe("net", [photos], batch=1, name="all", metrics=["kurtosis"])
        assert contents(killed) == contents(whole)
        assert killed.examine()["faults"] == []
    folders = [tmp_path / f"{name}.store" / "observations" for name in ("killed", "whole")]
    files = [{path.name: path.read_bytes() for path in folder.glob("*/*")} for folder in folders]
    assert files[0] == files[1]
