"""How many numbers a model's convolutions hold, however many nodes read each."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from filterkit import budget
from filterkit.geometry import product
from filterkit.graph.origins import origin
from filterkit.graph.view import GraphView

if TYPE_CHECKING:
    from filterkit.records import FilterBank, FloatArray


def count_parameters(graph: GraphView, banks: Iterable[FilterBank]) -> int:
    """Weights and biases of all banks; those that several nodes read count once.

    Numbers are the same where they come from one tensor of the file, whatever is computed of it: two parts of
    one tensor are not the same numbers, and two copies of a tensor are two. So a bias that several layers
    share counts once, whether they share their weights or not.
    """
    views = {view.scope: view for view in _views(graph)}
    readers: dict[Origin, list[FilterBank]] = defaultdict(list)
    biases: dict[object, int] = {}
    for bank in banks:
        budget.step("counting the parameters of layer '{}'", bank.node)
        view = views.get(bank.scope, graph)
        stored = origin(view, bank.weight_tensor)
        readers[stored].append(bank)
        if bank.bias is not None:
            # What nobody can trace back is taken to be the same only in layers of the same weights.
            source = _bias_origin(view, bank) or ("weights", *stored)
            biases[source, _mark(bank.bias)] = bank.bias.size
    weights = sum(_count(views, graph, stored, banks) for stored, banks in readers.items())
    return weights + sum(biases.values())


Origin = tuple[str, str]
"""Scope and name of a tensor of the file."""


def _count(views: Mapping[str, GraphView], graph: GraphView, stored: Origin, banks: list[FilterBank]) -> int:
    """Numbers in the weights of banks that come from one tensor."""
    if len(banks) == 1:
        return banks[0].weights.size
    by_name = {(bank.scope, bank.weight_tensor): bank.weights for bank in banks}
    whole = _size(views.get(stored[0], graph), stored[1])
    parts: dict[object, int] = {}
    for weights in by_name.values():
        # All of a tensor, in whatever order, is the same weights; parts of it are told apart by their values.
        key = "whole" if whole is not None and weights.size >= whole else _mark(weights)
        parts[key] = max(parts.get(key, 0), weights.size)
    return sum(parts.values())


def _size(view: GraphView, tensor: str) -> int | None:
    shape = view.shape(tensor)
    sizes = [size for size in shape or () if isinstance(size, int)]
    return product(sizes) if shape is not None and len(sizes) == len(shape) else None


def _bias_origin(view: GraphView, bank: FilterBank) -> Origin | None:
    """The tensor that holds a bias, among what the node that adds it reads; None where that is not clear."""
    node = view.producer(bank.pre_tensor)
    names = [] if node is None else [name for name in node.input if name and name != bank.weight_tensor]
    size = 0 if bank.bias is None else bank.bias.size
    fitting = [name for name in names if _is_constant(view, name) and _size(view, name) == size]
    return origin(view, fitting[-1]) if fitting else None


def _is_constant(view: GraphView, tensor: str) -> bool:
    home = view.home(tensor)
    return home is not None and home.is_constant(tensor)


def _mark(values: FloatArray) -> tuple[tuple[int, ...], bytes]:
    content = values.data if values.flags.c_contiguous else values.tobytes()
    return values.shape, hashlib.blake2b(content, digest_size=16).digest()


def _views(graph: GraphView) -> Iterator[GraphView]:
    yield graph
    for body in graph.bodies():
        yield from _views(body)
