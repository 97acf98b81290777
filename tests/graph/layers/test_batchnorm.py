"""Batch norms after convolutions: recognized, and folded into effective filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_graphs import banks, build, node, opened, random

import filterkit
from filterkit.errors import UsageError
from filterkit.graph.layers.activations import fold_batchnorm
from filterkit.graph.loading.load import open_graph

NORM = {"g": random(4, seed=1), "s": random(4, seed=2), "m": random(4, seed=3), "v": random(4, seed=4) ** 2}


def chain(op: str, bias: str) -> onnx.ModelProto:
    """A convolution with its bias inside, in an Add, or without one, then a batch norm and a ReLU."""
    inputs = "x w b" if bias == "own" else "x w"
    shape = (4, 3, 3, 3) if op == "Conv" else (3, 4, 3, 3)
    nodes = [node(op, inputs, "c0")]
    nodes.append(node("Add", "c0 badd", "c") if bias == "add" else node("Identity", "c0", "c"))
    nodes += [node("BatchNormalization", "c g s m v", "n", epsilon=1e-3), node("Relu", "n", "y")]
    constants = {"w": random(*shape), "b": random(4), "badd": random(4, 1, 1), **NORM}
    return build(nodes, {"x": [1, 3, 8, 8]}, constants)


@pytest.mark.parametrize("bias", ["own", "add", "none"])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_effective_filters_compute_convolution_and_batch_norm(op: str, bias: str) -> None:
    model = chain(op, bias)
    (bank,) = banks(opened(model))
    assert bank.batchnorm is not None and not bank.batchnorm.folded
    assert (bank.post_tensor, bank.activation, bank.batchnorm.tensor) == ("y", "relu", "n")
    folded = fold_batchnorm(bank)
    assert folded.batchnorm is not None and folded.batchnorm.folded
    assert (folded.pre_tensor, folded.post_tensor) == ("n", "y")
    assert fold_batchnorm(folded) is folded
    weights = folded.weights.swapaxes(0, 1) if op == "ConvTranspose" else folded.weights
    alone = build([node(op, "x w b", "y")], {"x": [1, 3, 8, 8]}, {"w": weights, "b": folded.bias})
    values = random(1, 3, 8, 8, seed=9)
    expected = ReferenceEvaluator(model).run(None, {"x": values})[0]
    made = ReferenceEvaluator(alone).run(None, {"x": values})[0]
    np.testing.assert_allclose(np.maximum(made, 0), expected, rtol=1e-3, atol=1e-4)


def test_batch_norm_after_a_scaling_is_not_the_convolutions() -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("Mul", "c f", "t"),
        node("BatchNormalization", "t g s m v", "n"),
        node("Relu", "n", "y"),
    ]
    constants = {"w": random(4, 3, 3, 3), "f": random(4, 1, 1), **NORM}
    (bank,) = banks(opened(build(nodes, {"x": [1, 3, 8, 8]}, constants)))
    assert bank.batchnorm is None and bank.post_tensor == "y"


def test_batch_statistics_are_not_constant() -> None:
    batch = node("BatchNormalization", "c g s m v", "n mm vv", training_mode=1)
    nodes = [node("Conv", "x w", "c"), batch, node("Relu", "n", "y")]
    (bank,) = banks(opened(build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3), **NORM})))
    assert bank.batchnorm is None


@pytest.mark.zoo
def test_gtcrn_has_separate_batch_norms(zoo_model: Callable[[str], Path]) -> None:
    path = zoo_model("gtcrn")
    graph = open_graph(path)
    nodes = [one for one in graph.nodes if one.op_type == "BatchNormalization"]
    norms = [bank.batchnorm for bank in banks(graph) if bank.batchnorm is not None]
    assert {norm.tensor for norm in norms} == {one.output[0] for one in nodes}
    assert len(norms) == 11


@pytest.mark.zoo
def test_catalog_of_effective_filters(zoo_model: Callable[[str], Path], tmp_path: Path) -> None:
    path = zoo_model("gtcrn")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(path, name="apart")
        with pytest.raises(UsageError, match="without batch norms folded"):
            bench.add(path, name="apart", fold_batchnorm=True)
        bench.add(path, name="folded", fold_batchnorm=True)
        assert bench.add(path, name="folded").status == "unchanged"
        layers = bench.query(
            "select distinct m.name, l.batchnorm from layer l join model m on m.id = l.model_id"
        )
        assert {(row["name"], row["batchnorm"]) for row in layers} == {
            *(("apart", None), ("apart", "apart"), ("folded", None), ("folded", "folded"))
        }
        scaled = bench.filters("apart", where="batchnorm_scale is not null")
        place = "/".join(scaled[0]["address"].split("/")[1:])
        scales = (
            "select batchnorm_scale as scale from filter f join layer l on l.id = f.layer_id "
            "where scale is not null order by l.id, f.position"
        )
        scale = bench.query(scales)[0]["scale"]
        np.testing.assert_allclose(
            bench.bank(f"folded/{place}"), bench.bank(f"apart/{place}") * np.float32(scale), rtol=1e-5
        )
        assert bench.add(path, name="apart", replace=True, fold_batchnorm=True).status == "replaced"
