"""Attribution: positions, parts of pictures, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random
from picture_networks import PIXELS
from PIL import Image

import filterkit
from filterkit.errors import (
    FilterkitError,
    ImageError,
    ModelError,
    PluginContractError,
    PluginError,
    RuntimeFailure,
    UsageError,
)
from filterkit.operations.attribute import parse_position
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.testing import tiny_model

WEIGHTS = {"w": random(4, 3, 3, 3), "v": random(2, 4, 3, 3, seed=1)}
CONV, LAST = node("Conv", "x w", "a", name="conv", pads=[1] * 4), node("Conv", "b v", "y", name="last")
FREE = ["N", 3, "H", "W"]

Add = Callable[..., filterkit.Workbench]


@pytest.fixture
def add(bench: filterkit.Workbench, tmp_path: Path) -> Add:
    """Add a network, ``net``, of some nodes between two convolutions."""

    def add_network(*between: onnx.NodeProto, shape: Any = FREE, **constants: Any) -> filterkit.Workbench:
        nodes = [CONV, *between, LAST]
        onnx.save(build(nodes, {"x": shape}, WEIGHTS | constants, opset=17), tmp_path / "net.onnx")
        bench.add(tmp_path / "net.onnx")
        return bench

    return add_network


RELU = node("Relu", "a", "b")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("max", "max"),
        ("mean", "mean"),
        ("3,4", (3, 4)),
        (" 3, 4", (3, 4)),
        ((3, 4), (3, 4)),
        ("7", (7,)),
        (np.array([3, 4]), (3, 4)),
    ],
)
def test_positions(text: Any, position: Any) -> None:
    assert parse_position(text) == position


@pytest.mark.parametrize("text", ["", "min", "3,", "3,x", "-1,2", (1, -2), 5, None, "1.5,2", (1.5, 2)])
def test_positions_that_are_none(text: Any) -> None:
    with pytest.raises(UsageError, match="is not a position") as caught:
        parse_position(text)
    assert caught.value.hint == "use max, mean or Y,X, e.g. 12,30"


def test_max_is_where_the_total_is_largest(add: Add) -> None:
    bench = add(RELU)
    total = np.asarray(bench.feature_maps("net/conv", PIXELS)).sum(axis=0)
    found = bench.attribute("net/conv", PIXELS)
    assert found.position == np.unravel_index(total.argmax(), total.shape)
    assert found.value == pytest.approx(total.max(), rel=1e-5)


@pytest.mark.parametrize("place", [(0, 0), (37, 57), (0, 57), (18, 30)])
def test_only_the_receptive_field_is_attributed(
    add: Add, place: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = add(RELU)
    part = bench.attribute("net/last/1", PIXELS, position=place)
    monkeypatch.setattr("filterkit.operations.attribute.WORTHWHILE", 0)
    whole = bench.attribute("net/last/1", PIXELS, position=place)
    assert np.abs(part.array - whole.array).max() <= 1e-6 * np.abs(whole.array).max()
    assert part.box == whole.box is not None
    assert part.value == pytest.approx(whole.value, rel=1e-6)


def test_the_size_is_the_one_at_which_the_network_sees_the_picture(add: Add) -> None:
    bench = add(RELU)
    found = bench.attribute("net/last/1", PIXELS, size="20x24")
    resized = np.asarray(Image.fromarray(PIXELS).resize((24, 20), Image.Resampling.BILINEAR)) / 255
    assert found.shape == (3, 20, 24)
    np.testing.assert_allclose(found.picture, resized, atol=1e-6)


@pytest.mark.parametrize("place", ["40,0", "0,60", "3", "1,2,3"])
def test_a_position_outside_the_map(add: Add, place: str) -> None:
    with pytest.raises(UsageError, match=r"position [\d,]+ is outside the map of net/last/1") as caught:
        add(RELU).attribute("net/last/1", PIXELS, position=place)
    assert caught.value.hint == "its size is 38 × 58, and positions are numbered from 0"


def test_operators_without_a_rule_are_all_named(add: Add) -> None:
    bench = add(node("Shrink", "a", "s", name="first"), node("LpNormalization", "s", "b", name="second"))
    with pytest.raises(ModelError) as caught:
        bench.attribute("net/last/1", PIXELS)
    assert "no gradient rule for 'first' (Shrink), 'second' (LpNormalization)" in caught.value.message
    assert "filterkit_gradient_rules" in str(caught.value.hint)
    assert bench.attribute("net/last/1", PIXELS, method="occlusion").array.any()


def test_integers_on_the_way(add: Add) -> None:
    bench = add(node("Cast", "a", "i", to=7), node("Cast", "i", "b", to=1))
    with pytest.raises(ModelError, match="no gradient flows from the target") as caught:
        bench.attribute("net/last/1", PIXELS)
    assert caught.value.hint == "--method occlusion needs no gradients"


def test_an_output_that_does_not_depend_on_the_picture(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [CONV, node("Shape", "a", "s"), node("Cast", "s", "y", to=1)]
    onnx.save(build(nodes, {"x": FREE}, WEIGHTS, ["a", "y"], opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    with pytest.raises(FilterkitError, match="no gradient flows from the target to the tensor 'x'"):
        bench.attribute("net@y", PIXELS)


def test_nan_in_the_network(add: Add) -> None:
    bench = add(node("Log", "a", "b"))
    with pytest.raises(RuntimeFailure, match="the response of net/last/1 is NaN or infinite") as caught:
        bench.attribute("net/last/1", PIXELS, position="mean")
    assert caught.value.hint == "filterkit maps net IMAGE shows the range of every layer"


def test_a_size_that_the_graph_does_not_allow(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [CONV, node("Flatten", "a", "f"), node("MatMul", "f d", "y")]
    model = build(nodes, {"x": [1, 3, 8, 8]}, WEIGHTS | {"d": random(256, 3)}, opset=17)
    onnx.save(model, tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    with pytest.raises(ImageError, match="this network only takes pictures of 8 × 8 pixels") as caught:
        bench.attribute("net@0:1", PIXELS, size="16")
    assert caught.value.hint == "omit the size to have the picture resized"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"method": "gradeint"}, UsageError, "unknown attribution 'gradeint'"),
        ({"method": "gradient:steps=3"}, UsageError, "attribution 'gradient' has no option 'steps'"),
        ({"rules": ["nothing"]}, UsageError, "unknown gradient-rule 'nothing'"),
        ({"at": "mid"}, UsageError, "at cannot be 'mid'"),
        ({"size": "0"}, UsageError, "'0' is not a size"),
        ({"provider": "tpu"}, UsageError, "unknown provider 'tpu'"),
    ],
)
def test_options_are_checked(
    add: Add, options: dict[str, Any], kind: type[FilterkitError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        add(RELU).attribute("net/last/1", PIXELS, **options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": None}, "method must be text, not None"),
        ({"randomize": 3}, "randomize must be text, not 3"),
        ({"randomize": "conv", "seed": -1}, "seed must not be negative, not -1"),
        ({"randomize": "conv", "seed": 0.5}, "seed must be a whole number, not 0.5"),
    ],
)
def test_options_of_a_wrong_type(add: Add, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        add(RELU).attribute("net/last/1", PIXELS, **options)
    with pytest.raises(UsageError, match="target must be text, not 3"):
        list(add(RELU).iter_attributions(3, PIXELS))  # type: ignore[arg-type]


def test_a_single_rule_needs_no_list(add: Add) -> None:
    bench = add(RELU)
    one, other = (
        bench.attribute("net/last/1", PIXELS, rules=rules)
        for rules in ("filterkit.gradients/activation", ["filterkit.gradients/activation"])
    )
    assert np.array_equal(one.array, other.array)


def test_pictures_that_are_none(add: Add, tmp_path: Path) -> None:
    bench = add(RELU)
    with pytest.raises(ImageError, match=r"nothing\.png does not exist"):
        bench.attribute("net/last/1", tmp_path / "nothing.png")
    with pytest.raises(UsageError, match="give a picture or more"):
        list(bench.iter_attributions("net/last/1", []))


def test_weights_without_a_network(bench: filterkit.Workbench, tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", **{"conv.weight": WEIGHTS["w"]})
    bench.add(f"weights:{tmp_path / 'weights.npz'}")
    with pytest.raises(RuntimeFailure, match="cannot be run: it consists of weights") as caught:
        bench.attribute("weights/conv/0", PIXELS)
    assert caught.value.hint


class Rule:
    operators = (("", "Relu"),)

    def __init__(self, backward: Callable[[Any], Any]) -> None:
        self.backward = backward


def with_rule(add: Add, folder: Path, backward: Callable[[Any], Any]) -> filterkit.Workbench:
    """The network with a Relu, and a plugin with a rule for it."""

    class Plugin:
        @filterkit.hookimpl
        def filterkit_gradient_rules(self) -> Any:
            return [filterkit.Contribution("relu", "Under test", lambda: Rule(backward))]

    add(RELU).close()
    host = load_plugins(discover=False)
    host.add(Plugin(), name="mine", version="1")
    return filterkit.Workbench(folder / "catalog.db", registry=Registry(host))


NONSENSE: dict[str, tuple[Callable[[Any], Any], type[FilterkitError], str]] = {
    "a name": (lambda step: ["nothing"], PluginContractError, "mine.*returned 'nothing', which is not"),
    "too many": (lambda step: [step.gradient] * 2, PluginContractError, "mine.*2 gradients for 1 inputs"),
    "a string": (lambda step: "abc", PluginContractError, "mine.*returned a str, not a sequence"),
    "an error": (lambda step: [1 / 0], PluginError, "mine.*ZeroDivisionError"),
    "a shape": (
        lambda step: [step.op("ReduceSum", step.gradient)],
        ModelError,
        "the rule mine/relu returned a gradient of shape 1 × 1 × 1 × 1 for an input of shape",
    ),
    "a type": (
        lambda step: [step.op("Greater", step.gradient, step.const(0.0))],
        RuntimeFailure,
        r"the graph of the gradient cannot run: .*tensor\(bool\)",
    ),
    "an input": (
        lambda step: [step.op("Neg", "nothing")],
        RuntimeFailure,
        "gradient cannot run: .*'nothing'",
    ),
    "an operator": (lambda step: [step.op("Foo", step.gradient)], RuntimeFailure, "no operator Foo"),
    "NaN": (
        lambda step: [step.op("Div", step.gradient, step.const(0.0))],
        RuntimeFailure,
        "the attribution of net/last/1 is NaN or infinite",
    ),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_a_rule_of_a_plugin_that_returns_nonsense(add: Add, tmp_path: Path, what: str) -> None:
    backward, kind, message = NONSENSE[what]
    with with_rule(add, tmp_path, backward) as bench, pytest.raises(kind, match=message) as caught:
        bench.attribute("net/last/1", PIXELS, rules=["mine/relu"])
    assert caught.value.hint
    if caught.value.message.startswith("the graph"):
        assert "mine/relu" in caught.value.hint


def test_two_rules_for_an_operator_are_an_error_unless_one_is_named(add: Add, tmp_path: Path) -> None:
    plain = add(RELU).attribute("net/last/1", PIXELS)
    with with_rule(add, tmp_path, lambda step: [step.gradient]) as bench:
        with pytest.raises(UsageError, match="rules for the same operator, Relu"):
            bench.attribute("net/last/1", PIXELS)
        mine, own = (
            bench.attribute("net/last/1", PIXELS, rules=[name])
            for name in ("mine/relu", "filterkit.gradients/activation")
        )
    assert np.array_equal(own.array, plain.array)
    assert not np.array_equal(mine.array, plain.array)


def test_a_rule_may_use_operators_of_onnx_runtime(add: Add, tmp_path: Path) -> None:
    """Also where the network has none."""

    def backward(step: Any) -> Any:
        return [step.op("Gelu", step.gradient, domain="com.microsoft")]

    with with_rule(add, tmp_path, backward) as bench:
        assert bench.attribute("net/last/1", PIXELS, rules=["mine/relu"]).array.any()


def test_several_pictures_are_written(add: Add, tmp_path: Path) -> None:
    bench = add(RELU)
    for name in ("a", "b"):
        Image.fromarray(PIXELS).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]

    def write(output: str) -> list[Path]:
        results = bench.iter_attributions("net/last/1", paths)
        return [path for _, path in bench.write_attributions(results, tmp_path / output)]

    assert write("maps") == [tmp_path / "maps" / "a.png", tmp_path / "maps" / "b.png"]
    write("maps.npz")
    with np.load(tmp_path / "maps.npz") as arrays:
        assert {name: array.shape for name, array in arrays.items()} == dict.fromkeys("ab", (3, 40, 60))
    for output in ("maps.npy", "maps.png"):
        with pytest.raises(UsageError, match="cannot write the attributions of several pictures") as caught:
            write(output)
        assert caught.value.hint == "-o maps writes them to a folder of that name, -o maps.npz as arrays"
    assert not (tmp_path / "maps.npy").exists()


def test_what_was_computed_before_an_error_is_written(add: Add, tmp_path: Path) -> None:
    bench = add(node("Reciprocal", "a", "b"))
    results = bench.iter_attributions("net/last/1", [PIXELS, PIXELS // 2, 0 * PIXELS, PIXELS])
    written = bench.write_attributions(results, tmp_path / "maps.npz")
    assert [each.image for each, _ in (next(written), next(written))] == ["picture 0", "picture 1"]
    with pytest.raises(RuntimeFailure, match="is NaN or infinite for this picture"):
        next(written)
    with np.load(tmp_path / "maps.npz") as arrays:
        assert set(arrays) == {"picture_0", "picture_1"}


@pytest.mark.parametrize(
    ("shape", "message"), [(["N", 3, 40], "takes no pictures"), (FREE, "more than a picture")]
)
def test_networks_of_other_inputs(
    bench: filterkit.Workbench, tmp_path: Path, shape: Any, message: str
) -> None:
    """Attributions are of pictures; the hint names the command that takes arrays."""
    weights = {"w": random(4, 3, 5)} if len(shape) == 3 else {"w": WEIGHTS["w"]}
    nodes = [node("Conv", "x w", "a", name="conv")]
    inputs: dict[str, Any] = {"x": shape}
    if message != "takes no pictures":
        nodes.append(node("Mul", "a other", "y"))
        inputs["other"] = [1, 4, 1, 1]
    onnx.save(build(nodes, inputs, weights, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    with pytest.raises(FilterkitError, match=message) as caught:
        bench.attribute("net@0:0", PIXELS)
    assert "filterkit maps --input FILE.npz" in str(caught.value.hint)


def test_a_quantized_network(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """Of products of integers there is no gradient, but what covers the picture works."""
    bench.add(tiny_model("quantized", tmp_path).path)
    with pytest.raises(ModelError, match=r"no gradient rule for 'conv' \(QLinearConv\)") as caught:
        bench.attribute("quantized/conv/0", PIXELS)
    assert str(caught.value.hint).endswith(", and --method occlusion needs no gradients")
    assert bench.attribute("quantized/conv/0", PIXELS, method="occlusion:window=8,stride=8").array.any()


def test_half_precision(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """As in single precision, also where pooling adds up gradients."""
    arrays = []
    for dtype, kind in ((np.float16, onnx.TensorProto.FLOAT16), (np.float32, onnx.TensorProto.FLOAT)):
        pool = node("MaxPool", "a", "b", kernel_shape=[3, 3], strides=[2, 2])
        weights = {name: array.astype(dtype) for name, array in WEIGHTS.items()}
        model = build([CONV, pool, LAST], {"x": FREE}, weights, opset=17, dtype=kind)
        onnx.save(model, tmp_path / f"{dtype.__name__}.onnx")
        bench.add(tmp_path / f"{dtype.__name__}.onnx")
        arrays.append(bench.attribute(f"{dtype.__name__}/last/1", PIXELS, position=(3, 4)).array)
    np.testing.assert_allclose(arrays[0], arrays[1], atol=1e-2 * np.abs(arrays[1]).max())
