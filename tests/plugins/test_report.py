"""Errors in plugins: reported in one line that names the plugin, its last line, and its time."""

from __future__ import annotations

import numpy as np
import pytest
from bad_plugins import NAME, Install, made

from filterkit.plugins.host import load_plugins
from filterkit.plugins.report import warn_once


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("def deeper():\n    import json\n    json.loads('{')\n\ndeeper()\n", 3),
        ("\n\ndef broken(:\n", 3),
        ("import filterkit\n\nimport not_there_at_all", 3),
    ],
)
def test_the_last_line_of_the_plugin_is_told(install: Install, code: str, line: int) -> None:
    source = install(NAME, code)
    [plugin] = [plugin for plugin in load_plugins(strict=False).plugins if plugin.name == NAME]
    assert plugin.places == [f"{source}:{line}"]


def test_every_call_is_traced(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FILTERKIT_TRACE_PLUGINS", "1")
    normalizer = made(install, "return filterkit.Normalized(values, None, None, None)")
    normalizer.normalize(np.ones((1, 1, 2, 2), np.float32))
    said = [line for line in capsys.readouterr().err.splitlines() if NAME in line]
    assert [line.rsplit(" ", 2)[0] for line in said] == [
        f"filterkit: plugin {NAME} 1.2: import",
        f"filterkit: plugin {NAME} 1.2: filterkit_normalizers",
        f"filterkit: plugin {NAME} 1.2: normalizer 'bad': normalize()",
    ]
    assert all(line.endswith(" ms") and float(line.split()[-2]) >= 0 for line in said)


def test_faults_go_to_stderr_once(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    warn_once.cache_clear()
    install("filterkit-broken", "raise RuntimeError('no')")
    load_plugins(strict=False)
    load_plugins(strict=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("filterkit: plugin filterkit-broken 1.2 failed: RuntimeError: no\n") == 1
