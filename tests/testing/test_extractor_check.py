"""Broken extractors, and what the check says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaking import problems

import filterkit
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.testing import TinyModel, build_model, check_extractor, node, tiny_model

Found = Iterator[filterkit.FilterBank | filterkit.Skipped]


class Good:
    def extract(self, graph: filterkit.GraphView) -> Found:
        return ConvolutionExtractor().extract(graph)


class OnMain(Good):
    """Changes every bank that the good one finds."""

    def change(self, bank: filterkit.FilterBank) -> Any:
        return bank

    def extract(self, graph: filterkit.GraphView) -> Any:
        for each in super().extract(graph):
            yield self.change(each) if isinstance(each, filterkit.FilterBank) else each


class Misnamed(OnMain):
    def change(self, bank: filterkit.FilterBank) -> Any:
        return replace(bank, node="filters", weight_tensor="weights", scope="")


class Misplaced(OnMain):
    def change(self, bank: filterkit.FilterBank) -> Any:
        return replace(bank, scope="main")


class AsStored(OnMain):
    """Leaves the axes as they lie in a transposed convolution."""

    def change(self, bank: filterkit.FilterBank) -> Any:
        return replace(bank, weights=bank.weights.swapaxes(0, 1))


class Rounded(OnMain):
    def change(self, bank: filterkit.FilterBank) -> Any:
        return replace(bank, weights=bank.weights.round(2), bias=None)


class Long(OnMain):
    def change(self, bank: filterkit.FilterBank) -> Any:
        return replace(bank, weights=bank.weights.astype(np.longdouble))


class Numbered(OnMain):
    def change(self, bank: filterkit.FilterBank) -> Any:
        return replace(bank, op=3)


class Twice(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        yield from super().extract(graph)
        yield from super().extract(graph)


class Silent(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        return (each for each in super().extract(graph) if isinstance(each, filterkit.FilterBank))


class MainOnly(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        return (each for each in super().extract(graph) if "/" not in each.node)


class ByInitializer(Good):
    """Reads weights where most files have them, and nowhere else."""

    def extract(self, graph: filterkit.GraphView) -> Any:
        stored = {tensor.name: tensor for tensor in graph.model.graph.initializer}
        wanted = [stored[each.input[1]] for each in graph.nodes if each.op_type == "Conv"]
        return list(super().extract(graph))[: len(wanted)]


class Renames(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        graph.nodes[0].doc_string = "seen"
        return super().extract(graph)


class Blind(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        return iter(())


class Counts(Good):
    """Adds up what it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def extract(self, graph: filterkit.GraphView) -> Any:
        self.seen += len(graph.nodes)
        return (
            replace(each, reason=str(self.seen))
            if isinstance(each, filterkit.Skipped)
            else replace(each, weights=each.weights * 0 + self.seen)
            for each in super().extract(graph)
        )


class Hashed(OnMain):
    def change(self, bank: filterkit.FilterBank) -> Any:
        return replace(bank, activation=f"relu{hash(bank.node)}")


class Talks(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        print(len(graph.nodes))
        return super().extract(graph)


class Arrays(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        return [np.zeros((1, 1, 3, 3))]


class Scaled(OnMain):
    """Fails on weights that are all zero, and overflows."""

    def change(self, bank: filterkit.FilterBank) -> Any:
        if not bank.weights.any():
            raise ZeroDivisionError("no weights")
        return replace(bank, weights=bank.weights * 4)


class Misspelt(Good):
    def extract(self, graph: filterkit.GraphView) -> Any:
        def read(graph: Any, each: Any, name: str) -> Any:
            return filterkit.FilterBank(node=name, weigths=graph.constant(each.input[1]))  # type: ignore[call-arg]

        return filterkit.read_layers(graph, lambda each: each.op_type == "Conv", read)


def test_a_good_one_passes(tmp_path: Path) -> None:
    check_extractor(Good)
    check_extractor(Good(), tiny_model("inside-if", tmp_path), tiny_model("plain", tmp_path).path)


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    weights = np.ones((2, 1, 3, 3), np.float32)
    model = build_model([node("Conv", "x w", "y", "only")], {"x": [1, 1, 8, 8]}, {"w": weights})
    path = tmp_path / "own.onnx"
    path.write_bytes(model.SerializeToString())
    check_extractor(Good, TinyModel(path, {"only": weights}))
    other = TinyModel(path, {"only": weights * 2, "more": weights}, {"only": weights[:, 0, 0, 0]}, ("gone",))
    said = problems(check_extractor, Good, other)
    assert "finds wrong weights in only (with own.onnx)" in said
    assert "finds a wrong bias in only" in said
    assert "does not find more" in said
    assert "does not report gone" in said


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Misnamed, "names the node 'filters', which is not in the graph (with plain, grouped, depthwise and"),
        (Misnamed, "the weight_tensor 'weights', which is not in the graph"),
        (Misplaced, "yielded, for node 'conv', the scope 'main', which is not in the graph"),
        (
            AsStored,
            "extract() yielded, for node 'conv1', weights of shape (3, 4, 3, 3), but stated (4, 3, 3, 3)",
        ),
        (Rounded, "finds wrong weights in conv1 (with plain.onnx)"),
        (Rounded, "finds a wrong bias in conv1 (with plain.onnx)"),
        (Long, f"weights of type {np.dtype(np.longdouble)}; the store supports float16, float32, float64"),
        (Numbered, "extract() yielded, for node 'conv1', the op 3, which is not a string"),
        (Twice, "finds the node 'conv1' twice (with plain, plain.onnx)"),
        (Scaled, "extract() raised ZeroDivisionError: no weights (with zero)"),
        (Scaled, "emits a warning: overflow encountered in multiply (with huge)"),
        (Silent, "does not report computed as skipped (with computed.onnx)"),
        (MainOnly, "does not find choose/else_branch/conv, choose/then_branch/conv (with inside-if.onnx)"),
        (ByInitializer, "extract() raised KeyError: 'w' (with constant)"),
        (Renames, "extract() modified the graph (with plain, grouped, depthwise and"),
        (
            Misspelt,
            "extract() raised TypeError: FilterBank.__init__() got an unexpected keyword argument 'weigths' "
            "(with plain, grouped, depthwise and",
        ),
        (Counts, "finds something different the second time (with plain"),
        (Hashed, "finds something different in another process, with another PYTHONHASHSEED (with plain)"),
        (Blind, "finds no filter bank in any model"),
        (Talks, "prints to stdout, which is reserved for data"),
        (Arrays, "extract() yielded an ndarray, not a FilterBank or a Skipped with a reason"),
        (object, "is an object, which is not a WeightExtractor: it lacks extract"),
    ],
)
def test_what_is_broken_is_said(broken: Any, words: str, tmp_path: Path) -> None:
    models = [tiny_model(kind, tmp_path) for kind in ("plain", "inside-if", "computed")]
    assert words in problems(check_extractor, broken, *models)


def test_one_fault_is_told_as_one() -> None:
    said = problems(check_extractor, Arrays).splitlines()
    assert all("an ndarray" in line for line in said)
