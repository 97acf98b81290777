"""Banks and reasons that a plugin's extractor yields are checked, and its graph is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts import BANK, Make, contract_error

import filterkit
from filterkit.errors import PluginError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.records import FilterBank, Skipped
from filterkit.testing import TINY_MODELS, open_graph, tiny_model


class Extractor:
    def __init__(self, *found: Any) -> None:
        self.found = found

    def extract(self, graph: Any) -> Iterator[Any]:
        for each in self.found:
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> filterkit.GraphView:
    return open_graph(tiny_model("plain", tmp_path_factory.mktemp("graph")).path)


def test_a_good_bank_and_a_reason_pass(make: Make, graph: filterkit.GraphView) -> None:
    reason = Skipped("other", "Conv", "computed")
    assert list(make("extractor", Extractor(BANK, reason)).extract(graph)) == [BANK, reason]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ("conv", "yielded a str, not a FilterBank or a Skipped with a reason"),
        (Skipped("conv", "Conv", ""), "yielded a Skipped, not a FilterBank or a Skipped with a reason"),
        (replace(BANK, groups=1), "weights of shape (4, 3, 5, 5), but stated (4, 6, 5, 5)"),
        (replace(BANK, groups=0), "0 groups"),
        (replace(BANK, op=3), "the op 3, which is not a string"),
        (replace(BANK, activation=5), "the activation 5, which is not a string"),
        (replace(BANK, source_dtype=None), "the source_dtype None, which is not a string"),
        (replace(BANK, weights=[1.0]), "weights that are not a float array of two or more axes"),
        (
            replace(BANK, weights=BANK.weights.astype(int)),
            "weights that are not a float array of two or more axes",
        ),
        (replace(BANK, bias=np.zeros(3, np.float32)), "a bias without exactly one value per filter"),
        (replace(BANK, strides=(1,)), "1 strides for 2 axes"),
        (replace(BANK, pads=(1, 1)), "2 pads for 2 axes"),
    ],
)
def test_extractor(make: Make, graph: filterkit.GraphView, found: Any, problem: str) -> None:
    extracted = make("extractor", Extractor(BANK, found)).extract(graph)
    assert next(extracted) is BANK
    assert contract_error(lambda: next(extracted)).endswith(problem)


def test_an_extractor_that_raises_midway_is_named(make: Make, graph: filterkit.GraphView) -> None:
    extracted = make("extractor", Extractor(BANK, RuntimeError("lost"))).extract(graph)
    assert next(extracted) is BANK
    with pytest.raises(
        PluginError, match=r"filterkit-mine 1.5: extractor 'mine': extract\(\): RuntimeError: lost"
    ):
        next(extracted)


class Changing:
    def __init__(self, change: Callable[[filterkit.GraphView], object]) -> None:
        self.change = change

    def extract(self, graph: filterkit.GraphView) -> Iterator[FilterBank]:
        yield BANK
        self.change(graph)


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.model.graph.ClearField("initializer"),
        lambda graph: setattr(graph.model.graph.initializer[0], "raw_data", b""),
        lambda graph: setattr(graph.nodes[0], "name", "mine"),
        lambda graph: graph.nodes[0].attribute[0].ints.append(7),
        lambda graph: graph.model.Clear(),
    ],
)
def test_an_extractor_that_changes_the_graph_changes_its_own(
    make: Make, graph: filterkit.GraphView, change: Callable[[filterkit.GraphView], object]
) -> None:
    before = graph.model.SerializeToString(deterministic=True)
    extracted = make("extractor", Changing(change)).extract(graph)
    assert next(extracted) is BANK
    assert contract_error(lambda: next(extracted)) == "extractor 'mine': extract() modified the graph"
    assert graph.model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("kind", TINY_MODELS)
def test_an_extractor_that_reads_is_not_blamed(make: Make, tmp_path: Path, kind: str) -> None:
    graph = open_graph(tiny_model(kind, tmp_path).path)
    banks = list(make("extractor", ConvolutionExtractor()).extract(graph))
    assert [bank.node for bank in banks] == [bank.node for bank in ConvolutionExtractor().extract(graph)]
