"""Every feature map of every network of the zoo, held against ONNX's own reference implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as OneGroup
from small_networks import CAFFE, Zoo, assert_close, pixels

from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.loading.load import open_graph
from filterkit.graph.view.walk import bodies_in
from filterkit.records import FilterBank, Preprocessing, RunOptions
from filterkit.runtime.feature_maps import Target, open_network

NSFW = Preprocessing(channel_order="BGR", layout="NHWC", size=(224, 224), mean=(104.0, 117.0, 123.0))
GRAY = Preprocessing(channel_order="GRAY", layout="NCHW", size=(28, 28))


class ConvTranspose(OpRun):  # type: ignore[misc]
    """The reference implementation's own, group by group: it knows one group only."""

    op_domain = ""

    def _run(self, x: Any, w: Any, bias: Any = None, **given: Any) -> tuple[Any]:
        groups = given.pop("group", None) or 1
        single = OneGroup(self.onnx_node, self.run_params)
        parts = zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True)
        made = np.concatenate([single._run(each, own, group=1, **given)[0] for each, own in parts], axis=1)
        return (made if bias is None else made + bias.reshape(1, -1, *(1,) * (made.ndim - 2)),)


class BatchNormalization(OpRun):  # type: ignore[misc]
    """As opsets 9 to 13 define it at inference; the reference implementation's takes the batch's own mean."""

    op_domain = ""

    def _run(self, x: Any, *statistics: Any, epsilon: float = 1e-5, **unused: Any) -> tuple[Any]:
        scale, bias, mean, variance = (each.reshape(1, -1, *(1,) * (x.ndim - 2)) for each in statistics)
        return ((x - mean) / np.sqrt(variance + np.float32(epsilon)) * scale + bias,)


def targets_of(path: Path) -> list[Target]:
    """Every layer before and after its activation."""
    found = [
        each for each in ConvolutionExtractor().extract(open_graph(path)) if isinstance(each, FilterBank)
    ]
    return [
        Target(f"{number} {at}", getattr(bank, f"{at}_tensor"), getattr(bank, f"{at}_layout"), bank.scope)
        for number, bank in enumerate(found)
        for at in ("pre", "post")
    ]


def reference(
    path: Path, targets: list[Target], inputs: dict[str, Any], *, scope: str = "", until: str = ""
) -> dict[str, Any]:
    """What the targets hold, from the whole model with only its outputs renamed.

    Of a model with an If the branch at `scope` is evaluated behind the nodes before the If. A head that does
    not fit the input's size is taken off from the node that makes `until` on.
    """
    model = onnx.load(path)
    graph = model.graph
    nodes = list(graph.node)
    if scope:
        [body] = [body for body in bodies_in(graph) if body.scope == scope]
        nodes = [*nodes[: body.place], *body.graph.node]
        graph.initializer.extend(body.graph.initializer)
    if until:
        nodes = nodes[: next(place for place, node in enumerate(nodes) if until in node.output)]
    names = list(dict.fromkeys(target.tensor for target in targets))
    whole = helper.make_graph(
        nodes,
        "whole",
        graph.input,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        graph.initializer,
    )
    made = helper.make_model(whole, opset_imports=model.opset_import, ir_version=model.ir_version)
    evaluator = ReferenceEvaluator(made, new_ops=[ConvTranspose, BatchNormalization])
    with np.errstate(all="ignore"):
        values = dict(zip(names, evaluator.run(None, inputs), strict=True))
    return {target.layer: channels_first(values[target.tensor], target.layout) for target in targets}


def channels_first(values: Any, layout: str) -> Any:
    return np.einsum(f"{layout.lower()}->nc{'dhw'[5 - values.ndim :]}", values)


def normal(**shapes: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("name", "entry", "preprocessing", "picture", "layers"),
    [
        ("vgg16", "input", CAFFE, pixels(32, 48, 3), 13),
        ("open-nsfw", "input:0", NSFW, pixels(48, 64, 3), 53),
        ("mnist-cnn", "Input3", GRAY, np.repeat(pixels(28, 28, 1), 3, axis=2), 2),
    ],
)
def test_of_pictures(
    zoo_model: Zoo, name: str, entry: str, preprocessing: Preprocessing, picture: Any, layers: int
) -> None:
    path = zoo_model(name)
    targets = targets_of(path)
    assert len(targets) == 2 * layers
    network = open_network(
        path, targets, picture_input=entry, layout=preprocessing.layout, options=RunOptions(provider="cpu")
    )
    found = next(network.picture_maps([picture], preprocessing, size=picture.shape[:2]))
    order = [2, 1, 0] if preprocessing.channel_order == "BGR" else [0]
    prepared = picture[None, ..., order] - np.array(preprocessing.mean or 0)
    if preprocessing.layout == "NCHW":
        prepared = prepared.transpose(0, 3, 1, 2)
    nodes = onnx.load(path).graph.node
    head = next((node.output[0] for node in nodes if node.op_type == "AveragePool"), "")
    assert_close(found, reference(path, targets, {entry: prepared.astype(np.float32)}, until=head))


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("name", "inputs", "layers", "tolerance"),
    [
        (
            "gtcrn",
            normal(
                mix=(1, 257, 1, 2),
                conv_cache=(2, 1, 16, 16, 33),
                tra_cache=(2, 3, 1, 1, 16),
                inter_cache=(2, 1, 33, 16),
            ),
            22,
            2e-5,
        ),
        # It takes logarithms of sums of squares on its way, which spread rounding errors.
        ("basic-pitch", normal(**{"serving_default_input_2:0": (1, 43844, 1)}), 32, 1e-3),
    ],
)
def test_of_raw_tensors(
    zoo_model: Zoo, name: str, inputs: dict[str, Any], layers: int, tolerance: float
) -> None:
    path = zoo_model(name)
    targets = targets_of(path)
    assert len(targets) == 2 * layers
    found = open_network(path, targets, options=RunOptions(provider="cpu")).maps(inputs)
    assert_close(found, reference(path, targets, inputs), tolerance)


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("rate", "samples", "branch"), [(16000, 512 + 64, "then_branch"), (8000, 256 + 32, "else_branch")]
)
def test_of_the_branch_of_an_if(zoo_model: Zoo, rate: int, samples: int, branch: str) -> None:
    """One network for 16 kHz, one for 8 kHz, each in a branch of its own; both are asked for, one answers."""
    path = zoo_model("silero-vad")
    targets = targets_of(path)
    inside = [target for target in targets if target.scope == f"If_0/{branch}"]
    assert len(targets) == 2 * 12 and len(inside) == 12
    inputs = normal(input=(1, samples), state=(2, 1, 128)) | {"sr": np.array(rate)}
    found = open_network(path, targets, options=RunOptions(provider="cpu")).maps(inputs)
    assert_close(found, reference(path, inside, inputs, scope=f"If_0/{branch}"))
