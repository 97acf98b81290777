"""Feature visualization: what is optimized, what is kept, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random
from scipy.signal import correlate

import filterkit
from filterkit.errors import CatalogError, FilterkitError, ImageError, ModelError, RuntimeFailure, UsageError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

WEIGHTS = {"w": random(4, 3, 3, 3), "v": random(2, 4, 3, 3, seed=1), "b": random(4, seed=2)}
FREE = ["N", 3, "H", "W"]
SHORT = {"size": 24, "steps": 12, "provider": "cpu"}

Add = Callable[..., filterkit.Workbench]


@pytest.fixture
def add(bench: filterkit.Workbench, tmp_path: Path) -> Add:
    """Add a network, ``net``, of two convolutions with an activation between them."""

    def add_network(
        shape: Any = FREE,
        activation: str = "Relu",
        nodes: Any = None,
        preprocessing: str = "",
        **weights: Any,
    ) -> filterkit.Workbench:
        nodes = nodes or [
            node("Conv", "x w b", "a", name="conv", pads=[1] * 4),
            node(activation, "a", "r"),
            node("Conv", "r v", "y", name="last", pads=[1] * 4),
        ]
        onnx.save(build(nodes, {"x": shape}, WEIGHTS | weights, opset=17), tmp_path / "net.onnx")
        bench.add(tmp_path / "net.onnx", **({"preprocessing": preprocessing} if preprocessing else {}))
        return bench

    return add_network


def test_filters_respond_more_to_their_pictures(add: Add) -> None:
    found = add().visualize("net/conv", **SHORT)
    assert found.array.shape == (4, 3, 24, 24)
    assert 0 <= found.array.min() < found.array.max() <= 1
    for row, picture in zip(found.to_rows(), found.array, strict=True):
        assert row["best"] > 1.05 * row["start"]
        assert response(int(row["address"][-1]), picture) == pytest.approx(row["best"], rel=1e-4)


def response(number: int, picture: np.ndarray) -> float:
    """The mean response of a filter of the first layer, by scipy."""
    planes = zip(picture.astype(float), WEIGHTS["w"][number], strict=True)
    total = sum(correlate(np.pad(plane, 1), kernel, mode="valid") for plane, kernel in planes)
    return float(np.maximum(total + WEIGHTS["b"][number], 0).mean())


def test_the_response_in_the_middle(add: Add) -> None:
    """Only the receptive field matters, so the rest of the picture may be left out of the computation."""
    found = add().visualize("net/last/0", objective="unit", at="pre", **{**SHORT, "size": 64})
    assert found.best[0] > found.start[0]
    maps = add().feature_maps(
        "net/last/0", np.ascontiguousarray(found.array[0].transpose(1, 2, 0)), size="original"
    )
    assert maps.maps["last"][0, 32, 32] == pytest.approx(found.best[0], rel=1e-3)


def test_the_same_request_gives_the_same_pictures(add: Add) -> None:
    bench = add()
    first = bench.visualize("net/conv/1", **SHORT)
    other = bench.visualize("net/conv/1", seed=1, **SHORT)
    assert np.abs(first.array - other.array).max() > 0.05
    for path in kept(bench):
        path.unlink()
    np.testing.assert_array_equal(bench.visualize("net/conv/1", **SHORT).array, first.array)


def test_a_picture_does_not_depend_on_those_computed_together(add: Add) -> None:
    bench = add()
    alone = bench.visualize("net/conv/2", **SHORT)
    for path in kept(bench):
        path.unlink()
    together = bench.visualize("net/conv", **SHORT)
    np.testing.assert_allclose(together.array[2], alone.array[0], atol=1e-3)


def kept(bench: filterkit.Workbench) -> list[Path]:
    return sorted(bench.path.with_suffix(".store").glob("visualizations/*/*.bin"))


def test_numbers_of_numpy(add: Add) -> None:
    bench = add()
    numbers = {"seed": np.int64(2), "steps": np.int32(3), "diversity": np.int8(1), "size": np.int64(24)}
    found = bench.visualize("net/conv/0", **numbers)
    assert type(found.seed) is int
    assert bench.visualize("net/conv/0", seed=2, steps=3, size=24).seconds == found.seconds


def test_results_are_kept(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = add()
    first = bench.visualize("net/conv/0:2", **SHORT)
    assert len(kept(bench)) == 2
    monkeypatch.setattr("filterkit.visualization.ascent.ascend", None)  # nothing may be computed
    again = bench.visualize("net/conv/0:2", **SHORT)
    np.testing.assert_array_equal(again.array, first.array)
    assert [*again.to_rows()] == [*first.to_rows()]
    for other in ({"seed": 1}, {"steps": 13}, {"size": 25}, {"objective": "unit"}, {"at": "pre"}):
        with pytest.raises(TypeError):
            bench.visualize("net/conv/0", **{**SHORT, **other})


@pytest.mark.parametrize("is_fixed", [False, True])
def test_the_default_size_is_the_same_request_as_its_number(add: Add, is_fixed: bool) -> None:
    nodes = [node("Reshape", "x same", "s"), node("Conv", "s w", "y", name="conv")]
    bench = add([1, 3, 24, 24], nodes=nodes, same=np.array([1, 3, 24, 24])) if is_fixed else add()
    options, size = {"steps": 2, "provider": "cpu"}, 24 if is_fixed else 128
    named = bench.visualize("net/conv/0", size=size, **options)
    assert bench.visualize("net/conv/0", **options).seconds == named.seconds
    assert len(kept(bench)) == 1
    kept(bench)[0].unlink()
    omitted = bench.visualize("net/conv/0", **options)
    np.testing.assert_array_equal(omitted.array, named.array)
    assert bench.visualize("net/conv/0", size=f"{size}x{size}", **options).seconds == omitted.seconds
    assert len(kept(bench)) == 1
    if not is_fixed:
        assert bench.visualize("net/conv/0", size=127, **options).size == (127, 127)
        assert len(kept(bench)) == 2


class Rules:
    """A plugin with a rule for an operator of its own."""

    operators = (("mine", "Swirl"),)

    @filterkit.hookimpl
    def filterkit_gradient_rules(self) -> Any:
        return [filterkit.Contribution("swirl", "Under test", lambda: self)]

    def backward(self, step: Any) -> Any:
        return [step.gradient]


def test_another_version_of_a_rule_is_another_request(add: Add) -> None:
    bench = add()
    for version in ("1", "2", "2"):
        host = load_plugins(discover=False)
        host.add(Rules(), name="mine", version=version)
        with filterkit.Workbench(bench.path, registry=Registry(host)) as other:
            other.visualize("net/conv/0", **SHORT)
        assert len(kept(bench)) == int(version)
    bench.visualize("net/conv/0", **SHORT)
    assert len(kept(bench)) == 3


def test_corrupted_results_are_made_again(add: Add) -> None:
    bench = add()
    first = bench.visualize("net/conv/0", **SHORT)
    [path] = kept(bench)
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole[:64], whole[:100] + b"\1" + whole[101:], b"x" * 500):
        path.write_bytes(content)
        [fault] = bench.examine()["faults"]
        assert str(path) in fault["what"] and fault["do"] == f"rm {path}"
        np.testing.assert_array_equal(bench.visualize("net/conv/0", **SHORT).array, first.array)
    assert bench.examine()["faults"] == []


def test_a_kept_picture_of_another_size(add: Add) -> None:
    bench = add()
    bench.visualize("net/conv/0", **SHORT)
    [path] = kept(bench)
    bench.visualize("net/conv/0", **{**SHORT, "size": 30})
    [other] = {*kept(bench)} - {path}
    content = other.read_bytes()
    path.write_bytes(content)
    assert bench.visualize("net/conv/0", **SHORT).size == (24, 24)
    bench.remove("net")

    add(shape=[1, 3, 24, 24])
    of_the_graph = {**SHORT, "size": None}
    bench.visualize("net/conv/0", **of_the_graph)
    [path] = kept(bench)
    path.write_bytes(content)
    with pytest.raises(CatalogError, match="have other sizes"):
        bench.visualize("net/conv/0:2", **of_the_graph)


def test_a_store_that_cannot_be_written_keeps_nothing(add: Add) -> None:
    bench = add()
    (bench.path.with_suffix(".store") / "visualizations").write_text("in the way")
    assert len(bench.visualize("net/conv/0", **SHORT)) == 1


def test_removing_a_model_removes_its_pictures(add: Add) -> None:
    bench = add()
    bench.visualize("net/conv/0", **SHORT)
    [path] = kept(bench)
    left = path.with_name(f".{'0' * 32}.part")
    left.write_bytes(b"half")
    bench.add("classic")
    assert path.exists() and not left.exists()
    bench.remove("net")
    assert not path.parent.exists()


def test_a_filter_without_a_response_is_optimized_before_its_activation(add: Add) -> None:
    bench = add(b=np.array([-1.5, 0, -1e6, 0], np.float32))
    found = bench.visualize("net/conv/0,2", **{**SHORT, "steps": 100})
    assert found.start == (0, 0)
    assert found.best[0] > 0
    assert found.best[1] == 0
    [note] = found.notes
    assert note.startswith("net/conv/2 did not respond") and "--at pre" in note


def test_a_filter_of_zeros(add: Add) -> None:
    found = add(w=np.zeros((4, 3, 3, 3), np.float32), b=np.zeros(4, np.float32)).visualize(
        "net/conv/0", **SHORT
    )
    assert np.isfinite(found.array).all()
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("shape", "channels", "options"),
    [
        (["N", 1, "H", "W"], 1, {}),
        (["N", 4, "H", "W"], 4, {}),
        (["N", 2, "H", "W"], 2, {}),
        (["N", 4, "H", "W"], 4, {"preprocessing": "unit:channels=RGBA"}),
        ([1, 3, 24, 24], 3, {}),
        ([2, 3, 24, 24], 3, {}),
        (FREE, 3, {"preprocessing": "unit:channels=BGR"}),
    ],
)
def test_inputs(add: Add, shape: Any, channels: int, options: Any) -> None:
    found = add(shape, w=random(4, channels, 3, 3), **options).visualize("net/conv/0:3", **SHORT)
    assert found.array.shape == (3, channels, 24, 24)
    assert all(best > start for best, start in zip(found.best, found.start, strict=True) if start)
    assert found.to_sheet().tiles.shape[-1] == 3


def test_channels_are_red_green_and_blue(add: Add) -> None:
    """A filter that reads the last channel of a BGR network wants red."""
    weights = np.zeros((4, 3, 3, 3), np.float32)
    weights[:, 2] = 1
    bench = add(preprocessing="unit:channels=BGR", w=weights, b=np.zeros(4, np.float32))
    red, *others = bench.visualize("net/conv/0", **{**SHORT, "steps": 150}).array[0].mean(axis=(1, 2))
    assert red > max(others) + 0.05


@pytest.mark.parametrize("layout", ["NCL", "NLC", "NL"])
def test_signals(add: Add, layout: str) -> None:
    nodes = [node("Conv", "s w", "a", name="conv", pads=[4, 4]), node("Relu", "a", "y")]
    before = {
        "NCL": node("Identity", "x", "s"),
        "NLC": node("Transpose", "x", "s", perm=[0, 2, 1]),
        "NL": node("Unsqueeze", "x one", "s"),
    }
    shape = {"NCL": ["N", 1, "T"], "NLC": ["N", "T", 1], "NL": ["N", "T"]}[layout]
    bench = add(shape, nodes=[before[layout], *nodes], w=random(3, 1, 9), one=np.array([1]))
    found = bench.visualize("net/conv", **{**SHORT, "size": 200})
    assert found.array.shape == (3, 1, 200)
    assert -1 <= found.array.min() < -0.1 < 0.1 < found.array.max() <= 1
    assert all(best > start for best, start in zip(found.best, found.start, strict=True))
    assert found.size == (200,)
    assert bench.visualize("net/conv/0", steps=1, provider="cpu").size == (1024,)


def test_a_signal_that_is_too_short(add: Add) -> None:
    bench = add(["N", 1, "T"], nodes=[node("Conv", "x w", "a", name="conv")], w=random(3, 1, 9))
    assert bench.visualize("net/conv/0", size=9, steps=1).size == (9,)
    with pytest.raises(UsageError, match=r"8 samples is too short.*window of 9 over 8") as caught:
        bench.visualize("net/conv/0", size=8, steps=1)
    assert "--size" in str(caught.value.hint)


def test_diversity(add: Add) -> None:
    bench = add()
    found = bench.visualize("net/last/0", diversity=3, at="pre", **{**SHORT, "steps": 40})
    assert found.addresses == ("net/last/0",) * 3
    assert len(set(found.names)) == 3
    kept(bench)[1].unlink()
    again = bench.visualize("net/last/0", diversity=3, at="pre", **{**SHORT, "steps": 40})
    np.testing.assert_array_equal(again.array, found.array)
    assert all(best > start for best, start in zip(found.best, found.start, strict=True))
    with pytest.raises(RuntimeFailure, match="fixes their number to 1"):
        bench.add(filterkit_fixed(bench), name="fixed")
        bench.visualize("fixed/conv/0", diversity=3, **SHORT)


def filterkit_fixed(bench: filterkit.Workbench) -> Path:
    path = bench.path.with_name("fixed.onnx")
    nodes = [node("Reshape", "x shape", "s"), node("Conv", "s w", "y", name="conv")]
    onnx.save(build(nodes, {"x": [1, 3, 24, 24]}, {**WEIGHTS, "shape": np.array([1, 3, 24, 24])}), path)
    return path


REFUSED: list[tuple[dict[str, Any], type[FilterkitError], str]] = [
    ({"steps": 0}, UsageError, "steps must be between 1"),
    ({"steps": 1.5}, UsageError, "steps must be a whole number"),
    ({"seed": -1}, UsageError, "seed must be between 0"),
    ({"diversity": 65}, UsageError, "diversity must be between 1 and 64"),
    ({"objective": "unti"}, UsageError, "objective cannot be 'unti'"),
    ({"size": "original"}, UsageError, "no original size"),
    ({"size": "big"}, UsageError, "'big' is not a size"),
    ({"at": "between"}, UsageError, "at cannot be 'between'"),
    ({"provider": "gpu"}, UsageError, "unknown provider 'gpu'"),
]


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED)
def test_what_is_refused(add: Add, options: Any, kind: type[FilterkitError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        add().visualize("net/conv/0", **{**SHORT, **options})
    assert "original" not in str(caught.value.hint)


def test_a_size_that_the_graph_does_not_allow(add: Add) -> None:
    nodes = [node("Reshape", "x same", "s"), node("Conv", "s w", "y", name="conv")]
    bench = add([1, 3, 24, 24], nodes=nodes, same=np.array([1, 3, 24, 24]))
    with pytest.raises(ImageError, match="only takes pictures of 24 × 24"):
        bench.visualize("net/conv/0", **{**SHORT, "size": 32})
    assert bench.visualize("net/conv/0", steps=1, provider="cpu").size == (24, 24)


def test_networks_without_pictures(add: Add) -> None:
    bench = add(["N", 3, 5, "H", "W"], nodes=[node("Conv", "x w", "y", name="conv")], w=random(4, 3, 1, 3, 3))
    with pytest.raises(ImageError, match="takes no pictures") as caught:
        bench.visualize("net/conv/0", **SHORT)
    assert "--input" not in str(caught.value.hint)


def test_an_operator_without_a_rule(add: Add) -> None:
    nodes = [
        node("Conv", "x w", "a", name="conv"),
        node("Det", "a", "d"),
        node("Unsqueeze", "d axes", "e"),
        node("Conv", "e u", "y", name="last"),
    ]
    bench = add([1, 3, 10, 10], nodes=nodes, axes=np.array([2, 3]), u=random(2, 4, 1, 1))
    with pytest.raises(ModelError, match=r"no gradient rule for .*Det"):
        bench.visualize("net/last/0", steps=2, provider="cpu")


def test_values_that_are_not_finite(add: Add) -> None:
    bench = add(b=np.array([np.nan, 0, 0, 0], np.float32))
    with pytest.raises(RuntimeFailure, match="net/conv/0 is NaN or infinite"):
        bench.visualize("net/conv/0", **SHORT)


def test_kernels_are_no_filters(add: Add) -> None:
    with pytest.raises(UsageError, match="not for single kernels"):
        add().visualize("net/conv/0/1", **SHORT)


def test_an_interruption_of_the_last_step(add: Add, tmp_path: Path) -> None:
    def progress(what: str, done: int, total: int | None) -> None:
        if done == SHORT["steps"]:
            raise KeyboardInterrupt

    add()
    catalog = tmp_path / "catalog.db"
    with filterkit.open(catalog, progress=progress) as bench, pytest.raises(KeyboardInterrupt):
        bench.visualize("net/conv/1", **SHORT)


def test_an_interruption_delivers_what_there_is(add: Add, tmp_path: Path) -> None:
    steps = []

    def progress(what: str, done: int, total: int | None) -> None:
        steps.append(done)
        if done == 5:
            raise KeyboardInterrupt

    add()
    seen: list[Any] = []
    with filterkit.open(tmp_path / "catalog.db", progress=progress) as bench:
        with pytest.raises(KeyboardInterrupt):
            bench.visualize("net/conv/1", interrupted=seen.append, **SHORT)
        assert kept(bench) == []
    [result] = seen
    assert result.steps == (5,)
    assert result.best[0] > result.start[0]
    assert steps[-1] == 5
