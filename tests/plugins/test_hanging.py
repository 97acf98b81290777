"""Plugins that hang: told within their time, ended where that can be, and waited for after an ingest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_plugins import NAME, OFFERS, rows

import filterkit
from filterkit import settings
from filterkit.errors import UsageError
from filterkit.plugins.hanging import Hanging, ended_after
from filterkit.plugins.manager import PluginHost, load_plugins
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.registry import Registry

Install = Callable[..., Path]


@pytest.mark.usefixtures("impatient")
def test_a_hang_is_told_within_its_time_and_not_waited_for_again(install: Install) -> None:
    source = OFFERS.format(body="import time; time.sleep(60)")
    install(NAME, source + source.replace("filterkit_normalizers", "filterkit_renderers"))
    start = time.perf_counter()
    reported: list[str] = []
    registry = Registry(load_plugins(report=reported.append, strict=False))
    for _ in range(2):
        registry.names("normalizer")
        registry.names("renderer")
    assert time.perf_counter() - start < 30  # of the 60 s, and more, that it would take
    assert [line for line in reported if NAME in line] == [
        f"filterkit: plugin {NAME} 1.2 failed: filterkit_normalizers: hangs (0.2 s)"
    ]


def test_what_catches_everything_is_ended_all_the_same() -> None:
    caught: list[BaseException] = []
    told: list[str] = []
    limit = ended_after(0.05, Plugin(NAME, "1.2", None, "bad"), "filterkit_metrics", told.append)
    with pytest.raises(Hanging, match=r"hangs \(0.05 s\)"), limit:
        while len(caught) < 2:
            try:
                time.sleep(60)
            except BaseException as error:
                caught.append(error)
        time.sleep(60)
    assert len(caught) == 2
    assert told == [f"filterkit: plugin {NAME} 1.2: filterkit_metrics still runs"]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


STUBBORN = """
import filterkit
import time
def hang():
    while True:
        try: time.sleep(60)
        except BaseException: pass
@filterkit.hookimpl
def filterkit_metrics(): hang()
"""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("code", "doing"), [("hang()\n", "import"), ("", "filterkit_metrics")])
def test_what_can_never_be_ended_ends_the_process(
    code: str, doing: str, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog.db"
    before = rows(catalog, "add", "classic") and rows(catalog, "filters", "*")
    paths = [str(install(NAME, STUBBORN + code).parent), str(Path(filterkit.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-m", "filterkit", "add", "classic", "--name", "again", "--catalog", str(catalog)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-2:] == [
        f"filterkit: plugin {NAME} 1.2: {doing} still runs",
        f"filterkit: plugin {NAME} 1.2: {doing} cannot be stopped, so filterkit ends;"
        f" FILTERKIT_PLUGINS_BLOCKED={NAME} goes without it",
    ]
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", NAME)
    assert rows(catalog, "filters", "*") == before


def test_who_needs_more_time_gets_it(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install(NAME, OFFERS.format(body="import time; time.sleep(0.3)"))
    monkeypatch.setenv("FILTERKIT_PLUGINS_TIMEOUT", "0")
    assert "bad" in Registry(load_plugins(strict=False)).names("normalizer")
    monkeypatch.setenv("FILTERKIT_PLUGINS_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="FILTERKIT_PLUGINS_TIMEOUT cannot be 'soon'"):
        settings.plugin_timeout()


@pytest.mark.usefixtures("impatient")
def test_where_nothing_can_be_ended_the_name_is_told(install: Install) -> None:
    install(NAME, OFFERS.format(body="import time; time.sleep(0.6)"))
    reported: list[str] = []
    names: list[str] = []

    def ask() -> None:
        names.extend(Registry(load_plugins(report=reported.append, strict=False)).names("normalizer"))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(30)
    assert "bad" in names
    assert f"filterkit: plugin {NAME} 1.2: filterkit_normalizers still runs" in reported


def test_work_after_an_ingest_takes_the_time_it_takes(host: PluginHost, reported: list[str]) -> None:
    done = []

    class Slow:
        @filterkit.hookimpl
        def filterkit_after_ingest(self, event: Any) -> None:
            time.sleep(0.4)
            done.append(event)

    slow = PluginHost(timeout=0.1, report=reported.append)
    plugin = slow.add(Slow(), name=NAME, version="1")
    slow.call("filterkit_after_ingest", event=None)
    assert (done, plugin.state) == ([None], "loaded")
    assert reported == [f"filterkit: plugin {NAME} 1: filterkit_after_ingest still runs"]


ENDLESS = """
import time
import filterkit
@filterkit.hookimpl
def filterkit_after_ingest(event):
    while True:
        try: {body}
        except Exception: pass
"""
WITH_CTRL_C = """
import signal
import filterkit.cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in the background
filterkit.cli.main()
"""


@pytest.mark.usefixtures("impatient")
@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("body", ["time.sleep(600)", "pass"])
def test_ctrl_c_ends_what_hangs_after_an_ingest_and_the_rows_are_there(
    body: str, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog.db"
    paths = [str(install(NAME, ENDLESS.format(body=body)).parent), str(Path(filterkit.__file__).parents[1])]
    adding = subprocess.Popen(
        [sys.executable, "-c", WITH_CTRL_C, "add", "classic", "--catalog", str(catalog)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert adding.stderr is not None
    try:
        told = f"filterkit: plugin {NAME} 1.2: filterkit_after_ingest still runs\n"
        assert told in iter(adding.stderr.readline, "")
        adding.send_signal(signal.SIGINT)
        said = adding.communicate(timeout=60)[1]
    finally:
        adding.kill()
    assert adding.returncode == 130
    assert "Traceback" not in said
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", NAME)
    assert len(rows(catalog, "filters", "classic")) == 13
    assert rows(catalog, "add", "classic")  # which finds all there
