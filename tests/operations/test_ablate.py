"""Ablation: equal to zeroing weights and bias by hand, in all kinds of graphs; targets, means, estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ablated_networks import CONV, END, FREE, NETWORKS, B, W, example, model_of, outputs, without
from onnx_graphs import build, node, random
from picture_networks import PIXELS

import filterkit
from filterkit.errors import ImageError, ModelError, NotFoundError, UsageError
from filterkit.operations.ablate import rank_correlation
from filterkit.runtime import differentiable

LAST = 3
"""The entry of the output that is measured."""


def add(bench: filterkit.Workbench, folder: Path, name: str, **options: Any) -> onnx.ModelProto:
    model = model_of(name)
    onnx.save(model, folder / "net.onnx")
    bench.add(folder / "net.onnx", preprocessing="raw", **options)
    return model


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "scores of all pixels"])
def test_exact_ablation_is_zeroing_weights_and_bias(
    name: str, bench: filterkit.Workbench, tmp_path: Path
) -> None:
    model = add(bench, tmp_path, name)
    x = example(name)
    conv = next(row["address"] for row in bench.layers("net") if row["address"].endswith("conv"))
    found = bench.ablate(conv, inputs={"x": x}, target=f"net@0:{LAST}", top=None)
    before = outputs(model, x)[:, LAST]
    assert found["before"] == pytest.approx([before.mean(dtype=np.float64)] * 4, rel=1e-5)
    after = {row["address"]: row["after"] for row in found}
    for number in range(4):
        expected = outputs(without(model, number, transposed=name == "transposed"), x)[:, LAST]
        assert after[f"{conv}/{number}"] == pytest.approx(expected.mean(dtype=np.float64), rel=1e-5, abs=1e-5)
    changes = [abs(row["change"]) for row in found]
    assert changes == sorted(changes, reverse=True)
    assert found["rank"] == [1, 2, 3, 4]
    assert set(found["images"]) == {len(x)}
    assert set(found["target"]) == {f"net@0:{LAST}"}


def test_a_folded_batch_norm_is_removed_with_its_filter(bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = add(bench, tmp_path, "batch norm", fold_batchnorm=True)
    x = example("batch norm")
    found = {row["address"]: row for row in bench.ablate("net", inputs={"x": x}, target=f"net@0:{LAST}")}
    for number in range(4):
        by_hand = without(model, number)
        for tensor in by_hand.graph.initializer:
            if tensor.name in ("beta", "mean"):
                values = onnx.numpy_helper.to_array(tensor).copy()
                values[number] = 0
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        expected = outputs(by_hand, x)[:, LAST].mean(dtype=np.float64)
        assert found[f"net/conv/{number}"]["after"] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_after_the_activation_a_filter_is_removed_from_what_reads_it(
    bench: filterkit.Workbench, tmp_path: Path
) -> None:
    """Batch norm and activation do not give a map that is zeroed a value of their own."""
    model = add(bench, tmp_path, "batch norm")
    x = example("batch norm")
    found = bench.ablate("net/conv", inputs={"x": x}, target=f"net@0:{LAST}", at="post")
    for row in found:
        number = int(row["address"].rpartition("/")[2])
        by_hand = onnx.ModelProto.FromString(model.SerializeToString())
        (next_layer,) = [tensor for tensor in by_hand.graph.initializer if tensor.name == "v"]
        values = onnx.numpy_helper.to_array(next_layer).copy()
        values[:, number] = 0
        next_layer.CopyFrom(onnx.numpy_helper.from_array(values, "v"))
        expected = outputs(by_hand, x)[:, LAST].mean(dtype=np.float64)
        assert row["after"] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_after_crelu_a_filter_has_two_maps(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [
        *[CONV, node("Neg", "a", "n"), node("Concat", "a n", "m", axis=1), node("Relu", "m", "r")],
        *[node("Conv", "r v", "l", name="last"), *END],
    ]
    v = random(6, 8, 3, 3, seed=1)
    model = build(nodes, {"x": FREE}, {"w": W, "b": B, "v": v}, opset=17)
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="raw")
    x = example("plain")[:1]
    found = bench.ablate("net/conv", inputs={"x": x}, target=f"net@0:{LAST}", at="post", top=None)
    for row in found:
        number = int(row["address"].rpartition("/")[2])
        changed = v.copy()
        changed[:, [number, number + 4]] = 0
        by_hand = build(nodes, {"x": FREE}, {"w": W, "b": B, "v": changed}, opset=17)
        assert row["after"] == pytest.approx(outputs(by_hand, x)[0, LAST], rel=1e-5, abs=1e-5)


@pytest.fixture
def plain(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    add(bench, tmp_path, "plain")
    return bench


def test_each_picture_has_its_own_largest_entry(plain: filterkit.Workbench) -> None:
    pictures = [PIXELS, PIXELS[::-1], np.full_like(PIXELS, 255), np.zeros_like(PIXELS)]
    each = [plain.ablate("net/conv/0:2", picture) for picture in pictures]
    together = plain.ablate("net/conv/0:2", pictures)
    names = {found[0]["target"] for found in each}
    assert all(name.startswith("net@0:") for name in names) and len(names) > 1
    assert together[0]["target"] == "net@0"
    by_address = {row["address"]: row for row in together}
    for address in ("net/conv/0", "net/conv/1"):
        rows = [row for found in each for row in found if row["address"] == address]
        for column in ("before", "after", "change"):
            assert by_address[address][column] == pytest.approx(
                np.mean([row[column] for row in rows]), rel=1e-6, abs=1e-6
            )
    assert together["images"] == [4, 4]


def test_filters_as_targets(plain: filterkit.Workbench) -> None:
    maps = np.asarray(plain.feature_maps("net/last", PIXELS))
    for position, value in (("max", maps[2].max()), ("mean", maps[2].mean()), ((3, 4), maps[2, 3, 4])):
        found = plain.ablate("net/conv", PIXELS, target="net/last/2", position=position)
        assert found["before"] == pytest.approx([value] * 4, rel=1e-5, abs=1e-5)
    total = plain.ablate("net/conv", PIXELS, target="net/last/1:3", position="mean")
    assert total[0]["before"] == pytest.approx(maps[1:3].mean(axis=(1, 2)).sum(), rel=1e-5, abs=1e-4)


def test_a_filter_without_its_own_map_is_zero(plain: filterkit.Workbench) -> None:
    found = plain.ablate("net/conv", PIXELS, target="net/conv/1", at="post")
    rows = {row["address"]: row for row in found}
    assert rows["net/conv/1"]["after"] == 0 != rows["net/conv/1"]["before"]
    assert all(rows[f"net/conv/{number}"]["change"] == 0 for number in (0, 2, 3))


def test_outputs_with_positions(bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = add(bench, tmp_path, "scores of all pixels")
    x = example("scores of all pixels")[:1]
    whole = outputs(model, x)[0]
    channel, *place = np.unravel_index(whole.argmax(), whole.shape)
    found = bench.ablate("net/conv", inputs={"x": x})
    assert found[0]["target"] == f"net@0:{channel}"
    assert found[0]["before"] == pytest.approx(whole.max(), rel=1e-5)
    number = int(found[0]["address"].rpartition("/")[2])
    assert found[0]["after"] == pytest.approx(
        outputs(without(model, number), x)[0][(channel, *place)], rel=1e-5, abs=1e-5
    )


def test_several_layers_and_addresses(plain: filterkit.Workbench) -> None:
    found = plain.ablate("net", PIXELS, target="net@0:1", top=None)
    assert len(found) == found.filters == 10
    assert found["rank"] == [*range(1, 11)]
    some = plain.ablate(["net/last/1", "net/conv/2", "net/conv/2:4"], PIXELS, target="net@0:1")
    assert sorted(some["address"]) == ["net/conv/2", "net/conv/3", "net/last/1"]
    rows = {row["address"]: row["change"] for row in found}
    assert all(row["change"] == pytest.approx(rows[row["address"]], rel=1e-5) for row in some)
    assert len(plain.ablate("net", PIXELS, top=3)) == 3
    part = plain.ablate("net", PIXELS, target="net/conv/1")
    assert part.filters == 4
    assert part.notes == ("left out, as the target does not depend on them: net/last",)


def test_a_filter_that_never_responds_changes_nothing(bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = model_of("plain")
    (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "b"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([-1e6, 1, 2, 3], np.float32), "b"))
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="raw")
    for estimate in (False, True):
        found = bench.ablate("net/conv", PIXELS, estimate=estimate)
        assert found[-1]["address"] == "net/conv/0"
        assert found[-1]["change"] == 0


@pytest.mark.parametrize("name", ["plain", "batch norm", "skip", "grouped", "several readers"])
def test_estimates_are_gradient_times_activation(
    name: str, bench: filterkit.Workbench, tmp_path: Path
) -> None:
    """For a step so small that the network is linear, they are the exact change."""
    add(bench, tmp_path, name)
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    exact = {
        r["address"]: r["change"] for r in bench.ablate("net/conv", picture, target="net@0:2", at="post")
    }
    found = bench.ablate("net/conv", picture, target="net@0:2", estimate=True, at="post")
    assert found.estimated and found.sample == 4
    if name != "skip":  # after the layer's activation all is linear
        assert {row["address"]: row["change"] for row in found} == pytest.approx(exact, rel=1e-4, abs=1e-3)
        assert found.rank_correlation == pytest.approx(1)
    assert found["before"] == pytest.approx(
        bench.ablate("net/conv", picture, target="net@0:2")["before"], rel=1e-5
    )


@pytest.mark.parametrize("name", ["plain", "skip", "several readers"])
def test_estimates_for_all_layers_take_one_run(
    name: str, bench: filterkit.Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(bench, tmp_path, name)
    layers = [row["address"] for row in bench.layers("net")]
    assert len(layers) > 1
    alone = [row for layer in layers for row in bench.ablate(layer, PIXELS, estimate=True, top=None)]
    runs: list[int] = []

    def run(session: Any, outputs: Any, inputs: Any) -> Any:
        runs.append(len(outputs))
        return whole(session, outputs, inputs)

    whole = differentiable.run
    monkeypatch.setattr(differentiable, "run", run)
    found = bench.ablate("net", PIXELS, estimate=True, top=None)
    changes = {row["address"]: row["change"] for row in alone}
    assert {row["address"]: row["change"] for row in found} == pytest.approx(changes, rel=1e-5, abs=1e-6)
    assert found.sample == min(len(alone), 32)
    assert runs == [1, 1 + 2 * len(layers)]  # the value; then it, and the maps and gradients of all layers


def test_rank_correlation_is_spearmans() -> None:
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(0)
    for count in (2, 3, 10, 50):
        one, other = random.integers(0, 6, count).tolist(), random.integers(0, 6, count).tolist()
        if len(set(one)) > 1 < len(set(other)):
            assert rank_correlation(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert rank_correlation([1.0], [2.0]) is None
    assert rank_correlation([1.0, 1.0], [1.0, 2.0]) is None


def test_no_estimates_in_bodies(bench: filterkit.Workbench, tmp_path: Path) -> None:
    add(bench, tmp_path, "in an if")
    (address,) = (row["address"] for row in bench.layers("net") if row["address"].endswith("conv"))
    with pytest.raises(UsageError, match="it is in the body of an If") as caught:
        bench.ablate(address, PIXELS, estimate=True)
    assert caught.value.hint == "leave out --estimate"


def test_an_if_that_takes_the_other_branch_changes_nothing(
    bench: filterkit.Workbench, tmp_path: Path
) -> None:
    add(bench, tmp_path, "in an if")
    found = bench.ablate("net/*conv", inputs={"x": np.full((1, 3, 8, 8), 1e10, np.float32)})
    assert set(found["change"]) == {0}


def test_the_probability_or_the_score_before_it(bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = model_of("plain")
    model.graph.node[-1].output[:] = ["scores"]
    model.graph.node.append(onnx.helper.make_node("Softmax", ["scores"], ["y"], axis=1))
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="raw")
    before, after = (bench.ablate("net/conv", PIXELS, after_softmax=last) for last in (False, True))
    assert before.notes and "before the final Softmax" in before.notes[0]
    assert not after.notes
    assert 0 < after[0]["before"] <= 1 < abs(before[0]["before"])


@pytest.mark.parametrize(
    ("address", "options", "message", "hint"),
    [
        ("net/last", {"target": "net/conv/1"}, "the target net/conv/1 does not depend on net/last", "net@"),
        ("net/conv/0/0", {}, "whole filters are ablated, not single kernels", "net/conv/0"),
        ("net/conv", {"target": "classic/blur_box_3/0"}, "filters are in net, but the target is in", "net@0"),
        ("*", {}, "these filters are in several models", "choose one"),
        ("net/conv", {"target": "net@0:9"}, "entry 9 is outside the output", "numbered 0 to 5"),
        ("net/conv", {"target": "net/last"} | {"position": (99, 0)}, "position 99,0 is outside", "numbered"),
        ("net/conv", {"position": "middle"}, "'middle' is not a position", "max, mean or Y,X"),
        ("net/conv", {"top": 0}, "top must be at least 1", "20"),
        ("net/conv", {"top": 1.5}, "top must be a whole number", None),
        ("net/conv", {"at": "before"}, "at cannot be 'before'", "pre (before the activation)"),
        ("net/conv", {"rules": ["a/b"]}, "gradient rules have no effect without an estimate", "--estimate"),
        ("net/conv", {"size": "big"}, "'big' is not a size", "original"),
        ("net/conv", {"inputs": {"x": np.zeros((1, 3, 8, 8))}}, "either pictures or the inputs", "--input"),
    ],
)
def test_what_is_refused(
    plain: filterkit.Workbench, address: str, options: dict[str, Any], message: str, hint: str | None
) -> None:
    plain.add("classic")
    with pytest.raises(UsageError) as caught:
        plain.ablate(address, PIXELS, **options)
    assert message in str(caught.value)
    assert hint is None or hint in str(caught.value.hint)


def test_other_errors(plain: filterkit.Workbench, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give either pictures or the inputs"):
        plain.ablate("net/conv")
    with pytest.raises(UsageError, match="the inputs are empty"):
        plain.ablate("net/conv", inputs={"x": np.zeros((0, 3, 8, 8), np.float32)})
    with pytest.raises(UsageError, match="estimates take pictures"):
        plain.ablate("net/conv", inputs={"x": np.zeros((1, 3, 8, 8), np.float32)}, estimate=True)
    with pytest.raises(NotFoundError, match="layer"):
        plain.ablate("net/convolution", PIXELS)
    with pytest.raises(ImageError):
        plain.ablate("net/conv", tmp_path / "missing.png")
    with pytest.raises(ImageError, match=r"does not take pictures|takes no pictures|no picture"):
        model = model_of("one dimension")
        onnx.save(model, tmp_path / "sound.onnx")
        plain.add(tmp_path / "sound.onnx")
        plain.ablate("sound/conv", PIXELS)


def test_pictures_that_cannot_be_read_are_left_out(plain: filterkit.Workbench, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    errors: list[ImageError] = []
    found = plain.ablate("net", [PIXELS, tmp_path / "broken.png"], unreadable=errors.append)
    assert found["images"] == [1] * 10
    assert len(errors) == 1
    with pytest.raises(ImageError):
        plain.ablate("net", [PIXELS, tmp_path / "broken.png"])
    (tmp_path / "other.png").write_bytes(b"not a picture either")
    nothing = plain.ablate("net", [tmp_path / "broken.png", tmp_path / "other.png"], unreadable=errors.append)
    assert (len(nothing), nothing.images) == (0, 0)


def test_an_operator_without_gradients_is_named(bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = model_of("plain")
    model.graph.node[-1].output[:] = ["flat"]
    model.graph.node.append(onnx.helper.make_node("Unique", ["flat"], ["u"], axis=1))
    model.graph.node.append(onnx.helper.make_node("Identity", ["u"], ["y"]))
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="raw")
    with pytest.raises(ModelError, match=r"no gradient rule for .*Unique") as caught:
        bench.ablate("net/conv", PIXELS, estimate=True)
    assert caught.value.hint


@pytest.mark.parametrize("transposed", [False, True])
def test_the_channels_of_an_output_in_another_layout_than_the_picture(
    transposed: bool, bench: filterkit.Workbench, tmp_path: Path
) -> None:
    order, back = ([0, 3, 1, 2], [0, 2, 3, 1]) if transposed else ([0, 1, 2, 3], [0, 2, 3, 1])
    nodes = [
        node("Transpose", "x", "t", perm=order),
        node("Conv", "t w", "c", name="conv"),
        node("Relu", "c", "y" if transposed else "r"),
        *([] if transposed else [node("Transpose", "r", "y", perm=back)]),
    ]
    shape = ["N", "H", "W", 3] if transposed else ["N", 3, "H", "W"]
    onnx.save(build(nodes, {"x": shape}, {"w": random(5, 3, 3, 3)}), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="raw")
    for channel in range(5):
        found = bench.ablate("net/conv", PIXELS, target=f"net@0:{channel}", top=None)
        later = bench.ablate("net/conv", PIXELS, target=f"net/conv/{channel}", top=None)
        assert found["address"][0] == f"net/conv/{channel}"
        assert found["change"] == pytest.approx(later["change"])
        assert found["after"][0] == 0
    with pytest.raises(UsageError, match="entry 5 is outside"):
        bench.ablate("net/conv", PIXELS, target="net@0:5")


def test_what_does_not_respond_is_reported(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w low", "a", name="first"),
        node("Relu", "a", "b"),
        node("Conv", "b v high", "c", name="last"),
        node("Relu", "c", "y"),
    ]
    constants = {
        "w": random(2, 3, 3, 3),
        "low": np.array([-1e9, -1e9], np.float32),
        "v": random(2, 2, 1, 1),
        "high": np.array([5, -1e9], np.float32),
    }
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, constants), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="raw")
    found = bench.ablate("net/first", PIXELS, target="net/last/0")
    assert found["change"] == [0, 0]
    assert "these filters do not respond" in found.notes[-1]
    assert "net/last/1 does not respond" in bench.ablate("net/first", PIXELS, target="net/last/1").notes[-1]
    assert not bench.ablate("net/last", PIXELS, target="net/last/0").notes
