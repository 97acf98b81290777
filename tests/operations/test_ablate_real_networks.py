"""Ablation of VGG16 and of a residual network, against their files with weights and bias zeroed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from skimage import data

import filterkit
from filterkit.address import parse_address
from filterkit.catalog.addresses import resolve
from filterkit.catalog.weights import model_file

pytestmark = pytest.mark.zoo


def zeroed(model: onnx.ModelProto, weight: str, layout: str, bias: str, number: int) -> onnx.ModelProto:
    result = onnx.ModelProto.FromString(model.SerializeToString())
    changed = 0
    for tensor in result.graph.initializer:
        if tensor.name in (weight, bias):
            values = numpy_helper.to_array(tensor).copy()
            values[(slice(None),) * (layout.index("O") if tensor.name == weight else 0) + (number,)] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            changed += 1
    assert changed == 2
    return result


def bias_of(model: onnx.ModelProto, row: dict[str, object]) -> str:
    """The initializer of a layer's bias: an input of the node, or of the Add after it."""
    stored = {tensor.name for tensor in model.graph.initializer}
    (maker,) = [node for node in model.graph.node if row["pre_tensor"] in node.output]
    names = [name for name in maker.input if name in stored and name != row["weight_tensor"]]
    return names[-1]


@pytest.mark.parametrize(
    ("name", "layer", "filters", "target"),
    [
        ("vgg16", "block4_conv3", [0, 5, 200, 511], "block5_conv3"),
        ("vgg16", "block1_conv2", [3, 60], "block5_conv3"),
        ("open-nsfw", "conv_stage1_block1_branch2c", [0, 7, 100], "conv_stage3_block2_branch2c"),
        ("open-nsfw", "conv_1", [13, 62], "conv_stage3_block2_branch2c"),
    ],
)
def test_by_hand(
    name: str,
    layer: str,
    filters: list[int],
    target: str,
    zoo_model: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    zoo_model(name)
    x = data.astronaut()[None, ::3, ::3].astype(np.float32) - 110
    x = (
        x[:, :160, :160]
        if name == "vgg16"
        else np.resize(data.astronaut(), (1, 224, 224, 3)).astype(np.float32)
    )
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(name)
        (match,) = resolve(bench.catalog(), parse_address(f"{name}/{layer}"))
        (last,) = resolve(bench.catalog(), parse_address(f"{name}/{target}"))
        model = onnx.load(model_file(bench.catalog(), match.model))
        entry = model.graph.input[0].name
        addresses = [f"{name}/{layer}/{number}" for number in filters]
        found = bench.ablate(addresses, inputs={entry: x}, target=f"{last.address}/10", position="mean")
    after = {row["address"]: row["after"] for row in found}
    tensor, layout = last.layer["post_tensor"], last.layer["post_layout"]
    model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    bias = bias_of(model, dict(match.layer))

    def value(changed: onnx.ModelProto) -> float:
        session = onnxruntime.InferenceSession(
            changed.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (maps,) = session.run([tensor], {entry: x})
        return float(np.moveaxis(maps, layout.index("C"), 1)[0, 10].mean(dtype=np.float64))

    assert found[0]["before"] == pytest.approx(value(model), rel=1e-5)
    for number, address in zip(filters, addresses, strict=True):
        changed = zeroed(model, match.layer["weight_tensor"], match.layer["source_layout"], bias, number)
        assert after[address] == pytest.approx(value(changed), rel=1e-5, abs=1e-5)
