"""Parameters of a model: every number that its convolutions hold, once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import build, node, random
from tiny_models import put

import filterkit
from filterkit.address import parse_address
from filterkit.catalog import Catalog, filters, listings
from filterkit.catalog.addresses import resolve
from filterkit.errors import PluginContractError
from filterkit.records import FetchedModel

WEIGHT, BIAS = random(4, 3, 3, 3), random(4)

KERNEL = WEIGHT.size


def counted(model: onnx.ModelProto, tmp_path: Path) -> tuple[int, list[int]]:
    """Of the model, and of its layers."""
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with filterkit.open(tmp_path / "catalog.db") as bench:
        result = bench.add(str(path), name="model")
        [row] = bench.models()
        assert row["parameters"] == result.parameters
        return result.parameters, [layer["parameters"] for layer in bench.layers("model")]


def siamese(
    left: str = "w b", right: str = "w b", *before: onnx.NodeProto, **constants: np.ndarray
) -> onnx.ModelProto:
    nodes = [
        *before,
        node("Conv", f"l {left}", "u"),
        node("Conv", f"r {right}", "v"),
        node("Sub", "u v", "y"),
    ]
    inputs = {"l": [1, 3, 8, 8], "r": [1, 3, 8, 8]}
    return build(nodes, inputs, {"w": WEIGHT, "b": BIAS, **constants})


@pytest.mark.parametrize(
    ("model", "expected", "layers"),
    [
        (siamese(), KERNEL + 4, [KERNEL + 4] * 2),
        (siamese("w", "w"), KERNEL, [KERNEL] * 2),
        (siamese("w b", "w c", c=random(4, seed=1)), KERNEL + 8, [KERNEL + 4] * 2),
        (siamese("w b", "w2 b", w2=random(4, 3, 3, 3, seed=1)), 2 * KERNEL + 4, [KERNEL + 4] * 2),
        (siamese("w b", "w2 b2", w2=WEIGHT, b2=BIAS), 2 * KERNEL + 8, [KERNEL + 4] * 2),
        (
            siamese("w m", "w2 n", node("Split", "bs", "m n"), w2=WEIGHT, bs=random(8)),
            2 * KERNEL + 8,
            [KERNEL + 4] * 2,
        ),
        (
            siamese("w m", "w2 n", node("Identity", "b", "m"), node("Mul", "b b", "n"), w2=WEIGHT),
            2 * KERNEL + 8,
            [KERNEL + 4] * 2,
        ),
        (siamese("w", "w2", w2=WEIGHT), 2 * KERNEL, [KERNEL] * 2),
        (siamese("w b", "w c", b=np.zeros(4, "f"), c=np.zeros(4, "f")), KERNEL + 8, [KERNEL + 4] * 2),
        (
            siamese("w m", "w n", node("Identity", "b", "m"), node("Identity", "b", "n")),
            KERNEL + 4,
            [KERNEL + 4] * 2,
        ),
        (
            siamese("k", "t", node("Transpose", "k", "t", perm=[0, 1, 3, 2]), k=WEIGHT),
            KERNEL,
            [KERNEL] * 2,
        ),
        (siamese("m", "n", node("Identity", "w", "m"), node("Identity", "w", "n")), KERNEL, [KERNEL] * 2),
        (
            siamese(
                "m", "n", node("Split", "k", "m n"), k=np.concatenate([WEIGHT, random(4, 3, 3, 3, seed=2)])
            ),
            2 * KERNEL,
            [KERNEL] * 2,
        ),
    ],
    ids=[
        "shared",
        "no-bias",
        "other-bias",
        "one-bias-of-two",
        "two",
        "parts-of-one-bias",
        "computed-of-one-bias",
        "copies",
        "zero-biases",
        "one-bias",
        "transposed",
        "through-nodes",
        "parts-of-one",
    ],
)
def test_shared_weights_count_once(
    model: onnx.ModelProto, expected: int, layers: list[int], tmp_path: Path
) -> None:
    assert counted(model, tmp_path) == (expected, layers)


def test_bodies_share_what_stands_around_them_and_not_what_is_their_own(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    own = onnx.numpy_helper.from_array(random(2, 4, 1, 1), "own")
    nodes = [node("Conv", "x w", "t"), node("Conv", "t own", "y")]
    body = helper.make_graph(nodes, "body", [], [output], [own])
    condition = helper.make_node("If", ["c"], ["y"], name="if", then_branch=body, else_branch=body)
    model = build([condition], {"x": [1, 3, 8, 8], "c": []}, {"w": WEIGHT})
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.BOOL
    assert counted(model, tmp_path) == (KERNEL + 16, [KERNEL, 8, KERNEL, 8])


def test_a_bias_behind_layers_that_is_shared_counts_once(tmp_path: Path) -> None:
    nodes = [
        *(node("Conv", "x w", "t"), node("Add", "t b", "u"), node("Relu", "u", "v")),
        *(node("Conv", "v k", "p"), node("Add", "b p", "q"), node("Relu", "q", "y")),
    ]
    constants = {"w": WEIGHT, "k": random(4, 4, 1, 1), "b": random(1, 4, 1, 1)}
    model = build(nodes, {"x": [1, 3, 8, 8]}, constants)
    assert counted(model, tmp_path) == (KERNEL + 16 + 4, [KERNEL + 4, 20])


def test_all_that_is_known_of_a_model(catalog: Catalog, tiny: Path) -> None:
    result = put(catalog, tiny)
    assert (result.status, result.layers, result.filters, result.kernels) == ("added", 2, 9, 32)
    [row] = listings.models(catalog)
    assert tuple(row) == listings.MODEL_COLUMNS
    assert row["parameters"] == 9 * 32 + 4
    assert row["input_shape"] == ["N", 3, 32, 48]
    assert row["sha256"] == hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert row["added_at"].endswith("+00:00")
    first, second = listings.layers(catalog, parse_address("tiny"))
    assert tuple(first) == listings.LAYER_COLUMNS
    assert first == {
        "address": "tiny/conv1", "model": "tiny", "layer": "conv1", "position": 0, "op": "Conv",
        "kernel_shape": [3, 3], "strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1], "groups": 1,
        "in_channels": 3, "out_channels": 4, "filters": 4, "kernels": 12, "parameters": 112,
        "macs": 4 * 3 * 9 * 32 * 48, "receptive_field": 3, "jump": 1, "offset": 1,
        "output_shape": ["N", 4, 32, 48], "activation": "relu", "norm": None, "global_context": 0,
        "dtype": "float32", "node": "conv1",
    }  # fmt: skip
    assert (second["receptive_field"], second["offset"]) == (5, 2)
    assert isinstance(second["receptive_field"], int)


def test_labels(catalog: Catalog, tiny: Path) -> None:
    labels = {"conv1": ["up", "down", "left", "right"]}
    put(catalog, tiny, fetched=FetchedModel(tiny, "there", filter_labels=labels))
    _, rows = filters.filters(catalog, parse_address("tiny"), where="label like '%t'")
    assert [row["label"] for row in rows] == ["left", "right"]
    matches = resolve(catalog, parse_address("tiny"))
    assert filters.filter_labels(catalog, matches) == [("up", "down", "left", "right"), ()]
    with pytest.raises(PluginContractError, match="label"):
        put(catalog, tiny, "b", fetched=FetchedModel(tiny, "there", filter_labels={"conv1": ["one"]}))
