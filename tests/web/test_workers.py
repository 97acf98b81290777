"""The threads of the explorer: one job at a time, a queue with an end, and what others change."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest
from explorer import exploring

import filterkit
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.web import workers
from filterkit.web.workers import BusyError, GoneError, Worker


class Browser:
    """What a worker asks of a request: whether the browser is still there."""

    def __init__(self) -> None:
        self.is_gone = False

    async def is_disconnected(self) -> bool:
        return self.is_gone


@pytest.fixture
def worker(classic_catalog: Path) -> Any:
    made = Worker(classic_catalog, Registry(load_plugins(discover=False)))
    yield made
    made.close()


def test_the_queue_has_an_end_and_forgets_who_left(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LONGEST_QUEUE", 2)
    free, begun, ran = threading.Event(), threading.Event(), []

    def long(bench: filterkit.Workbench) -> int:
        begun.set()
        free.wait(30)
        return len(bench.models())

    async def scene() -> None:
        leaver: Any = Browser()
        stayer: Any = Browser()
        first = asyncio.create_task(worker.run(stayer, long))
        second = asyncio.create_task(worker.run(leaver, lambda bench: ran.append(1)))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        with pytest.raises(BusyError):
            await worker.run(stayer, lambda bench: None)
        leaver.is_gone = True
        with pytest.raises(GoneError):
            await second
        free.set()
        assert await first == 1
        assert await worker.run(stayer, lambda bench: 7) == 7

    asyncio.run(scene())
    assert ran == []


def test_errors_of_a_job_are_its_own(worker: Worker) -> None:
    async def scene() -> None:
        browser: Any = Browser()
        with pytest.raises(filterkit.FilterkitError):
            await worker.run(browser, lambda bench: bench.layers("nothing"))
        assert await worker.run(browser, lambda bench: len(bench.layers("classic"))) == 13

    asyncio.run(scene())


def test_an_error_that_nobody_waits_for_is_in_no_log(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    begun, free = threading.Event(), threading.Event()

    def fails(bench: filterkit.Workbench) -> None:
        begun.set()
        free.wait(30)
        raise filterkit.FilterkitError("failed")

    async def scene() -> None:
        leaver: Any = Browser()
        job = asyncio.create_task(worker.run(leaver, fails))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        leaver.is_gone = True
        with pytest.raises(GoneError):
            await job
        free.set()
        leaver.is_gone = False
        await worker.run(leaver, lambda bench: None)
        gc.collect()
        await asyncio.sleep(0.05)

    asyncio.run(scene())
    assert caplog.records == []


def test_changes_of_other_processes_appear(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.db"
    with filterkit.open(catalog) as bench:
        bench.add("classic")
    with exploring(catalog) as explorer:
        assert "another" not in explorer.get("/").text
        with filterkit.open(catalog) as bench:
            bench.add("classic", name="another")
        assert "another" in explorer.get("/").text
        with filterkit.open(catalog) as bench:
            bench.remove("another")
        assert "another" not in explorer.get("/").text


def test_a_catalog_that_is_replaced_is_opened_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with filterkit.open(
            tmp_path / name / "catalog.db" if name == "two" else tmp_path / "catalog.db"
        ) as bench:
            bench.add("classic", name=name)
        (tmp_path / "two").mkdir(exist_ok=True)
    with exploring(tmp_path / "catalog.db") as explorer:
        assert "one" in explorer.get("/?format=csv").text
        (tmp_path / "two" / "catalog.db").replace(tmp_path / "catalog.db")
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"catalog.db{suffix}").unlink(missing_ok=True)
        assert "two" in explorer.get("/?format=csv").text
        (tmp_path / "catalog.db").unlink()
        missing = explorer.get("/")
        assert missing.status == 500
        assert "there is no catalog at" in missing.text


def test_what_runs_ends_when_the_browser_leaves(worker: Worker) -> None:
    """A search looks at each layer whether it is still wanted."""
    begun, ended = threading.Event(), threading.Event()

    def endless(bench: filterkit.Workbench) -> None:
        try:
            while True:
                bench.diff("classic", "classic")
                begun.set()
        finally:
            ended.set()

    async def scene() -> None:
        leaver: Any = Browser()
        stayer: Any = Browser()
        running = asyncio.create_task(worker.run(leaver, endless))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        leaver.is_gone = True
        with pytest.raises(GoneError):
            await running
        assert await worker.run(stayer, lambda bench: len(bench.layers("classic"))) == 13
        assert ended.is_set()
        cancelled = asyncio.create_task(worker.run(stayer, endless))
        ended.clear()
        await asyncio.sleep(0.1)
        cancelled.cancel()
        assert await worker.run(stayer, lambda bench: 5) == 5
        assert ended.is_set()

    asyncio.run(scene())
