"""Names, clashes and the making of what plugins contribute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import filterkit
from filterkit.errors import PluginContractError, PluginError, UsageError
from filterkit.plugins.host import PluginHost
from filterkit.plugins.registry import Registry
from filterkit.records import Normalized


@dataclass(frozen=True)
class Flat:
    level: float = 0.5
    per: Literal["layer", "filter"] = "layer"

    def __post_init__(self) -> None:
        if not 0 <= self.level <= 1:
            raise ValueError("level lies between 0 and 1")

    def normalize(self, values: np.ndarray) -> Normalized:
        return Normalized(np.full(values.shape, self.level, np.float32), None, None, None)


def offer(*contributions: filterkit.Contribution[Any]) -> object:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_normalizers(self) -> tuple[Any, ...]:
            return contributions

    return Plugin()


@pytest.fixture
def registry(host: PluginHost) -> Registry:
    flat = filterkit.Contribution("flat", "All the same", Flat)
    host.add(offer(flat), name="filterkit-one", version="1.0")
    host.add(offer(filterkit.Contribution("minmax", "Another", Flat)), name="filterkit-two", version="2.0")
    return Registry(host)


def level(made: Any) -> float:
    return float(made.normalize(np.zeros((1, 1, 2), np.float32)).values[0, 0, 0])


def test_options_come_from_the_spec_then_from_the_caller(registry: Registry) -> None:
    assert level(registry.create("normalizer", "flat")) == 0.5
    assert level(registry.create("normalizer", "flat", level=0.25)) == 0.25
    assert level(registry.create("normalizer", "flat", level="0.25", per=None)) == 0.25
    assert level(registry.create("normalizer", "flat:level=1", level=0.25)) == 1


def test_the_spec_makes_the_same_again(registry: Registry) -> None:
    made = registry.create("normalizer", "flat:per=filter", level=0.25)
    assert made.spec == "filterkit-one/flat:level=0.25,per=filter"
    assert registry.create("normalizer", made.spec).spec == made.spec


def test_a_clash_names_both_and_touches_nothing_else(registry: Registry) -> None:
    with pytest.raises(UsageError) as caught:
        registry.create("normalizer", "minmax")
    ours = f"filterkit.normalizers {filterkit.__version__}"
    assert str(caught.value) == f"normalizer 'minmax' is provided by {ours} and filterkit-two 2.0"
    assert caught.value.hint == "write filterkit.normalizers/minmax or filterkit-two/minmax"
    assert level(registry.create("normalizer", "filterkit-two/minmax:level=1")) == 1
    assert level(registry.create("normalizer", "Filterkit_Two/minmax:level=1")) == 1
    assert registry.find("normalizer", "filterkit.normalizers/minmax").plugin.name == "filterkit.normalizers"
    assert level(registry.create("normalizer", "flat")) == 0.5
    assert registry.names("normalizer") == (
        "filterkit-two/minmax",
        "filterkit.normalizers/minmax",
        "flat",
        "percentile",
        "symmetric",
        "zscore",
    )


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("flatt", "unknown normalizer 'flatt'", "did you mean 'flat'?"),
        ("filterkit-one/minmax", "unknown normalizer 'filterkit-one/minmax'", "minmax"),
        ("flat:levle=1", "normalizer 'flat' has no option 'levle'", "did you mean 'level'?"),
        ("flat:level=high", "option 'level' of normalizer 'flat' cannot be 'high'", "expected float"),
        ("flat:per=filtre", "option 'per' of normalizer 'flat' cannot be 'filtre'", "did you mean 'filter'?"),
        ("flat:level=2", "normalizer 'flat': level lies between 0 and 1", None),
        ("flat:level", "'level' in 'flat:level' has no value", "OPTION=VALUE"),
        ("flat:level=1,level=0", "'flat:level=1,level=0' sets 'level' twice", None),
        (":level=1", "':level=1' has no name", "NAME:OPTION=VALUE"),
        ("", "'' has no name", "NAME"),
    ],
)
def test_wrong_use_is_told(registry: Registry, spec: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        registry.create("normalizer", spec)
    assert str(caught.value) == message
    assert (hint or "") in (caught.value.hint or "")


def test_what_cannot_be_imported_names_plugin_and_extra(host: PluginHost) -> None:
    host.add(
        offer(
            filterkit.Contribution("gone", "Module missing", "not_there:Gone"),
            filterkit.Contribution("half", "Attribute missing", "math:Gone"),
            filterkit.Contribution("bare", "Extra missing", "not_there:Bare", extra="fancy"),
        ),
        name="filterkit-gone",
        version="4.0",
    )
    registry = Registry(host)
    assert {"gone", "half", "bare"} <= set(registry.names("normalizer"))
    with pytest.raises(
        PluginError, match=r"plugin filterkit-gone 4.0: normalizer 'gone': ModuleNotFoundError"
    ):
        registry.create("normalizer", "gone")
    with pytest.raises(PluginError, match=r"normalizer 'half': AttributeError"):
        registry.create("normalizer", "half")
    with pytest.raises(PluginError, match=r"normalizer 'bare' needs the extra 'fancy'") as caught:
        registry.create("normalizer", "bare")
    assert caught.value.hint == "pip install 'filterkit-gone[fancy]'"


def test_the_keras_extra_is_of_our_own_distribution(host: PluginHost) -> None:
    found = Registry(host).find("source", "keras")
    assert (found.contribution.extra, found.plugin.distribution) == ("keras", "cnn-filterkit")


def test_an_object_of_the_wrong_kind_is_refused(host: PluginHost) -> None:
    host.add(offer(filterkit.Contribution("wrong", "No normalizer", dict)), name="filterkit-wrong")
    with pytest.raises(PluginContractError, match=r"normalizer 'wrong' is a dict, which is not a Normalizer"):
        Registry(host).create("normalizer", "wrong")


def test_a_factory_that_raises_is_blamed(host: PluginHost) -> None:
    def fail() -> None:
        raise ValueError("not today")

    host.add(offer(filterkit.Contribution("fails", "Raises", fail)), name="filterkit-fails", version="1.0")
    with pytest.raises(PluginError, match=r"plugin filterkit-fails 1.0: normalizer 'fails': ValueError: not"):
        Registry(host).create("normalizer", "fails")


def test_a_metric_that_cannot_be_made_is_left_out(host: PluginHost, reported: list[str]) -> None:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_metrics(self) -> list[Any]:
            return [filterkit.Contribution("gone", "Module missing", "not_there:Gone")]

    host.add(Plugin(), name="filterkit-gone", version="4.0")
    made = [str(metric) for metric in Registry(host).metrics()]
    assert "filterkit.metrics/basic" in made
    assert not [metric for metric in made if "gone" in metric]
    assert reported == [
        "filterkit: plugin filterkit-gone 4.0 failed: metric 'gone': ModuleNotFoundError: "
        "No module named 'not_there'"
    ]


def test_a_clashing_source_is_added_with_its_plugins_name(
    host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_model_sources(self) -> list[Any]:
            return [filterkit.Contribution("classic", "Another", "not_there:Classic")]

    host.add(Plugin(), name="filterkit-other", version="3.0")
    monkeypatch.setattr("filterkit.plugins.host.load_plugins", lambda: host)
    with filterkit.open(tmp_path / "catalog.db") as bench:
        with pytest.raises(UsageError, match=r"source 'classic' is provided by .* and filterkit-other 3.0"):
            bench.add("classic")
        bench.add("filterkit.sources/classic:", name="ours")
        assert [row["model"] for row in bench.models()] == ["ours"]
