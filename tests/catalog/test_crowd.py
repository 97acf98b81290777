"""Many processes use one catalog: all succeed or report a clear error, and nothing is corrupted."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import chaos
import numpy as np
import pytest
import sqlalchemy as sa
from tiny_models import bank_of, put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog, listings, weights
from filterkit.catalog.addresses import resolve
from filterkit.catalog.sqlite import connections
from filterkit.errors import CatalogError, NotFoundError


def ask(location: Path, times: int) -> None:
    """Query and read banks of models that other processes replace meanwhile."""
    for _ in range(times):
        with Catalog.open(location) as catalog:
            for row in listings.models(catalog):
                try:
                    for match in resolve(catalog, parse_address(f"{row['model']}/conv*")):
                        bank = weights.bank(catalog, match)
                        assert np.isfinite(bank).all()
                        assert len(bank) == match.layer["filters"]
                except NotFoundError:
                    assert row["model"] != chaos.KEPT, "this one is not removed"
                except CatalogError as error:
                    assert "removed or replaced" in error.message
                    assert row["model"] != chaos.KEPT


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
@pytest.mark.parametrize("processes", [2, 16])
def test_adding_removing_and_querying_at_once(location: Path, tmp_path: Path, processes: int) -> None:
    models = [write_model(tmp_path / f"{seed}.onnx", seed=seed) for seed in range(3)]
    with Catalog.open(location, write=True) as catalog:
        put(catalog, models[0], chaos.KEPT)

    def child(number: int) -> None:
        if number % 2:
            ask(location, 12)
        else:
            chaos.work(location, models, number, 6)

    children = [chaos.fork(lambda number=number: child(number)) for number in range(processes)]
    assert Counter(chaos.ended(pid) for pid in children) == {0: processes}
    chaos.check(location)
    with Catalog.open(location, write=True) as catalog:
        put(catalog, models[1], random.choice(chaos.NAMES), replace=True)
    assert chaos.in_store(location) == chaos.named_by_rows(location)


def test_who_waits_too_long_is_told(location: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.2)
    with Catalog.open(location, write=True) as holder, Catalog.open(location, write=True) as catalog:
        with holder.begin() as connection:
            connection.execute(sa.text("UPDATE model SET ref = ref"))
            with pytest.raises(CatalogError, match=r"in use by another process; waited 0\.2 seconds"):
                put(catalog, write_model(tmp_path / "tiny.onnx"))
            assert listings.models(catalog) == [], "readers do not wait"
        assert put(catalog, write_model(tmp_path / "tiny.onnx")).status == "added"


def test_an_interrupted_writer_lets_go_of_the_catalog(
    location: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_ctrl_c(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.2)
    with Catalog.open(location, write=True) as catalog:
        with pytest.raises(KeyboardInterrupt) as held, catalog.begin() as connection:
            sa.event.listen(connection, "after_cursor_execute", press_ctrl_c)
            connection.execute(sa.text("SELECT name FROM sqlite_master"))
        assert held.tb, "the traceback still refers to the unfinished statement"
        assert put(catalog, write_model(tmp_path / "tiny.onnx")).status == "added"


@pytest.mark.slow
def test_processes_that_add_at_once_all_succeed(location: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tiny_models import put; from filterkit.catalog import Catalog\n"
        "with Catalog.open(sys.argv[2], write=True) as catalog:\n"
        "    print(put(catalog, Path(sys.argv[3]), sys.argv[4]).status)"
    )
    here = str(Path(__file__).parent)
    models = [str(write_model(tmp_path / f"{seed}.onnx", seed=seed)) for seed in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, here, str(location), models[n % 2], f"m{n % 3}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in (0, 1, 2, 3, 0)
    ]  # fmt: skip
    outcomes = [process.communicate() for process in processes]
    with Catalog.open(location) as catalog:
        names = sorted(row["model"] for row in listings.models(catalog))
        assert names == ["m0", "m1", "m2"]
        for name in names:
            assert bank_of(catalog, f"{name}/conv2").shape == (5, 4, 3, 3)
    # m0 was asked for with two contents: whoever came second was told, in one line.
    for out, error in outcomes:
        assert out.strip() in ("added", "unchanged") or "another model named m0" in error
