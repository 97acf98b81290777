"""Strangers' files on the command line, each run in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from isolated import Ran, Run

import filterkit


@pytest.hookimpl(tryfirst=True)  # before ``-m "not slow"`` is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is slow: each of its tests tries many inputs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    scratch = tmp_path_factory.mktemp("scratch")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("FILTERKIT_")}
    paths = [str(Path(filterkit.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = ours | {"TMPDIR": str(scratch), "COLUMNS": "80", "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=environment,
    ) as server:
        yield server, scratch
        assert server.stdin is not None
        server.stdin.close()


@pytest.fixture
def run(_server: tuple[subprocess.Popen[str], Path], tmp_path: Path) -> Run:
    """Run ``filterkit WORDS...`` in the test's folder; nothing may stay behind in the folder for scratch."""
    server, scratch = _server
    assert server.stdin is not None and server.stdout is not None

    def run(*words: object) -> Ran:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps({"folder": str(tmp_path), "words": list(map(str, words))}) + "\n")
        server.stdin.flush()
        ran = Ran(**json.loads(server.stdout.readline()))
        left = [path.name for path in scratch.iterdir() if path.name != ".ses"]  # which is ONNX Runtime's own
        assert left == [], "something was left behind"
        return ran

    return run
