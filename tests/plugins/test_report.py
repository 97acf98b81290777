"""Errors in plugins: reported in one line that names the plugin, its last line, and its time."""

from __future__ import annotations

import numpy as np
import pytest
from bad_plugins import NAME, Install, made

from filterkit.errors import ModelError, PluginContractError, PluginError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.report import blame, contract_error, in_words, kind_of, warn_once


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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("one\n  two\x1b[31m"), "ValueError: one two\\x1b[31m"),
        (ValueError(), "ValueError"),
        (ModelError("too big", hint="shrink it"), "too big"),
    ],
)
def test_errors_in_one_line(error: Exception, words: str) -> None:
    assert in_words(error) == words


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "None"), (1, "an int"), (np.ones(1), "an ndarray"), (np.uint8(1), "a uint8"), ([], "a list")],
)
def test_kinds_of_values(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_errors_name_the_plugin_and_how_to_disable_it() -> None:
    plugin = Plugin(NAME, "1.2", NAME, "bad")
    off = f"to disable it, set FILTERKIT_PLUGINS_BLOCKED={NAME}"
    with pytest.raises(PluginError) as caught, blame(plugin, "normalize()"):
        raise ZeroDivisionError("by zero")
    assert caught.value.message == f"plugin {NAME} 1.2: normalize(): ZeroDivisionError: by zero"
    assert str(caught.value.hint).endswith(off)
    with pytest.raises(PluginError, match="needs the extra 'more'") as caught:  # noqa: SIM117
        with blame(plugin, "normalize()", extra="more"):
            raise ImportError("no such thing")
    assert caught.value.hint == f"pip install '{NAME}[more]'"
    with pytest.raises(PluginError) as caught, blame(plugin, "normalize()"):
        np.broadcast_to(np.ones(1), 3)[0] = 2
    assert "must work on a copy" in str(caught.value.hint)
    with pytest.raises(PluginContractError, match=f"plugin {NAME} 1.2: normalize\\(\\) returned None"):
        contract_error(plugin, "normalize()", "returned None")
