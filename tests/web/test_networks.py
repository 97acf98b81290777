"""The process that runs networks: one job at a time, cancelled, killed, replaced, gone with the server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from explorer import Explorer, exploring

import filterkit
from filterkit.errors import FilterkitError, NotFoundError
from filterkit.web import networks
from filterkit.web.networks import CancelledError, Job, Networks
from filterkit.web.uploads import SAMPLES
from filterkit.web.workers import BusyError, GoneError

SCENE = (SAMPLES / "scene.png").read_bytes()
EDGES = {"picture": SCENE, "address": "classic/edge_sobel_x", "at": "post"}


class Browser:
    """What a job asks of a request: whether the browser is still there."""

    def __init__(self, *, is_gone: bool = False) -> None:
        self.is_gone = is_gone

    async def is_disconnected(self) -> bool:
        return self.is_gone


def until(done: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


@pytest.fixture
def runner(classic_catalog: Path) -> Iterator[Networks]:
    made = Networks(classic_catalog)
    yield made
    made.close()


def test_a_job_runs_elsewhere_and_its_result_is_kept(runner: Networks, classic_catalog: Path) -> None:
    job = runner.begin("a", "maps", EDGES, "/")
    result = job.future.result(60)
    assert runner.pid not in (None, os.getpid())
    [row] = result["rows"]
    with filterkit.open(classic_catalog) as bench:
        expected = bench.feature_maps("classic/edge_sobel_x", SCENE)
    assert result["shape"] == expected.shape[1:]
    assert row["mean"] == pytest.approx(float(expected.mean(dtype="float64")), abs=1e-6)
    assert row["max"] == pytest.approx(float(expected.max()))
    assert expected[0, row["y"], row["x"]] == expected.max()
    assert runner.begin("a", "maps", EDGES, "/") is job
    assert runner.of_id(job.id) is job
    with pytest.raises(NotFoundError):
        runner.of_id("other")


def test_errors_are_those_of_the_command_line(runner: Networks) -> None:
    job = runner.begin("a", "maps", {**EDGES, "address": "classic/nothing"}, "/")
    with pytest.raises(NotFoundError, match="nothing"):
        job.future.result(60)
    broken = runner.begin("b", "picture", {"picture": b"GIF89a"}, "/")
    with pytest.raises(FilterkitError, match="the picture"):
        broken.future.result(60)
    assert runner.begin("b", "picture", {"picture": b"GIF89a"}, "/") is broken  # a reload begins nothing
    assert runner.begin("b", "picture", {"picture": b"GIF89a"}, "/", again=True) is not broken


def test_a_process_that_ends_is_a_line_and_is_replaced(runner: Networks) -> None:
    runner.begin("warm", "maps", EDGES, "/").future.result(60)
    first = runner.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: runner.pid is None)
    assert runner.begin("again", "maps", EDGES, "/").future.result(60)["rows"]
    assert runner.pid != first


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("sent", "words"), [(signal.SIGKILL, "more memory"), (signal.SIGSEGV, "unexpectedly")]
)
def test_a_crash_during_a_job_is_its_error(vgg16_catalog: Path, sent: signal.Signals, words: str) -> None:
    made = Networks(vgg16_catalog)
    try:
        job = made.begin("a", "visualization", {"address": "vgg16/block5_conv3/3"}, "/")
        until(lambda: job.what not in ("waiting", "starting"))
        os.kill(made.pid or 0, sent)
        with pytest.raises(FilterkitError, match=words):
            job.future.result(60)
    finally:
        made.close()


def test_memory_has_a_limit(classic_catalog: Path) -> None:
    made = Networks(classic_catalog, memory=10 << 20)
    try:
        with pytest.raises(FilterkitError, match="more memory was needed"):
            made.begin("a", "maps", EDGES, "/").future.result(60)
    finally:
        made.close()


@pytest.mark.zoo
def test_jobs_are_cancelled_abandoned_and_too_long(
    vgg16_catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Networks(vgg16_catalog)

    def begin(key: str) -> Job:
        return made.begin(key, "visualization", {"address": f"vgg16/block5_conv3/{key}"}, "/")

    try:
        running, waiting = begin("1"), begin("2")
        until(lambda: running.done > 0)
        pid = made.pid
        made.cancel(waiting)
        assert isinstance(waiting.error, CancelledError)  # at once, as it has not begun
        assert not running.is_done
        made.cancel(running)
        with pytest.raises(CancelledError):
            running.future.result(60)
        assert made.pid == pid  # interrupted, not killed
        monkeypatch.setattr(networks, "ABANDONED", 0.5)
        with pytest.raises(CancelledError, match="page was closed"):
            begin("3").future.result(60)
        monkeypatch.undo()
        monkeypatch.setattr(networks, "LONGEST", 0.5)
        with pytest.raises(FilterkitError, match="stopped after"):
            begin("4").future.result(60)
        monkeypatch.undo()
        monkeypatch.setattr(networks, "GRACE", 0.0)  # it does not stop in time
        stubborn = begin("5")
        until(lambda: stubborn.done > 0)
        made.cancel(stubborn)
        with pytest.raises(CancelledError):
            stubborn.future.result(60)
        until(lambda: not is_alive(pid or 0))
    finally:
        made.close()


@pytest.mark.zoo
def test_a_job_is_cancelled_when_the_last_browser_leaves(vgg16_catalog: Path) -> None:
    made = Networks(vgg16_catalog)

    async def scene() -> None:
        job = made.begin("1", "visualization", {"address": "vgg16/block5_conv3/1"}, "/")
        stayer, leaver = Browser(), Browser()
        tasks = [asyncio.create_task(made.wait(each, job)) for each in (stayer, leaver)]  # type: ignore[arg-type]
        while not job.done:
            await asyncio.sleep(0.02)
        leaver.is_gone = True
        with pytest.raises(GoneError):
            await tasks[1]
        assert not job.is_cancelled
        stayer.is_gone = True
        with pytest.raises(GoneError):
            await tasks[0]
        assert job.is_cancelled

    try:
        asyncio.run(scene())
    finally:
        made.close()


def test_the_queue_is_short(runner: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "MOST_WAITING", 1)
    jobs = [runner.begin(str(number), "maps", EDGES, "/") for number in range(2)]
    with pytest.raises(BusyError):
        runner.begin("3", "maps", EDGES, "/")
    for job in jobs:
        job.future.result(60)
    runner.begin("3", "maps", EDGES, "/").future.result(60)


def test_results_have_a_limit(runner: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "MOST_KEPT", 2)
    jobs = [runner.begin(str(number), "maps", EDGES, "/") for number in range(4)]
    for job in jobs:
        job.future.result(60)
    until(lambda: not jobs[-1].is_running)
    assert [runner.find(str(number)) is None for number in range(4)] == [True, True, False, False]


def test_an_idle_process_is_ended(runner: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "IDLE", 0.5)
    runner.begin("1", "maps", EDGES, "/").future.result(60)
    pid = runner.pid
    until(lambda: runner.pid is None)
    until(lambda: not is_alive(pid or 0))
    runner.begin("2", "maps", EDGES, "/").future.result(60)


def children(pid: int) -> list[int]:
    done = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True)
    return [int(each) for each in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="lists processes with ps")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_process_ends_with_the_server(classic_catalog: Path, sent: signal.Signals) -> None:
    with exploring(classic_catalog) as explorer:
        assert children(explorer.process.pid) == []  # nothing runs before it is needed
        assert explorer.get("/maps?picture=scene&address=classic/edge_sobel_x&format=json").status == 200
        [child] = children(explorer.process.pid)
        explorer.process.send_signal(sent)
        explorer.process.wait(30)
        until(lambda: not is_alive(child))


@pytest.mark.zoo
@pytest.mark.skipif(sys.platform != "linux", reason="lists processes with ps")
def test_ctrl_c_ends_it_during_a_job(vgg16_catalog: Path) -> None:
    with exploring(vgg16_catalog) as explorer:
        explorer.post("/m/vgg16/block5_conv3/9/visualization", {})
        until(lambda: children(explorer.process.pid))
        [child] = children(explorer.process.pid)
        assert explorer.stop() == (130, "interrupted\n")
        until(lambda: not is_alive(child))


def test_jobs_in_urls(classic: Explorer) -> None:
    classic.get("/maps?picture=scene&address=classic/edge_sobel_x&format=json")  # waits for it
    page = classic.get("/maps?picture=scene&address=classic/edge_sobel_x")
    [sprite] = {each for each in page.links if each.endswith("/maps.png")}
    job = sprite.removesuffix("/maps.png")
    assert classic.get(job).json["state"] == "done"
    assert classic.get(sprite).body.startswith(b"\x89PNG")
    for path in (f"{job}/other.png", "/jobs/other", "/jobs/other/maps.png"):
        assert classic.get(path).status == 404
    assert classic.post("/jobs/other/cancel", {}).status == 404
    assert classic.post(f"{job}/cancel", {}).status == 303
    assert classic.get(job).json["state"] == "done"  # a result stays
