"""Plugins that take long: named on stderr after their time, and waited for; Ctrl-C ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_plugins import NAME, OFFERS, rows

import filterkit
from filterkit import settings
from filterkit.errors import UsageError
from filterkit.plugins.host import PluginHost, load_plugins
from filterkit.plugins.registry import Registry

Install = Callable[..., Path]


def slow(doing: str, seconds: str) -> str:
    return (
        f"filterkit: plugin {NAME} 1.2: {doing} has not returned after {seconds} s;"
        f" still waiting (Ctrl-C to stop; to disable it, set FILTERKIT_PLUGINS_BLOCKED={NAME})"
    )


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("code", "doing"),
    [
        ("import time; time.sleep(0.6)\n" + OFFERS.format(body="pass"), "import"),
        (OFFERS.format(body="import time; time.sleep(0.6)"), "filterkit_normalizers"),
    ],
)
def test_a_slow_plugin_is_named_and_waited_for(code: str, doing: str, install: Install) -> None:
    install(NAME, code)
    reported: list[str] = []
    registry = Registry(load_plugins(report=reported.append, strict=False))
    for _ in range(2):
        assert "bad" in registry.names("normalizer")
    assert reported.count(slow(doing, "0.2")) == 1  # on a busy machine, other steps may be slow as well


def test_a_quick_plugin_is_not_named(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install(NAME, OFFERS.format(body="pass"))
    monkeypatch.setenv("FILTERKIT_PLUGINS_TIMEOUT", "60")
    reported: list[str] = []
    assert "bad" in Registry(load_plugins(report=reported.append)).names("normalizer")
    assert reported == []


def test_who_needs_more_time_gets_it(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install(NAME, OFFERS.format(body="import time; time.sleep(0.3)"))
    monkeypatch.setenv("FILTERKIT_PLUGINS_TIMEOUT", "0")
    assert "bad" in Registry(load_plugins(strict=False)).names("normalizer")
    monkeypatch.setenv("FILTERKIT_PLUGINS_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="FILTERKIT_PLUGINS_TIMEOUT cannot be 'soon'"):
        settings.plugin_timeout()


def test_work_after_an_ingest_takes_the_time_it_takes() -> None:
    done: list[Any] = []
    reported: list[str] = []

    class Slow:
        @filterkit.hookimpl
        def filterkit_after_ingest(self, event: Any) -> None:
            end = time.monotonic() + 60
            while not reported and time.monotonic() < end:
                time.sleep(0.01)
            done.append(event)

    host = PluginHost(timeout=0.1, report=reported.append)
    plugin = host.add(Slow(), name=NAME, version="1.2")
    host.call("filterkit_after_ingest", event=None)
    assert (done, plugin.state) == ([None], "loaded")
    assert reported == [slow("filterkit_after_ingest", "0.1")]


HOOK = """
import time
import filterkit
@filterkit.hookimpl
def {hook}:
    while True:
        try: {body}
        except Exception: pass
"""
ENDLESS = {
    "filterkit_after_ingest": HOOK.format(hook="filterkit_after_ingest(event)", body="time.sleep(600)"),
    "filterkit_metrics": HOOK.format(hook="filterkit_metrics()", body="pass"),
    "import": "while True: pass",
}
WITH_CTRL_C = """
import signal
import filterkit.cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in the background
filterkit.cli.main()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("doing", ENDLESS)
def test_ctrl_c_ends_what_never_returns_and_no_rows_are_lost(
    doing: str, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog.db"
    before = rows(catalog, "add", "classic") and rows(catalog, "filters", "classic")
    paths = [str(install(NAME, ENDLESS[doing]).parent), str(Path(filterkit.__file__).parents[1])]
    adding = subprocess.Popen(
        [sys.executable, "-c", WITH_CTRL_C, "add", "classic", "--name", "again", "--catalog", str(catalog)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert adding.stderr is not None
    try:
        assert slow(doing, "0.2") + "\n" in iter(adding.stderr.readline, "")
        adding.send_signal(signal.SIGINT)
        said = adding.communicate(timeout=60)[1]
    finally:
        adding.kill()
    assert adding.returncode == 130
    assert "Traceback" not in said
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", NAME)
    assert rows(catalog, "filters", "classic") == before
    added = rows(catalog, "filters", "again") if doing == "filterkit_after_ingest" else before
    assert len(added) == 13
