"""Layers other than convolutions, from a plugin's extractor, in all operations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import filterkit
from filterkit.errors import ImageError, ModelError, UsageError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

RNG = np.random.default_rng(0)
CONV = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
DENSE = RNG.normal(size=(4, 5)).astype(np.float32)
BIAS = np.arange(5, dtype=np.float32)


class Product:
    """MatMul alone: rank 2, weight on the right."""

    def extract(self, graph: filterkit.GraphView) -> Iterator[filterkit.FilterBank]:
        for node in graph.nodes:
            if node.op_type != "MatMul":
                continue
            matrix = graph.constant(node.input[1])
            inputs, outputs = matrix.shape
            tail = filterkit.follow(graph, node.output[0], "NC", outputs, has_bias=False)
            yield filterkit.FilterBank(
                node=node.name,
                op=node.op_type,
                weights=np.ascontiguousarray(matrix.T).reshape(outputs, inputs, 1, 1),
                bias=None if tail.bias is None else np.asarray(tail.bias, np.float32),
                in_channels=inputs,
                out_channels=outputs,
                groups=1,
                kernel_shape=(1, 1),
                strides=(1, 1),
                dilations=(1, 1),
                pads=(0, 0, 0, 0),
                auto_pad="NOTSET",
                output_padding=(0, 0),
                input_tensor=node.input[0],
                weight_tensor=node.input[1],
                pre_tensor=tail.pre_tensor,
                post_tensor=tail.post_tensor,
                pre_layout=tail.pre_layout,
                post_layout=tail.post_layout,
                activation=tail.activation,
                source_dtype="float32",
                source_layout="IO",
            )


class Plugin:
    @filterkit.hookimpl
    def filterkit_weight_extractors(self) -> list[filterkit.Contribution[Product]]:
        return [filterkit.Contribution("product", "MatMul", Product)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A convolution, the mean of each map, and a dense layer with bias and activation."""
    nodes = [
        helper.make_node("Conv", ["x", "conv"], ["maps"], name="first"),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["sums"], name="last"),
        helper.make_node("Add", ["sums", "bias"], ["biased"]),
        helper.make_node("Relu", ["biased"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [
            numpy_helper.from_array(values, name)
            for name, values in (("conv", CONV), ("dense", DENSE), ("bias", BIAS))
        ],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    host = load_plugins(discover=False)
    host.add(Plugin(), name="filterkit-product", version="1.0")
    with filterkit.Workbench(tmp_path / "catalog.db", registry=Registry(host)) as opened:
        yield opened


PIXELS = RNG.integers(0, 256, (12, 14, 3), dtype=np.uint8)


@pytest.mark.parametrize("extractors", [["product"], ["convolution", "product"], ["product", "convolution"]])
def test_a_layer_without_positions(extractors: list[str], model: Path, bench: filterkit.Workbench) -> None:
    result = bench.add(model, extractors=extractors)
    assert (result.layers, result.assumed) == (len(extractors), True), "the input is known to be a picture"
    row = next(row for row in bench.layers("net") if row["layer"] == "last")
    assert (row["output_shape"], row["macs"], row["activation"]) == (["N", 5], None, "relu")
    np.testing.assert_array_equal(bench.bank("net/last")[:, :, 0, 0], DENSE.T)
    maps = bench.feature_maps("net/last", PIXELS, at="pre", provider="cpu").array
    assert maps.shape == (5, 1, 1)
    x = (PIXELS / np.float32(255)).transpose(2, 0, 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    pooled = np.einsum("cyxij,ocij->oyx", windows, CONV).mean((1, 2))
    np.testing.assert_allclose(maps[:, 0, 0], pooled @ DENSE + BIAS, rtol=1e-3)


def test_maps_of_one_value_are_held_against_each_other(model: Path, bench: filterkit.Workbench) -> None:
    bench.add(model, extractors=["convolution", "product"])
    sheet = bench.sheet(bench.feature_maps("net/last", PIXELS, provider="cpu"))
    assert (sheet.tiles.min(), sheet.tiles.max()) == (0, 1)
    assert "per filter" in bench.sheet(bench.feature_maps("net/first", PIXELS, provider="cpu")).note


def test_what_such_a_layer_cannot_do_is_reported(model: Path, bench: filterkit.Workbench) -> None:
    bench.add(model, extractors=["product"])
    with pytest.raises(ImageError, match="takes 4 channels from the layer before it"):
        bench.convolve("net/last", PIXELS)
    assert bench.convolve("net/last/0/0", PIXELS).array.shape == (1, 12, 14)
    assert bench.sheet("net/last").tiles.shape == (5, 4, 1, 1)


def test_other_extractors_than_before_are_reported(model: Path, bench: filterkit.Workbench) -> None:
    bench.add(model)
    with pytest.raises(UsageError, match="was not extracted with filterkit-product/product"):
        bench.add(model, extractors=["convolution", "product"])
    assert bench.add(model, extractors=["convolution", "product"], replace=True).layers == 2
    assert bench.add(model).status == "unchanged"


def test_nothing_of_the_kind_asked_for(bench: filterkit.Workbench) -> None:
    with pytest.raises(ModelError, match="no layers of the requested kind"):
        bench.add("classic", extractors=["product"])


def test_the_catalog_outlives_the_plugin(model: Path, bench: filterkit.Workbench) -> None:
    bench.add(model, extractors=["convolution", "product"])
    expected = bench.feature_maps("net/last", PIXELS, provider="cpu").array
    bench.close()
    host = load_plugins(discover=False)
    with filterkit.Workbench(bench.location, registry=Registry(host)) as other:
        assert [row["layer"] for row in other.layers("net")] == ["first", "last"]
        assert len(other.filters("net/last")) == 5
        np.testing.assert_array_equal(other.bank("net/last")[:, :, 0, 0], DENSE.T)
        np.testing.assert_array_equal(other.feature_maps("net/last", PIXELS, provider="cpu").array, expected)
        faults = [fault["what"] for fault in other.examine()["faults"]]
        assert any("filterkit-product: was used for net, and is not installed" in fault for fault in faults)
