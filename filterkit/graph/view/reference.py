"""Constants that onnx's evaluator computes in a process of its own.

It is written to be read, not to be fast, and takes whatever a node says: a graph can ask it for any time and
memory.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import numpy_helper

from filterkit import budget
from filterkit.children import environment
from filterkit.geometry import product
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.tensors import BITS
from filterkit.graph.loading.workers import Broken, Refused, Worker
from filterkit.graph.view.foldable import LEAST_WIDTH
from filterkit.graph.view.reference_worker import (
    FAILS,
    LARGE,
    MADE,
    RANDOM,
    REQUEST,
    SEQUENCE,
    SLOW,
    TEXTS,
    waited,
)
from filterkit.graph.view.shapes import known_shapes
from filterkit.graph.view.skeleton import without_weights

MOST_SENT = 1 << 27
"""Bytes of the constants that go to the process at once."""

PATIENCE = 15.0
"""Seconds of CPU time for one request; what cannot be interrupted then ends with the process."""

REASONS = {
    FAILS: "fails",
    LARGE: "is too large to compute",
    TEXTS: "handles texts",
    RANDOM: "is random",
    SLOW: "takes too long to compute",
    SEQUENCE: "does not make one tensor",
}


class NotComputed(Exception):
    """A node of a request could not be computed.

    Attributes
    ----------
    place
        Which one, or None where it is not known.
    reason
        What it does, for a message that names the node before it.
    seconds
        What was spent on it: all there was, where the process did not survive.
    """

    def __init__(self, place: int | None, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.place, self.reason, self.seconds = place, reason, seconds


@dataclass(frozen=True, slots=True)
class Computed:
    """What nodes made: the wanted values, bytes made on the way, how many of these were new, and seconds."""

    values: Mapping[str, Any]
    work: int
    growth: int
    seconds: float


def compute(
    nodes: Sequence[onnx.NodeProto],
    known: Mapping[str, Any],
    wanted: Sequence[str],
    *,
    opset: int,
    ir_version: int,
    work: int,
    growth: int,
    seconds: float,
) -> Computed:
    """Compute foldable nodes, in their order.

    Parameters
    ----------
    known
        Arrays by the names under which the nodes read them.
    wanted
        Names of outputs.
    work, growth
        Bytes that the nodes may make altogether, and how many of these may be new, that is, more than went
        into the node that made them.
    seconds
        CPU time that it may take.

    Raises
    ------
    NotComputed
        A node could not be computed within all this.
    """
    for place, node in enumerate(nodes):
        if any(known[name].dtype.kind in "OSU" for name in node.input if name in known):
            raise NotComputed(place, REASONS[TEXTS])
    if sum(value.nbytes for value in known.values()) > MOST_SENT:
        raise NotComputed(0, "reads more than goes into the process that would compute it")
    graph = onnx.GraphProto(name="constants", node=nodes)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in known.items())
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    model = onnx.ModelProto(ir_version=max(ir_version, 4), graph=graph)
    model.opset_import.append(onnx.helper.make_opsetid("", opset))
    _check_sizes(model, min(work, growth + sum(value.nbytes for value in known.values())))
    left = budget.seconds_left()
    seconds = max(min(PATIENCE, seconds, *([left] if left is not None else [])), 0.0)
    before = _worker.charged
    try:
        answer = _worker.ask(0, REQUEST.pack(work, growth, seconds) + model.SerializeToString())
    except Refused as error:
        at, _, why = str(error).partition(" ")
        spent = max(_worker.charged - before, 0.0)
        if not (at.isdecimal() and why.isdecimal() and int(at) < len(nodes)):
            raise NotComputed(None, "take too much to compute", spent) from error
        raise NotComputed(int(at), REASONS.get(int(why), REASONS[FAILS]), spent) from error
    except Broken as error:
        raise NotComputed(None, "take too much to compute", seconds) from error
    made, new = MADE.unpack_from(answer)
    found = onnx.GraphProto.FromString(answer[MADE.size :])
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in found.initializer}
    return Computed(values, made, new, max(_worker.charged - before, 0.0))


def _check_sizes(model: onnx.ModelProto, most: int) -> None:
    """Raises NotComputed where a node is known to make more than so many bytes, as far as shapes tell."""
    try:
        graph = sandbox.with_shapes(without_weights(model)).graph
    except sandbox.Failed:  # the evaluator will fail, too, or has a way
        return
    shapes = known_shapes(graph)
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    for place, node in enumerate(model.graph.node):
        for name in node.output:
            width = max(LEAST_WIDTH, BITS.get(kinds.get(name, 0), 0) // 8)
            if name in shapes and product(shapes[name]) * width > most:
                raise NotComputed(place, REASONS[LARGE])


def _command() -> list[str]:
    return [sys.executable or "", "-P", "-m", "filterkit.graph.view.reference_worker"]


def _environment() -> Mapping[str, str]:
    # numpy's threads would take address space, and for constants as small as these have nothing to do.
    return environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


_worker = Worker(_command, _environment, waited)
