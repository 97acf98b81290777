"""Extracting everything that is catalogued of a model from its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from onnx import TensorProto

from filterkit import budget
from filterkit.catalog.model_input import expected
from filterkit.catalog.validation import MOST_FILTERS
from filterkit.errors import ModelError
from filterkit.extractors.convolution_operators import is_convolution
from filterkit.geometry import LayerGeometry
from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.axes.trace import trace
from filterkit.graph.layers import activations
from filterkit.graph.layers.naming import name_layers, noted_modules
from filterkit.graph.layers.picture_input import InputInfo, picture_of
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import every_tensor
from filterkit.records import FetchedModel, FilterBank, Preprocessing, Skipped

if TYPE_CHECKING:
    from filterkit.plugins.protocols import WeightExtractor


@dataclass(frozen=True, slots=True)
class Extraction:
    """All filter banks of a model, and what else its graph says.

    Attributes
    ----------
    banks
        By layer name, in the graph's order.
    geometries
        One per bank.
    input
        The input that the first layers read, if there is one.
    preprocessing
        What the source or the user stated, else a guess if the input is a picture.
    """

    banks: dict[str, FilterBank]
    geometries: Sequence[LayerGeometry]
    skipped: Sequence[Skipped]
    input: InputInfo | None
    preprocessing: Preprocessing | None


def extract(
    graph: GraphView,
    fetched: FetchedModel,
    extractors: Sequence[WeightExtractor],
    *,
    fold_batchnorm: bool = False,
) -> Extraction:
    """Run `extractors` over a graph, name the layers they find, and compute what each layer sees.

    Parameters
    ----------
    extractors
        If two of them return the same convolution, the first wins.
    fold_batchnorm
        Fold batch norms into the filters before them.

    Raises
    ------
    ModelError
        The graph has no layer of the kinds that `extractors` find.
    """
    banks, skipped = _collect(graph, extractors)
    if not banks and not skipped:
        raise _nothing_found(graph, fetched.onnx_path.name)
    budget.step("naming the layers")
    names = name_layers(banks, fetched.layer_names, noted_modules(graph))
    if fold_batchnorm:
        banks = [activations.fold_batchnorm(bank) for bank in banks]
    traced = trace(graph, {})
    stated = fetched.preprocessing
    found = picture_of(
        graph,
        banks,
        traced,
        name=stated.input if stated else None,
        layout=stated.layout if stated and "layout" in stated.stated else None,
    )
    preprocessing = expected(stated, found)
    geometries = trace_geometry(graph, banks, preprocessing, traced=traced, picture=found)
    banks = [
        replace(bank, input_channels=geometry.input_channels)
        for bank, geometry in zip(banks, geometries, strict=True)
    ]
    return Extraction(dict(zip(names, banks, strict=True)), geometries, skipped, found, preprocessing)


def _nothing_found(graph: GraphView, file: str) -> ModelError:
    if any(map(is_convolution, graph.nodes)):
        return ModelError(
            f"{file} has no layers of the requested kind",
            hint="without --extractor, its convolutions are extracted",
        )
    return ModelError(f"{file} has no convolutions", hint="filterkit catalogs convolutional networks")


def _collect(
    graph: GraphView, extractors: Sequence[WeightExtractor]
) -> tuple[list[FilterBank], list[Skipped]]:
    """All banks, and the nodes that were skipped; the first extractor that returns a bank wins."""
    banks: list[FilterBank] = []
    skipped: list[Skipped] = []
    for extractor in extractors:
        tensors = {(bank.scope, bank.pre_tensor) for bank in banks}
        nodes = {bank.node for bank in banks} | {each.node for each in skipped}
        budget.step("searching for layers with the extractor {}", extractor)
        found = []
        for each in extractor.extract(graph):
            budget.step("extracting the layers after '{}'", each.node)
            found.append(each)
        new = [
            each
            for each in found
            if isinstance(each, FilterBank) and (each.scope, each.pre_tensor) not in tensors
        ]
        solved = {bank.node for bank in new}
        skipped = [each for each in skipped if each.node not in solved]
        skipped += [each for each in found if isinstance(each, Skipped) and each.node not in nodes]
        banks += new
    return _with_room(banks, skipped)


def _with_room(banks: Sequence[FilterBank], skipped: list[Skipped]) -> tuple[list[FilterBank], list[Skipped]]:
    """Skip each bank whose filters would make more than MOST_FILTERS with those of the banks before it."""
    kept: list[FilterBank] = []
    room = MOST_FILTERS
    for bank in banks:
        if bank.out_channels > room:
            reason = f"its {bank.out_channels:,} filters exceed the limit of one model"
            skipped.append(Skipped(bank.node, bank.op, reason))
        else:
            kept.append(bank)
            room -= bank.out_channels
    return kept, skipped


def external_files(graph: GraphView) -> list[str]:
    """Names, relative to the ONNX file, of the files with its external data, which `open_graph` checked."""
    locations = {
        entry.value
        for tensor in every_tensor(graph.model)
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(locations)
