"""Response metrics in an observation: equal to brute force, joined, continued, and left out if they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from observed import contents, picture, write_pictures
from onnx_graphs import build, node, random
from power_sums import PowerSums, plugin_of
from small_network import write_network

import filterkit
from filterkit.errors import CatalogError, PluginError, UnknownNameError, UsageError
from filterkit.operations import observing
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

Open = Callable[..., filterkit.Workbench]


class Fails(PowerSums):
    """Fails in a method when it is called for the nth time."""

    columns = ("failing",)

    def __init__(self, method: str, after: int, error: BaseException | None = None) -> None:
        self.method, self.left = method, after
        self.error = error or ZeroDivisionError("oh")

    def _count(self, method: str) -> None:
        self.left -= method == self.method
        if self.left < 0:
            raise self.error

    def summarize(self, maps: Any) -> dict[str, Any]:
        self._count("summarize")
        return super().summarize(maps)

    def merge(self, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        self._count("merge")
        return super().merge(one, other)

    def values(self, summary: dict[str, Any]) -> dict[str, Any]:
        self._count("values")
        return {"failing": super().values(summary)["own_mean"]}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the catalog with the network, and a plugin with the response metrics that are given."""
    benches: list[filterkit.Workbench] = []

    def open_with(strict: bool = False, **metrics: Any) -> filterkit.Workbench:
        host = load_plugins(discover=False, report=reports.append, strict=strict)
        host.add(plugin_of(**({"sums": PowerSums} | metrics)), name="filterkit-mine", version="1.5")
        benches.append(filterkit.Workbench(tmp_path / "catalog.db", registry=Registry(host)))
        if not (tmp_path / "net.onnx").exists():
            benches[-1].add(write_network(tmp_path / "net.onnx"))
        return benches[-1]

    reports.clear()
    yield open_with
    for bench in benches:
        bench.close()


reports: list[str] = []


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


COLUMNS = ("own_mean", "own_square", "own_max")


def brute_force(bench: filterkit.Workbench, photos: list[Path], layer: str, size: str | None = None) -> Any:
    results = bench.iter_feature_maps(f"net/{layer}", photos, size=size)
    maps = [result.maps[layer].astype(np.float64) for result in results]
    flat = np.concatenate([each.reshape(len(each), -1) for each in maps], axis=1)
    return flat.mean(axis=1), (flat**2).mean(axis=1), flat.max(axis=1)


@pytest.mark.parametrize("batch", [1, 5])
def test_equals_brute_force_over_the_maps(opened: Open, photos: Path, batch: int) -> None:
    bench = opened()
    found = bench.observe("net", [photos], size="original", metrics=["sums"], batch=batch)
    assert (found.metrics, found.unmeasured) == (list(COLUMNS), [])
    for layer in ("conv1", "conv2"):
        rows = bench.filters(f"net/{layer}")
        for name, expected in zip(COLUMNS, brute_force(bench, [photos], layer, "original"), strict=True):
            np.testing.assert_allclose(rows[name], expected, rtol=1e-12, err_msg=f"{layer} {name}")
        np.testing.assert_allclose(rows["own_mean"], rows["response_mean"], rtol=1e-5)
        assert rows["own_max"] == rows["response_max"]


def test_columns_can_be_asked(opened: Open, photos: Path) -> None:
    bench = opened()
    bench.observe("net", [photos], name="first", metrics=["sums"])
    rows = bench.filters(
        "net", sort="-own_square", where="own_mean > 0", columns="address,own_mean,own_square"
    )
    assert rows["own_square"] == sorted(rows["own_square"], reverse=True)
    assert min(rows["own_mean"]) > 0
    assert bench.count_filters("net", where="response.own_mean > 0") == len(rows)
    means = dict(zip(bench.filters("net")["address"], bench.filters("net")["own_mean"], strict=True))
    of_first = [value for address, value in means.items() if "conv1" in address]
    stats = {row["layer"]: row["own_mean"] for row in bench.stats("net")}
    assert stats["conv1"] == pytest.approx(np.mean(of_first))
    grouped = bench.group_filters("net", by="layer", agg="mean:own_mean")
    assert grouped["mean_own_mean"] == pytest.approx([stats["conv1"], stats["conv2"]])
    query = "SELECT json_extract(extra, '$.own_mean') AS mean FROM response ORDER BY layer_id, position"
    assert bench.query(query)["mean"] == list(means.values())
    [row] = bench.observations()
    assert row["metrics"] == list(COLUMNS)


def test_the_newest_observation_or_the_named_one_counts(opened: Open, photos: Path, tmp_path: Path) -> None:
    bench = opened()
    with pytest.raises(UnknownNameError, match="no column 'own_mean'") as caught:
        bench.filters("net", where="own_mean > 0")
    hint = "the response metric sums fills it: filterkit observe MODEL IMAGES... --metric sums"
    assert caught.value.hint == hint
    bench.observe("net", [photos], name="first", metrics=["sums"])
    bench.observe("net/conv1", [photos / "class0"], name="second", metrics=["sums"])
    bench.observe("net/conv2", [photos], name="third")
    newest, first = bench.filters("net")["own_mean"], bench.filters("net", observation="first")["own_mean"]
    np.testing.assert_allclose(newest[:4], brute_force(bench, [photos / "class0"], "conv1")[0])
    np.testing.assert_allclose(first[:4], brute_force(bench, [photos], "conv1")[0])
    assert newest[4:] == [None, None]
    assert None not in first
    assert "own_mean" not in bench.filters("net/conv2").columns
    assert "own_mean" not in bench.filters("net", observation="third").columns
    assert "own_mean" in bench.filters("*").columns
    assert "own_mean" not in bench.stats("net", observation="third").columns
    bench.remove("net", observation="second")
    assert bench.filters("net/conv1")["own_mean"] == first[:4]


@pytest.mark.parametrize("metrics", [("sums",), ()])
def test_what_joins_later_ends_like_all_at_once(
    opened: Open, tmp_path: Path, metrics: tuple[str, ...]
) -> None:
    photos = write_pictures(tmp_path / "photos", 6, classes=1)
    bench = opened()
    bench.observe("net/conv2", [photos], name="all", metrics=metrics, batch=1)
    write_pictures(tmp_path / "more", 5, classes=1, start=6)
    bench.observe("net/conv1", [photos, tmp_path / "more"], name="all", metrics=metrics, batch=1)
    joined = bench.observe("net", [photos, tmp_path / "more"], name="all", metrics=["sums"], batch=1)
    assert joined.status == ("unchanged" if metrics else "continued")
    assert (joined.pictures, joined.metrics) == (11, list(COLUMNS))
    again = bench.observe("net", [photos, tmp_path / "more"], name="all", batch=1)
    assert (again.status, again.metrics, again.provider) == ("unchanged", list(COLUMNS), None)
    first = contents(bench)
    assert all("own_mean" in row["extra"] for row in first["response"])
    bench.remove("net", observation="all")
    bench.observe("net", [photos, tmp_path / "more"], name="all", metrics=["sums"], batch=1)
    assert contents(bench) == first


def test_it_keeps_its_metrics_when_pictures_are_added(opened: Open, photos: Path) -> None:
    bench = opened()
    bench.observe("net", [photos], metrics=["sums"])
    picture(99).save(photos / "class1" / "p99.png")
    found = bench.observe("net", [photos])
    assert (found.status, found.added, found.metrics) == ("continued", 1, list(COLUMNS))
    np.testing.assert_allclose(
        bench.filters("net/conv1")["own_mean"], brute_force(bench, [photos], "conv1")[0]
    )


@pytest.mark.parametrize("calls", [1, 4, 9, 17])
def test_an_interrupted_one_is_continued(
    opened: Open, photos: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """It is interrupted while the metric runs, after what was saved before."""
    monkeypatch.setattr(observing, "SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        opened(sums=lambda: Fails("summarize", calls, KeyboardInterrupt())).observe(
            "net", [photos], metrics=["sums"], batch=2
        )
    bench = opened()
    found = bench.observe("net", [photos], metrics=["sums"], batch=2)
    assert (found.pictures, found.metrics) == (12, list(COLUMNS))
    interrupted = contents(bench)["response"]
    bench.remove("net", observation="photos")
    bench.observe("net", [photos], metrics=["sums"], batch=2)
    assert contents(bench)["response"] == interrupted
    assert bench.examine()["faults"] == []


@pytest.mark.parametrize(
    ("method", "after"), [("summarize", 0), ("summarize", 5), ("merge", 3), ("values", 0), ("values", 1)]
)
def test_one_that_fails_is_left_out(opened: Open, photos: Path, method: str, after: int) -> None:
    bench = opened(broken=lambda: Fails(method, after))
    found = bench.observe("net", [photos], metrics=["broken", "sums"], batch=1)
    assert (found.pictures, found.metrics, found.unmeasured) == (12, list(COLUMNS), ["failing"])
    [line] = reports
    assert line == (
        "filterkit: plugin filterkit-mine 1.5 failed: response-metric 'broken': "
        f"{method}(): ZeroDivisionError: oh"
    )
    rows = bench.filters("net")
    assert "failing" not in rows.columns
    np.testing.assert_allclose(rows["own_mean"][:4], brute_force(bench, [photos], "conv1")[0])
    assert bench.observe("net", [photos]).status == "unchanged"
    assert bench.observe("net", [photos]).metrics == list(COLUMNS)
    with pytest.raises(PluginError, match="oh"):
        opened(strict=True, broken=lambda: Fails(method, after)).observe("net", [photos], metrics=["broken"])
    fixed = opened(broken=lambda: Fails("", 0)).observe("net", [photos], metrics=["broken"])
    assert (fixed.status, fixed.metrics) == ("continued", ["failing", *COLUMNS])
    assert bench.filters("net")["failing"] == bench.filters("net")["own_mean"]


def test_one_that_fails_later_is_not_in_the_observation_any_more(opened: Open, photos: Path) -> None:
    opened(broken=lambda: Fails("", 0)).observe("net", [photos], metrics=["broken"])
    picture(99).save(photos / "class1" / "p99.png")
    bench = opened(broken=lambda: Fails("summarize", 0))
    found = bench.observe("net", [photos])
    assert (found.added, found.metrics, found.unmeasured) == (1, [], ["failing"])
    assert "failing" not in bench.filters("net").columns
    assert {row["extra"] for row in contents(bench)["response"]} == {None}


def test_a_metric_gets_maps_that_are_read_only(opened: Open, photos: Path) -> None:
    seen: list[tuple[Any, ...]] = []

    class Looks(PowerSums):
        def summarize(self, maps: Any) -> dict[str, Any]:
            seen.append((maps.shape, maps.dtype, maps.flags.writeable))
            return super().summarize(maps)

    opened(looks=Looks).observe("net/conv1", [photos], size="original", metrics=["looks"])
    assert {each[1:] for each in seen} == {(np.dtype("f4"), False)}
    assert {each[0][1:] for each in seen} == {(4, 24, 32), (4, 24, 40)}
    assert sum(each[0][0] for each in seen) == 12


def test_a_network_that_takes_no_pictures(opened: Open, tmp_path: Path) -> None:
    model = build([node("Conv", "x w", "y", name="conv")], {"x": [1, 2, "W"]}, {"w": random(3, 2, 5)})
    onnx.save(model, tmp_path / "sound.onnx")
    arrays = [random(1, 2, 40, seed=seed) for seed in range(3)]
    for number, array in enumerate(arrays):
        np.savez(tmp_path / f"{number}.npz", x=array)
    bench = opened()
    bench.add(tmp_path / "sound.onnx")
    inputs = [f"npz:{tmp_path / f'{number}.npz'}" for number in range(3)]
    bench.observe("sound", inputs, name="frames", metrics=["sums"])
    weights = random(3, 2, 5)
    windows = [np.lib.stride_tricks.sliding_window_view(each[0], 5, axis=1) for each in arrays]
    maps = np.concatenate([np.einsum("ock,cwk->ow", weights, each) for each in windows], axis=1)
    np.testing.assert_allclose(bench.filters("sound")["own_mean"], maps.mean(axis=1), rtol=1e-4, atol=1e-6)


def test_a_network_with_a_fixed_batch(opened: Open, photos: Path, tmp_path: Path) -> None:
    """The pictures that fill the last batch do not count."""
    nodes = [node("Conv", "x w", "y", name="conv")]
    model = build(nodes, {"x": [5, 3, 24, 32]}, {"w": random(3, 3, 3, 3)})
    onnx.save(model, tmp_path / "five.onnx")
    bench = opened()
    bench.add(tmp_path / "five.onnx")
    bench.observe("five", [photos], metrics="sums")
    rows = bench.filters("five")
    np.testing.assert_allclose(rows["own_mean"], rows["response_mean"], rtol=1e-5)
    results = list(bench.iter_feature_maps("five", [photos]))
    maps = np.stack([result.maps["conv"] for result in results]).astype(np.float64)
    np.testing.assert_allclose(rows["own_mean"], maps.mean(axis=(0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize(
    ("column", "owner"),
    [
        ("l2_norm", "filterkit itself"),
        ("response_mean", "filterkit itself"),
        ("own_max", "filterkit-mine/sums"),
    ],
)
def test_a_column_with_another_owner_is_refused(opened: Open, photos: Path, column: str, owner: str) -> None:
    class Taken(PowerSums):
        columns = (column,)

    bench = opened(taken=Taken)
    with pytest.raises(UsageError, match=f"the column '{column}' comes from {owner} and from filterkit-mine"):
        bench.observe("net", [photos], metrics=["sums", "taken"])
    assert not bench.observations()


def test_a_metric_that_is_missing_is_named(opened: Open, photos: Path, tmp_path: Path) -> None:
    bench = opened()
    with pytest.raises(UnknownNameError, match="unknown response-metric 'sum'") as caught:
        bench.observe("net", [photos], metrics=["sum"])
    assert "did you mean 'sums'?" in str(caught.value.hint)
    with pytest.raises(UsageError, match="a metric must be text"):
        bench.observe("net", [photos], metrics=[PowerSums()])  # type: ignore[list-item]
    bench.observe("net", [photos], metrics=["sums"])
    bench.close()
    with filterkit.Workbench(
        tmp_path / "catalog.db", registry=Registry(load_plugins(discover=False))
    ) as without:
        assert "own_mean" in without.filters("net").columns
        with pytest.raises(
            UnknownNameError, match="'photos' has the metric filterkit-mine/sums, which"
        ) as caught:
            without.observe("net", [photos])
        assert str(caught.value.hint).endswith("is missing: filterkit plugins install filterkit-mine==1.5")
        [fault] = without.plugin_faults()
        assert (fault["plugin"], fault["fault"]) == (
            "filterkit-mine",
            "was used for net, and is not installed",
        )


def test_a_file_that_was_damaged_is_named(opened: Open, photos: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    bench = opened()
    bench.observe("net", [photos], metrics=["sums"])
    [path] = (tmp_path / "catalog.store" / "observations").glob("*/0.safetensors")
    arrays = load_file(path)
    name = "metric/filterkit-mine/sums/power_1"
    save_file({**arrays, name: np.full(4, np.nan)}, path)
    picture(99).save(photos / "class1" / "p99.png")
    with pytest.raises(CatalogError, match=r"0\.safetensors of an observation is missing or corrupted"):
        bench.observe("net", [photos])
    assert len(bench.examine()["faults"]) == 1
    save_file({**arrays, name: np.zeros(5)}, path)
    found = bench.observe("net", [photos])
    assert (found.added, found.unmeasured) == (1, list(COLUMNS))
    assert "for other pictures of the same layer" in reports[0]
