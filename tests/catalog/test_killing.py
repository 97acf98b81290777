"""Processes killed while they add and remove models: nothing is lost, leftovers are swept."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import chaos
import pytest
from tiny_models import put, write_model

from filterkit.catalog import Catalog, listings
from filterkit.ingest.commit import remove

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")]


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """A catalog with two models."""
    location = tmp_path / "catalog.db"
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(tmp_path / "kept.onnx"), chaos.KEPT)
        put(catalog, write_model(tmp_path / "old.onnx", seed=1), chaos.NAMES[0])
    return location


def settle(location: Path, tmp_path: Path) -> None:
    """Add one more model; then the store contains exactly what the rows refer to."""
    chaos.check(location)
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(tmp_path / "last.onnx", seed=99), "last")
    chaos.check(location)
    assert chaos.in_store(location) == chaos.named_by_rows(location)
    assert not (location.with_suffix(".store") / "staging").exists()


def test_a_hundred_processes_killed_at_random_moments(location: Path, tmp_path: Path) -> None:
    models = [str(write_model(tmp_path / f"{seed}.onnx", seed=seed)) for seed in range(4)]
    done = subprocess.run(
        [sys.executable, chaos.__file__, str(location), "100", "4", "1", *models],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    endings = ast.literal_eval(done.stdout)
    assert sum(endings.values()) == 100
    assert set(endings) <= {0, 130, -signal.SIGKILL, -signal.SIGINT}, (endings, done.stderr)
    settle(location, tmp_path)


@pytest.mark.parametrize("writing", [True, False])
@pytest.mark.filterwarnings("ignore:transaction already deassociated")
def test_interrupted_within_sqlalchemy(location: Path, writing: bool) -> None:
    """SQLAlchemy then fails an assertion, which must not reach the user."""
    endings = []
    with Catalog.open(location, write=True) as catalog:
        while not endings or endings[-1] != "not interrupted":
            started = chaos.interrupt_at_line(
                len(endings) + 1, within=Path("sqlalchemy", "engine", "base.py")
            )
            try:
                with catalog.begin() if writing else catalog.connect() as connection:
                    connection.exec_driver_sql("SELECT 1").fetchall()
            except KeyboardInterrupt:
                endings.append("interrupted")
            else:
                endings.append("ended" if started() else "not interrupted")
            finally:
                sys.settrace(None)
    assert endings.count("interrupted") > 100
    settle(location, location.parent)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("how", [die, interrupt])
@pytest.mark.parametrize("action", ["add", "replace", "mend", "remove"])
def test_stopped_at_every_step(location: Path, tmp_path: Path, action: str, how: Callable[[], None]) -> None:
    new = write_model(tmp_path / "new.onnx", seed=2)
    old = tmp_path / "old.onnx"

    def act(step: int) -> None:
        with Catalog.open(location, write=True) as catalog:
            chaos.stop_at_step(step, how)
            if action == "remove":
                remove(catalog, chaos.NAMES[0])
            else:
                name = chaos.NAMES[1] if action == "add" else chaos.NAMES[0]
                put(catalog, old if action == "mend" else new, name, replace=action != "add")

    step, code = 0, None
    while code != 0:
        step += 1
        code = chaos.ended(chaos.fork(lambda step=step: act(step)))
        assert code in (0, 130, -signal.SIGKILL)
        chaos.check(location)
        if action in ("remove", "replace"):  # restore the initial state
            with Catalog.open(location, write=True) as catalog:
                put(catalog, old, chaos.NAMES[0], replace=True)
        if action == "add":
            with Catalog.open(location, write=True) as catalog:
                names = {row["model"] for row in listings.models(catalog)}
                if chaos.NAMES[1] in names:
                    remove(catalog, chaos.NAMES[1])
        chaos.check(location)
    assert step > 3, "the run has steps to stop at"
    settle(location, tmp_path)
