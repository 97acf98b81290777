"""filterkit's own plugins: what each brings, and the hints that name one where it is not there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from filterkit.errors import UnknownNameError
from filterkit.plugins.commands import commands_of
from filterkit.plugins.discovery import BROUGHT_BY, install_hint
from filterkit.plugins.host import PluginHost
from filterkit.plugins.registry import HOOKS, Registry

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_what_they_bring_is_what_is_said_of_them(host: PluginHost, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = {}
    registry = Registry(host)
    for folder in PLUGINS.glob("filterkit-*"):
        monkeypatch.syspath_prepend(folder / "src")
        plugin = host.add(import_module(folder.name.replace("-", "_")), name=folder.name)
        brought |= {("command", each.name): plugin.name for each in commands_of(host, plugin)}
    for kind in HOOKS:
        own = (
            registration
            for registration in registry.registrations(kind)
            if registration.plugin.distribution != "cnn-filterkit"
        )
        brought |= {(kind, registration.name): registration.plugin.name for registration in own}
    assert brought == BROUGHT_BY


def test_the_plugin_that_brings_it_is_named_where_it_is_not_there(host: PluginHost) -> None:
    def hint(name: str) -> str | None:
        with pytest.raises(UnknownNameError) as caught:
            Registry(host).find("extractor", name)
        return caught.value.hint

    assert (
        hint("dense")
        == "provided by filterkit-dense: in a clone of filterkit, run pip install ./plugins/filterkit-dense"
    )
    assert hint("torch") == "known: convolution", "a source"
    host.add(object(), name="filterkit-dense")
    assert hint("dense") == "known: convolution; filterkit-dense is incompatible"


@pytest.mark.parametrize("name", ["filterkit-torch", "Filterkit_Torch", "torch"])
def test_plugins_are_known_by_all_their_names(name: str) -> None:
    install = "in a clone of filterkit, run pip install ./plugins/filterkit-torch"
    brings = "provided by filterkit-torch: " if name == "torch" else ""
    assert install_hint(name, ["filterkit-gabor"]) == brings + install
    assert install_hint(name, ["filterkit-torch"]) is None
    assert install_hint(name, ["filterkit-torch.part"]) is None
