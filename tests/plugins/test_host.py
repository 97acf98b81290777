"""What can be wrong with a plugin, and that nobody else suffers from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_plugins import Install

import filterkit
from filterkit.errors import PluginError, UsageError
from filterkit.plugins.host import PluginHost, load_plugins
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.registry import Registry

GOOD = """
import filterkit

@filterkit.hookimpl
def filterkit_normalizers():
    return [filterkit.Contribution("{name}", "Good", "nowhere:Nothing")]
"""


def plugins_of(host: PluginHost) -> dict[str, Any]:
    return {plugin.name: plugin for plugin in host.plugins}


def test_an_installed_plugin_is_found(install: Install, reported: list[str]) -> None:
    source = install("filterkit-good", GOOD.format(name="good"), version="3.1")
    host = load_plugins(report=reported.append)
    plugin = plugins_of(host)["filterkit-good"]
    assert (plugin.state, plugin.version, plugin.error) == ("loaded", "3.1", None)
    assert plugin.hooks == ("filterkit_normalizers",)
    assert plugin.path == str(source)
    assert "good" in Registry(host).names("normalizer")
    assert not [line for line in reported if "filterkit-good" in line]


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        ("import a_module_that_is_not_there", "failed", "ModuleNotFoundError: No module named"),
        ("raise RuntimeError('two\\nlines')", "failed", "RuntimeError: two lines"),
        ("raise RuntimeError('\\x1b[31mred')", "failed", "RuntimeError: \\x1b[31mred"),
        ("raise SystemExit(3)", "failed", "SystemExit: 3"),
        ("def broken(:", "failed", "SyntaxError"),
        (GOOD + "FILTERKIT_API = 2", "incompatible", "requires plugin API 2"),
        (GOOD.replace("normalizers", "normalisers"), "incompatible", "did you mean 'filterkit_normalizers'?"),
        (GOOD.replace("izers()", "izers(values)"), "incompatible", "values"),
        ("def filterkit_normalizers(): return []", "incompatible", "@filterkit.hookimpl"),
    ],
)
def test_a_broken_plugin_is_told_once_and_stops_nobody(
    code: str, state: str, words: str, install: Install, reported: list[str]
) -> None:
    source = install("filterkit-broken", code)
    install("filterkit-good", GOOD.format(name="good"))
    host = load_plugins(report=reported.append, strict=False)
    registry = Registry(host)
    plugin = plugins_of(host)["filterkit-broken"]
    assert plugin.state == state
    assert words in plugin.error
    assert (plugin.version, plugin.path) == ("1.2", str(source))
    assert {"good", "minmax"} <= set(registry.names("normalizer"))
    [line] = [line for line in reported if "filterkit-broken" in line]
    assert line == f"filterkit: plugin filterkit-broken 1.2 {state}: {plugin.error}"


def test_strict_raises(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("filterkit-broken", "raise RuntimeError('no')")
    monkeypatch.setenv("FILTERKIT_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"filterkit-broken 1.2 failed: RuntimeError: no") as caught:
        load_plugins()
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_interrupt_passes(install: Install) -> None:
    install("filterkit-interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugins()


def test_two_distributions_may_call_their_entry_the_same(install: Install) -> None:
    install("filterkit-one", GOOD.format(name="one"), entries={"same": "filterkit_one"})
    install("filterkit-two", GOOD.format(name="two"), entries={"same": "filterkit_two"})
    names = Registry(load_plugins()).names("normalizer")
    assert {"one", "two"} <= set(names)


def test_one_distribution_may_have_several_plugins(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"a": "filterkit_many", "b": "not_there"}
    install("Filterkit-Many", GOOD.format(name="many"), entries=entries)
    states = {name: plugin.state for name, plugin in plugins_of(load_plugins(strict=False)).items()}
    assert (states["filterkit-many.a"], states["filterkit-many.b"]) == ("failed", "failed")
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "Filterkit_Many")
    states = {name: plugin.state for name, plugin in plugins_of(load_plugins(strict=False)).items()}
    assert (states["filterkit-many.a"], states["filterkit-many.b"]) == ("blocked", "blocked")


def test_a_blocked_plugin_is_not_imported_but_listed(
    install: Install, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    source = install("filterkit-broken", "raise RuntimeError('no')")
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "other, Filterkit_Broken")
    host = load_plugins(report=reported.append)
    plugin = plugins_of(host)["filterkit-broken"]
    assert (plugin.state, plugin.error, plugin.path) == ("blocked", None, str(source))
    assert not [line for line in reported if "plugin filterkit-broken" in line]


def test_built_ins_are_blocked_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "filterkit.normalizers")
    registry = Registry(load_plugins(discover=False))
    assert registry.names("normalizer") == ()
    assert "grid" in registry.names("renderer")
    with pytest.raises(UsageError, match="unknown normalizer 'minmax'") as caught:
        registry.create("normalizer", "minmax")
    assert "filterkit.normalizers is blocked" in str(caught.value.hint)
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "filterkit")
    assert {plugin.state for plugin in load_plugins(discover=False).plugins} == {"blocked"}


def test_names_that_fit_no_plugin_are_told(
    install: Install, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    install("filterkit-one", GOOD.format(name="one"))
    install("Filterkit-Many", GOOD.format(name="many"), entries={"a": "filterkit_many"})
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "Filterkit_Many, filterkit.metrics, filterkit-oen, xyz")
    monkeypatch.setenv("FILTERKIT_PLUGINS_ONLY", "filterkit_one,filterkit,filterkit.metric")
    states = {name: plugin.state for name, plugin in plugins_of(load_plugins(report=reported.append)).items()}
    assert (states["filterkit-one"], states["filterkit.formats"]) == ("loaded", "loaded")
    first, second, third = reported
    assert first.startswith("filterkit: FILTERKIT_PLUGINS_BLOCKED: unknown plugin 'filterkit-oen' (did you")
    assert "'filterkit-one'" in first
    assert second.startswith("filterkit: FILTERKIT_PLUGINS_BLOCKED: unknown plugin 'xyz' (known: filterkit, ")
    assert third.startswith("filterkit: FILTERKIT_PLUGINS_ONLY: unknown plugin 'filterkit.metric' (did you")


def test_where_not_all_plugins_are_loaded_no_name_is_wrong(
    monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "filterkit-elsewhere")
    load_plugins(discover=False, report=reported.append)
    load_plugins(built_in=False, candidates=(), report=reported.append)
    assert reported == []


def test_a_raising_hook_loses_only_its_own_results(host: PluginHost, reported: list[str]) -> None:
    class Raising:
        @filterkit.hookimpl
        def filterkit_normalizers(self) -> Iterator[Contribution[Any]]:
            yield Contribution("half", "Offered before it raises", "nowhere:Nothing")
            raise ZeroDivisionError("no")

        @filterkit.hookimpl
        def filterkit_renderers(self) -> list[Contribution[Any]]:
            return [Contribution("whole", "Unharmed", "nowhere:Nothing")]

    plugin = host.add(Raising(), name="filterkit-raising", version="1.0")
    registry = Registry(host)
    assert registry.names("normalizer") == ("minmax", "percentile", "symmetric", "zscore")
    assert "whole" in registry.names("renderer")
    registry.names("normalizer")
    assert plugin.state == "failed"
    line = "plugin filterkit-raising 1.0 failed: filterkit_normalizers: ZeroDivisionError: no"
    assert reported == [f"filterkit: {line}"]


@pytest.mark.parametrize(
    "returned",
    [
        None,
        7,
        "minmax",
        ["minmax"],
        [Contribution("Upper Case", "Bad name", "a:B")],
        [Contribution("a/b", "Bad name", "a:B")],
        [Contribution("fine", "Bad factory", "no colon")],
        [Contribution("fine", "Bad factory", 3)],  # type: ignore[arg-type]
        [Contribution("fine", None, "a:B")],  # type: ignore[arg-type]
        [Contribution("twice", "", "a:B"), Contribution("twice", "", "a:C")],
    ],
)
def test_nonsense_from_a_hook_is_a_fault_of_its_plugin(
    returned: Any, host: PluginHost, reported: list[str]
) -> None:
    class Nonsense:
        @filterkit.hookimpl
        def filterkit_normalizers(self) -> Any:
            return returned

    plugin = host.add(Nonsense(), name="filterkit-nonsense", version="0.9")
    assert Registry(host).names("normalizer") == ("minmax", "percentile", "symmetric", "zscore")
    assert plugin.state == "failed"
    assert plugin.error is not None
    assert plugin.error.startswith("filterkit_normalizers ")
    assert reported == [f"filterkit: plugin filterkit-nonsense 0.9 failed: {plugin.error}"]


def test_a_second_plugin_of_one_name_is_refused(host: PluginHost) -> None:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_normalizers(self) -> list[Any]:
            return []

    assert host.add(Plugin(), name="filterkit-same").state == "loaded"
    second = host.add(Plugin(), name="Filterkit_Same")
    assert (second.state, second.error) == ("failed", "another plugin is already named 'Filterkit_Same'")


@pytest.mark.parametrize("name", ["filterkit", "Filterkit", "filterkit.more"])
def test_a_plugin_that_would_pass_as_built_in_is_refused(host: PluginHost, name: str) -> None:
    refused = host.add(object(), name=name)
    assert refused.state == "failed"
    assert refused.error == "the name 'filterkit' is reserved for built-in plugins"


def test_a_file_that_would_pass_as_built_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reported: list[str]
) -> None:
    (tmp_path / "filterkit.py").write_text(GOOD)
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(tmp_path))
    *_, found = load_plugins(report=reported.append).plugins
    assert (found.name, found.state, found.hooks) == ("filterkit", "failed", ())
    assert found.path == str(tmp_path / "filterkit.py")
    [line] = reported
    assert line.endswith("the name 'filterkit' is reserved for built-in plugins")


def test_optional_hooks_of_other_versions_are_allowed(host: PluginHost) -> None:
    class Plugin:
        @filterkit.hookimpl(optionalhook=True)
        def filterkit_something_of_tomorrow(self) -> None: ...

        @filterkit.hookimpl
        def filterkit_normalizers(self) -> list[Any]:
            return [Contribution("now", "Works today", "a:B")]

    assert host.add(Plugin(), name="filterkit-tomorrow").state == "loaded"
    assert "now" in Registry(host).names("normalizer")


def test_unreadable_metadata_of_others_is_passed_over(install: Install, tmp_path: Path) -> None:
    install("filterkit-good", GOOD.format(name="good"))
    broken = tmp_path / "site" / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "entry_points.txt").write_bytes(b"[filterkit]\nx = \xff\xfe")
    assert "good" in Registry(load_plugins()).names("normalizer")


def test_hosts_share_nothing(host: PluginHost) -> None:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_normalizers(self) -> list[Any]:
            return [Contribution("mine", "Here only", "a:B")]

    host.add(Plugin(), name="filterkit-mine")
    assert "mine" in Registry(host).names("normalizer")
    assert "mine" not in Registry(load_plugins(discover=False)).names("normalizer")
