"""How many numbers a model's convolutions hold, however many nodes read each."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from filterkit import budget
from filterkit.graph.origins import origin
from filterkit.graph.view import GraphView

if TYPE_CHECKING:
    from filterkit.records import FilterBank, FloatArray


def count_parameters(graph: GraphView, banks: Iterable[FilterBank]) -> int:
    """Weights and biases of all banks; those that several nodes read count once.

    Weights are the same where they come from one tensor of the file and have the same values: two parts of
    one tensor are not the same weights, and two copies of a tensor are two. A bias counts with its weights,
    once more where it has other values.
    """
    views = {view.scope: view for view in _views(graph)}
    readers: dict[tuple[str, str], list[FilterBank]] = defaultdict(list)
    for bank in banks:
        budget.step("counting the parameters of layer '{}'", bank.node)
        view = views.get(bank.scope, graph)
        readers[origin(view, bank.weight_tensor)].append(bank)
    return sum(map(_count, readers.values()))


def _count(banks: list[FilterBank]) -> int:
    """Numbers in banks whose weights come from one tensor."""
    if len(banks) == 1:
        return banks[0].weights.size + (0 if banks[0].bias is None else banks[0].bias.size)
    by_name = {(bank.scope, bank.weight_tensor): bank.weights for bank in banks}
    parts = {_mark(weights): weights.size for weights in by_name.values()}
    biases = {_mark(bank.bias): bank.bias.size for bank in banks if bank.bias is not None}
    return sum(parts.values()) + sum(biases.values())


def _mark(values: FloatArray) -> tuple[tuple[int, ...], bytes]:
    content = values.data if values.flags.c_contiguous else values.tobytes()
    return values.shape, hashlib.blake2b(content, digest_size=16).digest()


def _views(graph: GraphView) -> Iterator[GraphView]:
    yield graph
    for body in graph.bodies():
        yield from _views(body)
