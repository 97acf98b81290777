"""Exemplars with an attribution: the same as the attribution of each picture, in the box of the exemplar."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from observed import picture, write_pictures
from onnx import helper
from onnx_graphs import build, node, random
from PIL import Image

import filterkit
from filterkit.errors import ModelError, NotFoundError, UsageError
from filterkit.results.exemplars import Exemplars
from filterkit.runtime import onnx_session
from filterkit.sheets.exemplar_attributions import LONGEST, in_box

PAD = {"pads": [1] * 4}
WEIGHTS = {"w": random(4, 3, 3, 3), "v": random(5, 4, 3, 3, seed=1), "b": random(4, seed=2)}
NODES = [
    node("Conv", "x w b", "a", name="first", **PAD),
    node("Relu", "a", "r"),
    node("MaxPool", "r", "m", kernel_shape=[2, 2], strides=[2, 2]),
    node("Conv", "m v", "y", name="second", **PAD),
]
LAST = [
    node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
    node("Conv", "t w b", "a", name="first", **PAD),
    node("Relu", "a", "r"),
    node("Conv", "r v", "c", name="second", strides=[2, 2]),
    node("Transpose", "c", "y", perm=[0, 2, 3, 1]),
]

LIMIT = 1.352
"""Of the mean response of the first layer, of which some pictures have more, and some less."""

Observe = Callable[..., filterkit.Workbench]


@pytest.fixture
def observe(bench: filterkit.Workbench, tmp_path: Path) -> Observe:
    """Add a network, ``net``, and observe it on some pictures of two sizes."""

    def run(
        shape: Any = ("N", 3, "H", "W"),
        nodes: Any = NODES,
        weights: Any = WEIGHTS,
        preprocessing: str | None = None,
        **options: Any,
    ) -> filterkit.Workbench:
        onnx.save(build(nodes, {"x": list(shape)}, weights, opset=17), tmp_path / "net.onnx")
        bench.add(tmp_path / "net.onnx", **({"preprocessing": preprocessing} if preprocessing else {}))
        bench.observe("net", [write_pictures(tmp_path / "photos", 8)], top=4, **options)
        return bench

    return run


def check(bench: filterkit.Workbench, found: Exemplars, method: str, **options: Any) -> None:
    """Compare with the attribution of each picture at that position."""
    assert set(found.attributions) == {(row["address"], row["rank"]) for row in found}
    for row in found:
        whole = bench.attribute(
            row["address"], row["image"], position=(row["y"], row["x"]), method=method, **options
        )
        own = Image.open(row["image"]).size[::-1]
        expected = whole.total
        for axis, (have, size) in enumerate(zip(whole.total.shape, own, strict=True)):
            if have > size:  # a multiple
                expected = np.stack(np.split(expected, size, axis), axis).mean(axis + 1)
            else:
                expected = np.take(expected, ((np.arange(size) + 0.5) * have / size).astype(int), axis)
        top, left, bottom, right = row["box"]
        expected = expected[top:bottom, left:right]
        shown = found.attributions[row["address"], row["rank"]]
        assert shown.shape == expected.shape
        np.testing.assert_allclose(shown, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-9), rtol=1e-4)


@pytest.mark.parametrize(
    "method",
    ["gradient", "guided-backprop", "gradient-input", "smoothgrad:samples=3", "occlusion:window=3,stride=1"],
)
def test_it_is_the_attribution_in_the_box(observe: Observe, method: str) -> None:
    bench = observe()
    found = bench.exemplars("net", method=method)
    assert len(found) == 9 * 4
    assert found.method == method
    assert any(row["at_border"] for row in found)
    assert not all(row["at_border"] for row in found)
    check(bench, found, method)


@pytest.mark.parametrize("method", ["integrated-gradients:steps=16", "grad-cam:layer=first", "eigen-cam"])
def test_methods_that_see_more_than_one_gradient(observe: Observe, method: str) -> None:
    bench = observe()
    check(bench, bench.exemplars("net/second/1:3", top=3, method=method), method)


def test_an_unknown_method(observe: Observe) -> None:
    with pytest.raises(UsageError, match="unknown attribution 'foo'"):
        observe().exemplars("net", method="foo")


@pytest.mark.parametrize(
    ("options", "nodes", "shape"),
    [
        ({"at": "pre"}, NODES, ("N", 3, "H", "W")),
        ({"size": "48x160"}, NODES, ("N", 3, "H", "W")),
        ({"size": "12x16"}, NODES, ("N", 3, "H", "W")),
        ({"size": "original"}, NODES, ("N", 3, "H", "W")),
        ({}, NODES, (1, 3, 24, 32)),  # all pictures have the size that the graph fixes
        ({}, NODES, (2, 3, "H", "W")),
        ({}, LAST, ("N", "H", "W", 3)),
    ],
)
def test_pictures_are_prepared_as_they_were_observed(
    observe: Observe, options: dict[str, Any], nodes: Any, shape: Any
) -> None:
    bench = observe(shape, nodes, **options)
    for lowest in (False, True):
        found = bench.exemplars("net/second", method="gradient", lowest=lowest)
        check(bench, found, "gradient", **options)


def test_a_network_with_branches(observe: Observe) -> None:
    """Which are taken depends on the picture."""
    branches = {
        name: helper.make_graph([node(kind, "r", "z")], name, [], [helper.make_empty_tensor_value_info("z")])
        for name, kind in (("then_branch", "Identity"), ("else_branch", "Neg"))
    }
    nodes = [
        *NODES[:2],
        node("ReduceMean", "r", "mean", keepdims=0),
        node("Greater", "mean limit", "bright"),
        node("If", "bright", "m", **branches),
        node("Conv", "m v", "y", name="second", **PAD),
    ]
    bench = observe(nodes=nodes, weights=WEIGHTS | {"limit": np.float32(LIMIT)})
    check(bench, bench.exemplars("net/second/1:4", method="gradient"), "gradient")


def test_one_session_serves_all_positions_of_a_layer(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = observe()
    opened: list[Any] = []
    original = onnx_session.open_session

    def count(model: Any, *given: Any, **options: Any) -> Any:
        opened.append(model)
        return original(model, *given, **options)

    monkeypatch.setattr("filterkit.runtime.differentiable.open_session", count)
    bench.exemplars("net/second/0:2", top=2, method="gradient")
    before = len(opened)
    bench.exemplars("net/second/2:5", top=2, method="gradient")
    assert 1 <= before <= 4  # by the size of the parts, and their number
    bench.exemplars("net/second/0:2", top=2, method="gradient")
    bench.exemplars("net/second/0:2", top=2, method="gradient", lowest=True)
    assert len(opened) <= before + 2


def test_the_sheet_has_pairs_with_one_scale_per_filter(observe: Observe) -> None:
    bench = observe()
    found = bench.exemplars("net/second/1,2", method="gradient")
    plain, sheet = bench.sheet(bench.exemplars("net/second/1,2")), bench.sheet(found)
    assert (sheet.rows, sheet.columns, sheet.group, sheet.count) == (2, 8, 2, 16)
    assert np.array_equal(sheet.tiles[:, ::2], plain.tiles)
    assert sheet.tile_labels[::2] == plain.tile_labels
    assert "its attribution (gradient) in one colour scale per filter; red raises" in sheet.note
    assert sheet.provenance["attribution"] == "gradient"
    for row, address in enumerate(("net/second/1", "net/second/2")):
        maps = [found.attributions[address, rank] for rank in range(1, 5)]
        limit = max(np.abs(each).max() for each in maps)
        assert float(sheet.tile_labels[8 * row + 1][1:]) == pytest.approx(limit, rel=0.5)
        assert sheet.tile_labels[8 * row + 1].startswith("±")
        assert sheet.tile_labels[8 * row + 3 : 8 * row + 8 : 2] == ("", "", "")
        for rank, values in enumerate(maps):
            tile = sheet.tiles[row, 2 * rank + 1]
            height, width = values.shape
            if height != width:
                continue
            step = tile.shape[0] / height
            centres = ((np.arange(height) + 0.5) * step).astype(int)
            shown = tile[np.ix_(centres, centres)]
            strong = np.abs(values) > 0.2 * limit
            assert np.array_equal(shown[strong][:, 0] > shown[strong][:, 2], values[strong] > 0)
    assert bench.sheet(found[2:3]).tiles.shape[:2] == (1, 6)  # ranks keep their places


def test_maps_without_negative_values_have_other_colours(observe: Observe) -> None:
    bench = observe()
    sheet = bench.sheet(bench.exemplars("net/second/1", method="grad-cam"))
    assert sheet.tile_labels[1].startswith("0 to ")
    assert "red raises" not in sheet.note


def test_a_missing_picture_is_named(observe: Observe, tmp_path: Path) -> None:
    bench = observe()
    first = Path(bench.exemplars("net/second/1")[0]["image"])
    first.unlink()
    found = bench.exemplars("net/second/1", method="gradient")
    assert set(found.attributions) == {("net/second/1", rank) for rank in (2, 3, 4)}
    sheet = bench.sheet(found)
    assert found.missing == (str(first),)
    assert np.unique(sheet.tiles[0, 1]).size == 1
    for each in tmp_path.glob("photos/*/*.png"):
        each.unlink()
    with pytest.raises(NotFoundError, match="none of the 4 pictures was found"):
        bench.sheet(bench.exemplars("net/second/1", method="gradient"))


def test_a_position_that_does_not_exist(observe: Observe, tmp_path: Path) -> None:
    observe().close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE exemplar SET y = 1 << 40 WHERE rank = 1")
    connection.close()
    with (
        filterkit.open(tmp_path / "catalog.db") as bench,
        pytest.raises(UsageError, match=r"position 1099511627776,\d+ is outside the map of net/second/1"),
    ):
        bench.exemplars("net/second/1", method="gradient")


def test_progress(observe: Observe, tmp_path: Path) -> None:
    observe().close()
    seen: list[tuple[str, int, int | None]] = []
    with filterkit.open(tmp_path / "catalog.db", progress=lambda *each: seen.append(each)) as bench:
        bench.exemplars("net", top=2, method="gradient")
    counts = [done for what, done, _ in seen if what == "attributing exemplars in pictures"]
    assert counts == list(range(1, 19))


def test_a_response_of_zero_is_explained(observe: Observe) -> None:
    bench = observe()
    found = bench.exemplars("net/first", method="gradient", lowest=True)
    silent = [row for row in found if row["value"] == 0]
    first = f"{silent[0]['address']}, rank {silent[0]['rank']} and {len(silent) - 1} more"
    assert found.notes == (
        f"{first}: the response is 0 after the activation, and so is the attribution; observe --at pre",
    )
    assert bench.exemplars("net/second", method="gradient").notes == ()


def test_a_note_names_its_exemplar(observe: Observe) -> None:
    found = observe().exemplars("net/second/1", method="integrated-gradients:steps=4", top=2)
    names = [re.sub(r": the sum .* differs by .*", "", note) for note in found.notes]
    assert names == ["net/second/1, rank 1", "net/second/1, rank 2"]


def test_what_has_no_gradient(observe: Observe) -> None:
    nodes = [node("Shrink", "x", "s"), node("Conv", "s w", "y", name="conv")]
    bench = observe(nodes=nodes, weights={"w": WEIGHTS["w"]}, preprocessing="unit")
    with pytest.raises(ModelError, match=r"no gradient rule for .*Shrink") as caught:
        bench.exemplars("net", method="gradient")
    assert "--method occlusion" in str(caught.value.hint)
    assert bench.exemplars("net", top=1, method="occlusion:window=3,stride=2").attributions


def test_a_network_without_pictures(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "y", name="conv")]
    onnx.save(build(nodes, {"x": ["N", 2, "T"]}, {"w": random(3, 2, 3)}, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    np.savez(tmp_path / "a.npz", x=random(1, 2, 9))
    bench.observe("net", [f"npz:{tmp_path / 'a.npz'}"])
    with pytest.raises(UsageError, match="takes no pictures") as caught:
        bench.exemplars("net", method="gradient")
    assert caught.value.hint == "leave out --method"


@pytest.mark.parametrize("side", [LONGEST, LONGEST + 1, 3 * LONGEST])
def test_large_boxes_are_reduced(side: int) -> None:
    total = np.arange(side * side, dtype=np.float32).reshape(side, side)
    found = in_box(total, (0, 0, side, side), (side, side))
    assert found.shape == (LONGEST, LONGEST)
    assert found.mean() == pytest.approx(total.mean(), rel=1e-3)


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (5, 5, 2, 2), (10**12, 0, 10**13, 3), (0, 0, 10**12, 10**12)])
def test_any_box_is_cut_out(box: tuple[int, int, int, int]) -> None:
    assert min(in_box(random(4, 6), box, (7, 9)).shape) >= 1


def test_on_vgg16(vgg16_catalog: Path, tmp_path: Path) -> None:
    from shutil import copy, copytree

    copy(vgg16_catalog, tmp_path / "catalog.db")
    copytree(vgg16_catalog.with_suffix(".store"), tmp_path / "catalog.store")
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        picture(seed, 224, 224).save(tmp_path / "photos" / f"{seed}.png")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.observe("vgg16/block3_conv1", [tmp_path / "photos"])
        found = bench.exemplars("vgg16/block3_conv1/5,9", method="gradient")
        assert len(found) == 6
        check(bench, found, "gradient")
