"""Responses computed inside a session equal those of its feature maps, positions included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx_graphs import FLOAT, build, node, random

import filterkit
from filterkit.errors import RuntimeFailure
from filterkit.graph.excerpt.excerpt import excerpt
from filterkit.records import Preprocessing, RunOptions
from filterkit.responses.graph import reduce_maps
from filterkit.responses.response_network import LayerResponses, ResponseNetwork
from filterkit.runtime.network import Network, Target

CPU = RunOptions(provider="cpu", threads=1)


def both(
    model: onnx.ModelProto, targets: list[Target], folder: Path | None = None, **options: Any
) -> tuple[Network, ResponseNetwork]:
    wanted = [target.wanted for target in targets]
    return tuple(  # type: ignore[return-value]
        kind(
            excerpt(model, wanted, picture_input=options.get("picture_input"), layout=options.get("layout")),
            targets,
            picture_input=options.get("picture_input"),
            options=CPU,
            folder=folder,
        )
        for kind in (Network, ResponseNetwork)
    )


def assert_equal(found: LayerResponses, maps: np.ndarray) -> None:
    """`maps` has shape (N, C, *spatial)."""
    flat = maps.reshape(*maps.shape[:2], -1)
    wide = flat.astype(np.float64)
    assert found.sizes == maps.shape[2:]
    assert np.array_equal(found.max, flat.max(axis=2))
    assert np.array_equal(found.max_place, flat.argmax(axis=2))
    assert np.array_equal(found.min, flat.min(axis=2))
    assert np.array_equal(found.min_place, flat.argmin(axis=2))
    scale = np.sqrt((wide**2).mean(axis=2)) + 1e-9
    assert np.abs((found.mean - wide.mean(axis=2)) / scale).max() < 1e-6
    assert np.abs((found.mean_square - (wide**2).mean(axis=2)) / scale**2).max() < 1e-6
    assert np.abs(found.active - (wide > 0).mean(axis=2)).max() < 1e-6


SPACES: dict[str, tuple[list[Any], tuple[int, ...], str]] = {
    "1-D": (["N", 3, "W"], (2, 3, 50), "NCW"),
    "2-D": (["N", 3, "H", "W"], (2, 3, 20, 31), "NCHW"),
    "2-D of one row": (["N", 3, "H", "W"], (2, 3, 1, 31), "NCHW"),
    "3-D": (["N", 3, "D", "H", "W"], (2, 3, 5, 7, 9), "NCDHW"),
}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("opset", [11, 13, 18])
def test_equals_numpy_over_the_maps(space: str, opset: int) -> None:
    shape, size, layout = SPACES[space]
    kernel = (1,) * (len(size) - 2)
    nodes = [node("Conv", "x w", "c"), node("Relu", "c", "r")]
    model = build(nodes, {"x": shape}, {"w": random(8, 3, *kernel)}, opset=opset)
    targets = [Target("post", "r", layout), Target("pre", "c", layout)]
    network, responses = both(model, targets)
    array = random(*size, seed=4)
    found = responses.input_responses({"x": array})
    maps = network.maps({"x": array})
    for layer in ("post", "pre"):
        assert_equal(found[layer], maps[layer].reshape(*maps[layer].shape[:2], *size[2:]))


def test_of_several_equal_extremes_the_first_counts() -> None:
    model = build([node("Conv", "x w", "y")], {"x": ["N", 1, "H", "W"]}, {"w": np.ones((1, 1, 1, 1), "f4")})
    _, responses = both(model, [Target("y", "y", "NCHW")])
    array = np.zeros((1, 1, 4, 5), np.float32)
    array[0, 0, [1, 1, 3], [3, 4, 0]] = 2
    found = responses.input_responses({"x": array})["y"]
    assert (found.max_place.item(), found.min_place.item()) == (8, 0)


@pytest.mark.parametrize("layout", ["NHWC", "NWHC", "NWC", "NC"])
def test_channels_last_and_no_positions(layout: str) -> None:
    shape = {"NHWC": (2, 6, 7, 5), "NWHC": (2, 7, 6, 5), "NWC": (2, 9, 5), "NC": (2, 5)}[layout]
    model = build([node("Neg", "x", "y")], {"x": ["N", *shape[1:]]}, {}, opset=17)
    _, responses = both(model, [Target("y", "y", layout)])
    array = random(*shape, seed=2)
    order = sorted(range(len(shape)), key=lambda axis: "NCHW".index(layout[axis]))
    assert_equal(responses.input_responses({"x": array})["y"], -array.transpose(order))


def test_half_precision_is_summed_in_single() -> None:
    nodes = [node("Cast", "x", "h", to=onnx.TensorProto.FLOAT16), node("Cast", "h", "y", to=FLOAT)]
    model = build(nodes, {"x": ["N", 2, "H", "W"]}, {}, opset=17)
    _, responses = both(model, [Target("h", "h", "NCHW")])
    array = np.abs(random(1, 2, 200, 200, seed=3)).astype(np.float16).astype(np.float32) * 4
    assert_equal(responses.input_responses({"x": array})["h"], array)


@pytest.mark.parametrize("batch", [1, 3, "N"])
def test_batches_of_pictures(batch: int | str) -> None:
    """A Reshape to a constant size keeps the batch size fixed."""
    nodes = [node("Conv", "x w", "c", pads=[1] * 4), node("Relu", "c", "r")]
    constants = {"w": random(4, 3, 3, 3)}
    if batch == 3:
        nodes[0].input[0] = "z"
        nodes.insert(0, node("Reshape", "x s", "z"))
        constants["s"] = np.array([3, 3, 8, 8])
    model = build(nodes, {"x": [batch, 3, 8, 8]}, constants, opset=17)
    network, responses = both(model, [Target("r", "r", "NCHW")], picture_input="x", layout="NCHW")
    preprocessing = Preprocessing()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    maps = [one["r"] for one in network.picture_maps(pixels, preprocessing)]
    prepared = [responses.prepared(each, preprocessing, None, (8, 8))[1] for each in pixels]
    found = list(responses.responses(prepared, preprocessing, batch=2))
    assert [count for count, _ in found] == ([3, 2] if batch == 3 else [2, 2, 1])
    assert np.array_equal(
        np.concatenate([each["r"].max for _, each in found]), np.concatenate(maps).max(axis=(2, 3))
    )


@pytest.mark.parametrize("values", [1, 3 * 8 * 8, 10**6])
def test_how_many_pictures_run_together_does_not_matter(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node("Conv", "x w", "c", pads=[1] * 4), node("Relu", "c", "r")]
    model = build(nodes, {"x": ["N", 3, 8, 8]}, {"w": random(4, 3, 3, 3)}, opset=17)
    network, responses = both(model, [Target("r", "r", "NCHW")], picture_input="x", layout="NCHW")
    monkeypatch.setattr("filterkit.responses.response_network.VALUES_PER_PROCESSOR", values)
    prepared = list(random(5, 1, 3, 8, 8, seed=6))
    [(count, found)] = responses.responses(prepared, Preprocessing(layout="NCHW"), batch=8)
    assert count == 5
    assert_equal(found["r"], network.maps({"x": np.concatenate(prepared)})["r"])


def test_a_map_is_reduced_before_the_next_one_is_computed(tmp_path: Path) -> None:
    """Otherwise all maps of a network would be in memory at the same time."""
    count = 12
    nodes = [node("Exp" if each % 2 else "Log", f"t{each}", f"t{each + 1}") for each in range(count)]
    model = build(nodes, {"t0": ["N", 1, "H", "W"]}, {}, opset=17)
    targets = [Target(f"t{each}", f"t{each}", "NCHW") for each in range(1, count + 1)]
    part = excerpt(model, [each.wanted for each in targets], picture_input=None, layout=None)
    reduced = reduce_maps(part.model, dict.fromkeys(part.tensors.values(), "NCHW"))
    options = ort.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
    session = ort.InferenceSession(part.model.SerializeToString(), options, ["CPUExecutionProvider"])
    session.run(None, {"t0": np.ones((1, 1, 4, 4), np.float32)})
    events = json.loads(Path(session.end_profiling()).read_text())
    order = [each["args"]["op_name"] for each in events if each["name"].endswith("_kernel_time")]
    own = [each for each in order if each in ("Exp", "Log", "HardSigmoid")]
    assert own == [each for number in range(count) for each in (nodes[number].op_type, "HardSigmoid")]
    assert len(reduced) == count


def test_layers_in_a_branch_cannot_be_observed() -> None:
    branch = onnx.helper.make_graph(
        [node("Neg", "x", "n")], "branch", [], [onnx.helper.make_tensor_value_info("n", FLOAT, None)]
    )
    choice = onnx.helper.make_node("If", ["go"], ["y"], name="choice", then_branch=branch, else_branch=branch)
    model = build([choice], {"x": ["N", 2, 4, 4]}, {"go": np.array(True)}, opset=17)
    with pytest.raises(RuntimeFailure, match="cannot be observed: it is in the branch of an If"):
        both(model, [Target("y", "n", "NCHW", "choice/then_branch")])


@pytest.mark.parametrize("at", ["post", "pre"])
def test_vgg16(vgg16_catalog: Path, at: str) -> None:
    from filterkit.catalog.weights import model_file
    from filterkit.runtime.feature_maps import excerpt_of

    with filterkit.open(vgg16_catalog) as bench:
        matches = bench._session.matches("vgg16")
        path = model_file(bench.catalog(), matches[0].model)
    targets = [
        Target(each.layer["name"], each.layer[f"{at}_tensor"], each.layer[f"{at}_layout"]) for each in matches
    ]
    entry = matches[0].model["input_name"]

    def opened(kind: type[Network]) -> Any:
        part = excerpt_of(
            path,
            [target.wanted for target in targets],
            picture_input=entry,
            layout=matches[0].model["input_layout"],
            cache_dir=None,
        )
        return kind(part, targets, picture_input=entry, options=CPU, folder=path.parent)

    array = random(1, 96, 80, 3, seed=1) * 60
    maps = opened(Network).maps({entry: array})
    found = opened(ResponseNetwork).input_responses({entry: array})
    assert len(found) == 13
    for layer, values in maps.items():
        assert_equal(found[layer], values)
