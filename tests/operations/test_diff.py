"""Compare two models: scaled, permuted, folded, rounded or fine-tuned filters."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import build, node, random
from PIL import Image

import filterkit
from filterkit.errors import NotFoundError, UsageError
from filterkit.workbench import Workbench

Weights = dict[str, np.ndarray]

VGG = (3, 8, 8, 16, 16, 24, 24, 24, 32, 32, 32, 32, 32, 32)
"""Channels of a small VGG16: thirteen convolutions."""

COSINES = {
    "block1_conv1": 0.9774, "block1_conv2": 0.8961, "block2_conv1": 0.8775, "block2_conv2": 0.8333,
    "block3_conv1": 0.9123, "block3_conv2": 0.9132, "block3_conv3": 0.8914, "block4_conv1": 0.9940,
    "block4_conv2": 0.9950, "block4_conv3": 0.9956, "block5_conv1": 0.6470, "block5_conv2": 0.7425,
    "block5_conv3": 0.8497,
}  # fmt: skip
"""Of vgg16 and vgg16-hed, computed from the files of their packages with NumPy alone."""


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    with filterkit.open(tmp_path / "catalog.db") as opened:
        yield opened


def vgg_weights(widths: Sequence[int] = VGG) -> Weights:
    weights = {}
    for number, (inside, outside) in enumerate(pairwise(widths)):
        weights[f"conv{number}.weight"] = random(outside, inside, 3, 3, seed=number) / inside
        weights[f"conv{number}.bias"] = random(outside, seed=100 + number)
    return weights


def vgg(weights: Weights) -> onnx.ModelProto:
    """The layers in sequence, with ReLUs, and a pooling after the second and fourth."""
    nodes, tensor = [], "picture"
    for number in range(len(weights) // 2):
        name = f"conv{number}"
        inputs = f"{tensor} {name}.weight {name}.bias"
        nodes += [
            node("Conv", inputs, f"{name}_pre", name=name, pads=[1, 1, 1, 1]),
            node("Relu", f"{name}_pre", name),
        ]
        tensor = name
        if number in (1, 3):
            nodes.append(node("MaxPool", name, f"pool{number}", kernel_shape=[2, 2], strides=[2, 2]))
            tensor = f"pool{number}"
    return build(nodes, {"picture": ["N", 3, "H", "W"]}, weights)


def shuffled(weights: Weights) -> tuple[Weights, list[np.ndarray]]:
    """The same network with the filters of every layer in another order, and the orders."""
    generator = np.random.default_rng(5)
    turned, orders = {}, [np.arange(3)]
    for number in range(len(weights) // 2):
        bank = weights[f"conv{number}.weight"][:, orders[-1]]
        orders.append(generator.permutation(len(bank)))
        turned[f"conv{number}.weight"] = bank[orders[-1]]
        turned[f"conv{number}.bias"] = weights[f"conv{number}.bias"][orders[-1]]
    return turned, orders[1:]


def add(bench: Workbench, model: onnx.ModelProto, name: str, **options: Any) -> None:
    path = Path(bench.location).parent / f"{name}.onnx"
    onnx.save(model, path)
    bench.add(path, name=name, preprocessing="unit", replace="fold_batchnorm" in options, **options)


def layers(bench: Workbench, name: str, banks: Mapping[str, np.ndarray]) -> None:
    """A model of unconnected convolutions."""
    path = Path(bench.location).parent / f"{name}.npz"
    np.savez(path, **banks)
    bench.add(f"weights:{path}", name=name)


def answer(model: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [maps] = session.run(None, {"picture": picture})
    return np.asarray(maps)


def test_a_network_whose_filters_were_shuffled_is_the_same(bench: Workbench) -> None:
    weights = vgg_weights()
    turned, orders = shuffled(weights)
    picture = random(1, 3, 32, 32)
    maps, maps_turned = answer(vgg(weights), picture), answer(vgg(turned), picture)
    np.testing.assert_allclose(maps_turned, maps[:, orders[-1]], rtol=1e-3, atol=1e-5)
    add(bench, vgg(weights), "one")
    add(bench, vgg(turned), "other")

    by_name = bench.diff("one", "other")
    assert all(row["cosine"] < 0.9 for row in by_name)
    rows = bench.diff("one", "other", match="assignment")
    assert [row["cosine"] for row in rows] == pytest.approx([1.0] * 13, abs=1e-12)
    assert [row["changed"] for row in rows] == [0] * 13
    assert [row["bias_max_abs"] for row in rows] == [0] * 13
    assert [row["moved"] for row in rows] == [int((order != np.arange(len(order))).sum()) for order in orders]
    filters = bench.diff("one", "other", match="assignment", level="filter")
    partners = [int(row["address_b"].rpartition("/")[2]) for row in filters]
    assert partners == [int(number) for order in orders for number in np.argsort(order)]
    assert sum(row["moved"] for row in filters) == sum(row["moved"] for row in rows)


def test_shuffled_residual_streams_and_depthwise_layers(bench: Workbench) -> None:
    def model(weights: Weights) -> onnx.ModelProto:
        nodes = [
            node("Conv", "picture stem", "stem_out", name="stem"),
            node("Conv", "stem_out narrow", "narrow_out", name="narrow"),
            node("Conv", "narrow_out deep", "deep_out", name="deep", group=6, pads=[1, 1, 1, 1]),
            node("Conv", "deep_out wide", "wide_out", name="wide"),
            node("Add", "stem_out wide_out", "sum"),
            node("Conv", "sum head", "head_out", name="head"),
        ]
        return build(nodes, {"picture": ["N", 3, "H", "W"]}, weights)

    shapes = {"stem": (8, 3, 1, 1), "narrow": (6, 8, 1, 1), "deep": (6, 1, 3, 3), "wide": (8, 6, 1, 1)}
    shapes["head"] = (4, 8, 1, 1)
    weights = {name: random(*shape, seed=n) for n, (name, shape) in enumerate(shapes.items())}
    p, q = np.random.default_rng(0).permutation(8), np.random.default_rng(1).permutation(6)
    turned = {
        "stem": weights["stem"][p],
        "narrow": weights["narrow"][q][:, p],
        "deep": weights["deep"][q],
        "wide": weights["wide"][p][:, q],
        "head": weights["head"][:, p],
    }
    picture = random(1, 3, 8, 8)
    np.testing.assert_allclose(answer(model(weights), picture), answer(model(turned), picture), atol=1e-4)
    add(bench, model(weights), "one")
    add(bench, model(turned), "other")
    rows = {row["address_a"]: row for row in bench.diff("one", "other", match="assignment")}
    for name in shapes:
        assert rows[f"one/{name}"]["cosine"] == pytest.approx(1, abs=1e-12), name


def test_a_batch_norm_that_was_folded_is_a_scale_per_filter(bench: Workbench) -> None:
    generator = np.random.default_rng(0)
    gamma = np.array([0.5, 2.0, -1.0, 1.5], np.float32)
    variance = generator.uniform(0.5, 2, 4).astype(np.float32)
    model = build(
        [
            node("Conv", "x w", "pre", name="conv", pads=[1, 1, 1, 1]),
            node("BatchNormalization", "pre gamma beta mean variance", "post", epsilon=1e-3),
        ],
        {"x": ["N", 3, "H", "W"]},
        {
            "w": random(4, 3, 3, 3),
            "gamma": gamma,
            "beta": random(4, seed=1),
            "mean": random(4, seed=2),
            "variance": variance,
        },
    )
    add(bench, model, "apart")
    add(bench, model, "folded", fold_batchnorm=True)
    [row] = bench.diff("apart", "folded")
    assert row["cosine"] < 0.9
    assert (row["changed"], row["cosine_scaled"]) == (4, pytest.approx(1, abs=1e-12))
    scales = gamma / np.sqrt(variance + 1e-3)
    filters = bench.diff("apart", "folded", level="filter")
    assert [each["scale"] for each in filters] == pytest.approx(scales.tolist(), rel=1e-6)
    assert [each["cosine"] for each in filters] == pytest.approx(np.sign(gamma).tolist())
    assert (row["scale_min"], row["scale_max"]) == pytest.approx((scales.min(), scales.max()), rel=1e-6)
    assert row["scale"] == pytest.approx(float(np.median(scales)), rel=1e-6)
    assert filters[2]["sign_flips"] == 27


def test_ranks_groups_types_and_numbers_that_are_none(bench: Workbench) -> None:
    banks = {
        "line": random(4, 3, 5),
        "volume": random(4, 2, 3, 3, 3),
        "grouped": random(4, 1, 3, 3),
        "half": random(4, 2, 3, 3, dtype=np.float16),
        "broken": random(4, 2, 3, 3),
        "zero": np.zeros((4, 2, 3, 3), np.float32),
    }
    others = {name: bank.astype(np.float32) for name, bank in banks.items()}
    others["line"][0] *= -1
    others["broken"][1, 0, 0, 0] = np.nan
    layers(bench, "one", banks)
    layers(bench, "other", others)
    rows = {row["address_a"].removeprefix("one/"): row for row in bench.diff("one", "other")}
    assert [rows[name]["changed"] for name in banks] == [1, 0, 0, 0, 1, 0]
    assert [rows[name]["not_finite"] for name in banks] == [0, 0, 0, 0, 1, 0]
    assert [rows[name]["cosine"] for name in ("volume", "grouped", "half", "broken", "zero")] == [1] * 5
    assert (rows["line"]["scale_min"], rows["line"]["sign_flips"]) == (-1, 15)
    undefined = bench.diff("one/broken", "other/broken", level="filter")[1]
    assert (undefined["cosine"], undefined["scale"], undefined["changed"]) == (None, None, True)
    for match in ("name", "position", "assignment"):
        same = bench.diff("other", "other", match=match)  # type: ignore[arg-type]
        assert [row["changed"] for row in same] == [0] * 6
        assert {row["cosine"] for row in same} == {1.0}
    assert {row["moved"] for row in same} == {0}


def test_what_has_no_partner_stands_there_with_the_reason(bench: Workbench) -> None:
    layers(bench, "one", {"a": random(4, 3, 3, 3), "b": random(4, 4, 3, 3), "c": random(2, 4, 3, 3)})
    layers(bench, "other", {"a": random(4, 3, 3, 3), "b": random(5, 4, 3, 3), "d": random(2, 4, 3, 3)})
    rows = bench.diff("one", "other")
    assert [(row["address_a"], row["address_b"], row["reason"]) for row in rows] == [
        ("one/a", "other/a", None),
        ("one/b", "other/b", "filters of shape 4×4×3×3 and 5×4×3×3 cannot be compared"),
        ("one/c", None, "the other model has no layer of this name"),
        (None, "other/d", "the other model has no layer of this name"),
    ]
    assert all(rows[n][column] is None for n in (1, 2, 3) for column in rows.columns[2:-2])
    by_filter = bench.diff("one", "other", level="filter")
    assert [row["address_a"] for row in by_filter] == [
        *(f"one/a/{n}" for n in range(4)),
        "one/b",
        "one/c",
        None,
    ]
    assert set(by_filter.columns) >= {"address_a", "address_b", "cosine", "relative_l2", "max_abs", "scale"}


def test_two_layers_are_compared_whatever_they_are_called(bench: Workbench) -> None:
    bench.add("classic")
    [row] = bench.diff("classic/edge_sobel_x", "classic/edge_prewitt_x")
    assert row["cosine"] == pytest.approx(8 / np.sqrt(72))
    [row] = bench.diff("classic/edge_sobel_x", "classic/edge_sobel_y", match="assignment")
    assert row["cosine"] == 0


def test_biases_are_compared_too(bench: Workbench) -> None:
    weights = vgg_weights(VGG[:3])
    add(bench, vgg(weights), "one")
    weights["conv1.bias"] = weights["conv1.bias"] + np.float32(0.5)
    add(bench, vgg(weights), "other")
    assert [row["bias_max_abs"] for row in bench.diff("one", "other")] == pytest.approx([0, 0.5])
    assert [row["changed"] for row in bench.diff("one", "other")] == [0, 0]


def test_progress_counts_the_bytes_that_are_compared(tmp_path: Path) -> None:
    banks = [random(4, 3, 3, 3), random(2, 4, 1, 1), random(5, 2, 3, 3)]
    for name, count in (("one", 3), ("other", 2)):
        np.savez(tmp_path / f"{name}.npz", **{f"layer{n}": bank for n, bank in enumerate(banks[:count])})
    said = []
    with filterkit.open(tmp_path / "catalog.db", progress=lambda *words: said.append(words)) as bench:
        for name in ("one", "other"):
            bench.add(f"weights:{tmp_path / name}.npz")
        said.clear()
        bench.diff("one", "other")
    first, both = banks[0].nbytes, banks[0].nbytes + banks[1].nbytes
    assert said == [("comparing layers", done, both) for done in (0, first, both)]


def test_the_picture_shows_the_worst_pairs_first(bench: Workbench) -> None:
    bank = random(30, 2, 3, 3)
    other = bank.copy()
    other[7], other[4, 1] = -other[7], 0
    layers(bench, "one", {"a": bank, "b": random(3, 1, 5, 5)})
    layers(bench, "other", {"a": other, "b": random(3, 1, 5, 5)})
    by_filter = bench.diff("one", "other", level="filter")
    sheet = bench.sheet(by_filter)
    assert (sheet.count, sheet.tile_shape, sheet.columns) == (48, (3, 3), 6)
    assert sheet.tile_labels[0] in ("a/7/0", "a/7/1")
    assert sheet.title == "one (left) and other (right), least similar first"
    assert sheet.tile_labels[1] == "other  -1.0000"
    assert sheet.tile_labels[2] == "a/4/1"
    assert sheet.note.startswith("24 of 33 pairs")
    np.testing.assert_allclose(sheet.tiles[0, 0] + sheet.tiles[0, 1], 1, atol=1e-6)
    np.testing.assert_array_equal(sheet.tiles[0, 3], 0.5)
    by_layer = bench.sheet(bench.diff("one", "other"))
    assert by_layer.note.endswith("; symmetric about zero per pair")
    assert (by_layer.count, by_layer.tile_shape) == (4, (5, 5))
    assert by_layer.note.startswith("2 of 2 layers")
    path = Path(bench.location).with_name("pairs.png")
    path.write_bytes(bench.render(sheet))
    with Image.open(path) as picture:
        picture.verify()


def test_the_picture_names_the_channels_of_a_picture(bench: Workbench) -> None:
    for name in ("one", "other"):
        layers(bench, name, {"a": random(4, 3, 3, 3)})
    sheet = bench.sheet(bench.diff("one", "other", level="filter"))
    for label in sheet.tile_labels[::2]:
        kernel, channel = label.rpartition("/")[2].split(" ")
        assert channel == "RGB"[int(kernel)]


def test_nothing_to_draw(bench: Workbench) -> None:
    layers(bench, "one", {"a": np.full((2, 2, 3, 3), np.nan, np.float32)})
    rows = bench.diff("one", "one")
    assert (rows[0]["cosine"], rows[0]["changed"]) == (None, 0)
    with pytest.raises(UsageError, match="nothing to draw"):
        bench.sheet(rows)


def test_what_cannot_be_compared(bench: Workbench) -> None:
    bench.add("classic")
    layers(bench, "one", {"a": random(4, 3, 3, 3), "b": random(4, 3, 3, 3)})
    with pytest.raises(NotFoundError, match="one and classic have no layer in common by name") as caught:
        bench.diff("one", "classic")
    assert "--match position" in (caught.value.hint or "")
    with pytest.raises(NotFoundError, match="by position") as caught:
        bench.diff("one", "classic", match="position")
    assert caught.value.hint == "their first layers: filters of shape 4×3×3×3 and 1×1×3×3 cannot be compared"
    with pytest.raises(NotFoundError, match="one/a and classic/emboss: filters of"):
        bench.diff("one/a", "classic/emboss")
    with pytest.raises(NotFoundError, match="no model 'two'"):
        bench.diff("one", "two")
    wrong: list[tuple[str, str, dict[str, Any]]] = [
        ("*", "one", {}),
        ("one/a/0:2", "one/a", {}),
        ("one", "one", {"match": "nam"}),
        ("one", "one", {"level": "kernel"}),
        ("one", "one", {"tolerance": -1.0}),
        ("one", "one", {"tolerance": float("nan")}),
    ]
    for a, b, options in wrong:
        with pytest.raises(UsageError):
            bench.diff(a, b, **options)


@pytest.mark.parametrize("where", ["cosine <", "cosine < 1 & changed > 0", "changed > 5%"])
def test_hints_about_conditions_have_columns_of_these_rows(bench: Workbench, where: str) -> None:
    layers(bench, "one", {"a": random(4, 3, 3, 3)})
    with pytest.raises(UsageError) as caught:
        bench.diff("one", "one", where=where)
    hint = caught.value.hint or ""
    assert "cosine" in hint and "l1_norm" not in hint and "sparsity" not in hint
    example = hint[hint.index('"') + 1 : hint.rindex('"')]
    bench.diff("one", "one", where=example)


@pytest.mark.zoo
@pytest.mark.parametrize("match", ["name", "position"])
def test_what_fine_tuning_changed_in_vgg16(vgg16_pair: Path, match: Any) -> None:
    with filterkit.open(vgg16_pair) as bench:
        rows = bench.diff("vgg16", "vgg16-hed", match=match)
    assert {row["address_a"].removeprefix("vgg16/"): round(row["cosine"], 4) for row in rows} == COSINES
    assert {row["address_b"].removeprefix("vgg16-hed/") for row in rows} == set(COSINES)


@pytest.fixture(scope="module")
def vgg16_pair(
    zoo_model: Callable[[str], Path], vgg16_catalog: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A catalog of VGG16 and its fine-tuned variant."""
    zoo_model("vgg16-hed")
    catalog = tmp_path_factory.mktemp("pair") / "catalog.db"
    shutil.copyfile(vgg16_catalog, catalog)
    shutil.copytree(vgg16_catalog.with_suffix(".store"), catalog.with_suffix(".store"))
    with filterkit.open(catalog) as bench:
        bench.add("vgg16-hed")
    return catalog
