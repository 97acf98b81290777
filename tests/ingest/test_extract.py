"""What is extracted from a graph: by several extractors, by one that finds nothing, by none at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from tiny_models import put, state

from filterkit.address import parse_address
from filterkit.catalog import Catalog, filters, listings
from filterkit.errors import ModelError, NotFoundError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.view.view import GraphView
from filterkit.records import FilterBank, Skipped


def test_a_model_without_convolutions_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "none", [x], [y])
    path = tmp_path / "none.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.raises(ModelError, match="no convolutions"):
        put(catalog, path)
    assert state(catalog) == ([[], [], []], set())


class _First:
    """An extractor of somebody's own, for conv1 only."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        for found in ConvolutionExtractor().extract(graph):
            yield found if found.node == "conv1" else Skipped(found.node, found.op, "not mine")


def test_extractors_complete_each_other(catalog: Catalog, tiny: Path) -> None:
    assert put(catalog, tiny, "part", extractors=[_First()]).skipped == 1
    [row] = listings.skipped_nodes(catalog, parse_address("part"))
    assert row == {"model": "part", "node": "conv2", "op": "Conv", "reason": "not mine"}
    for extractors in ([_First(), ConvolutionExtractor()], [ConvolutionExtractor(), _First()]):
        result = put(catalog, tiny, "whole", extractors=extractors, replace=True)
        assert (result.layers, result.skipped) == (2, 0)
        assert [row["layer"] for row in listings.layers(catalog, parse_address("whole"))] == [
            "conv1",
            "conv2",
        ]


class _Nothing:
    """An extractor that can bring nothing."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        yield from (Skipped(node.name, node.op_type, "too hard") for node in graph.nodes[::2])


def test_a_model_of_which_all_was_skipped_is_there_with_the_reasons(catalog: Catalog, tiny: Path) -> None:
    result = put(catalog, tiny, extractors=[_Nothing()])
    assert (result.layers, result.skipped) == (0, 2)
    assert [row["reason"] for row in listings.skipped_nodes(catalog, parse_address("tiny"))] == [
        "too hard"
    ] * 2
    assert put(catalog, tiny, extractors=[_Nothing()]).status == "unchanged"
    for look in (listings.layers, filters.filters):
        with pytest.raises(NotFoundError) as caught:
            look(catalog, parse_address("tiny"))
        assert "--skipped" in str(caught.value.hint)
    assert list(filters.filters(catalog, parse_address("*"))[1]) == []
