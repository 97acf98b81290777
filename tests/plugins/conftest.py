"""Plugins for tests: hosts without the installed ones, and distributions that look installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from contracts import Make, registered

from filterkit.plugins.host import PluginHost, load_plugins
from filterkit.plugins.report import warn_once


@pytest.fixture
def reported() -> list[str]:
    """The lines a host said about its plugins."""
    return []


@pytest.fixture
def host(reported: list[str]) -> PluginHost:
    """The built-in plugins alone."""
    return load_plugins(discover=False, report=reported.append, strict=False)


@pytest.fixture
def make(host: PluginHost) -> Make:
    """Offer an object as `kind`, and get it as a registry hands it out."""
    return partial(registered, host)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Put a distribution with plugins on ``sys.path``, as an installer would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def write(
        distribution: str, code: str, *, version: str = "1.2", entries: dict[str, str] | None = None
    ) -> Path:
        module = distribution.replace("-", "_")
        source = site / f"{module}.py"
        source.write_text(code, encoding="utf-8")
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", encoding="utf-8"
        )
        lines = [f"{name} = {target}" for name, target in (entries or {"plugin": module}).items()]
        (info / "entry_points.txt").write_text("\n".join(["[filterkit]", *lines]), encoding="utf-8")
        return source

    yield write
    for module in set(sys.modules) - before:
        if str(site) in (getattr(sys.modules[module], "__file__", None) or ""):
            del sys.modules[module]


@pytest.fixture(autouse=True)
def _all_faults_are_told() -> None:
    warn_once.cache_clear()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time, for what hangs in any case: what does not may need more on a busy machine."""
    monkeypatch.setenv("FILTERKIT_PLUGINS_TIMEOUT", "0.2")
