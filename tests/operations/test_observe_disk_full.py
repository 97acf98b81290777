"""A disk that becomes full while a network is observed: one clear line, and the same command goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from observed import write_pictures
from small_network import write_network

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts a disk in a namespace of its own")

MOUNT = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=2m t "$0" && exec "$@"']

FILL = """
import json, sys
from pathlib import Path
import filterkit
from filterkit.errors import CatalogError
from observed import contents

disk, net, photos = map(Path, sys.argv[1:])

def open_catalog(name):
    return filterkit.open(disk / f"{name}.db")

def observe(bench, layer):
    return bench.observe(layer, [photos], name="all")

def leave(free):
    # Fill the disk but for so many bytes.
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(ballast.stat().st_size - free, 0))

def summary(bench):
    rows = contents(bench)
    rows["observation"] = [{**row, "id": None} for row in rows["observation"]]
    return json.dumps([sorted(map(repr, each)) for each in rows.values()])

with open_catalog("whole") as whole:
    whole.add(net)
    observe(whole, "net/conv1")
    observe(whole, "net")
    expected = summary(whole)
(disk / "whole.db").unlink()
found = []
for free in map(int, json.loads(sys.stdin.read())):
    with open_catalog(f"c{free}") as bench:
        bench.add(net)
        if free % 8192 == 0:
            observe(bench, "net/conv1")
        leave(free)
        before = sorted(row["observation"] for row in bench.observations())
        try:
            observe(bench, "net")
            found.append(None)
        except CatalogError as error:
            found.append(f"{error.message} | {error.hint}")
            assert set(before) <= {row["observation"] for row in bench.observations()}
        (disk / "ballast").unlink()
        assert bench.examine()["faults"] == [], bench.examine()["faults"]
        observe(bench, "net/conv1")
        observe(bench, "net")
        assert summary(bench) == expected
        assert bench.examine()["faults"] == []
        bench.remove("net")
    for path in disk.glob(f"c{free}.db*"):
        path.unlink()
print(json.dumps(found))
"""


def test_no_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("unshare") or subprocess.run([*MOUNT, str(disk), "true"], stderr=-3).returncode:
        pytest.skip("this user may not mount a disk")
    net = write_network(tmp_path / "net.onnx")
    photos = write_pictures(tmp_path / "photos", 40, classes=1)
    frees = [1024 * each for each in (0, 4, 8, 12, 16, 24, 32, 1000)]
    ran = subprocess.run(
        [*MOUNT, str(disk), sys.executable, "-c", FILL, str(disk), str(net), str(photos)],
        input=json.dumps(frees),
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found[-1] is None
    full = [each for each in found if each]
    assert len(full) > 3
    for each in full:
        assert "\n" not in each
        assert "No space left on device" in each or "disk is full" in each
        assert "disk space" in each
    assert any(".store cannot be written" in each for each in full)
    assert any(".db cannot be written" in each for each in full)
