"""Compute constants with onnx's reference evaluator, in a worker process.

The evaluator is written for clarity, not speed, and sets no limits: a graph can make it use any amount of
time and memory.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import numpy_helper

from filterkit import budget
from filterkit.child_processes import environment
from filterkit.geometry import product
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.sandbox import Crashed, Refused, Worker
from filterkit.graph.loading.tensors import BITS
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
)
from filterkit.graph.view.shapes import known_shapes, without_weights

MOST_SENT = 1 << 27
"""Bytes of constants that one request may contain."""

PATIENCE = 15.0
"""Seconds of CPU time for one request; if it cannot be interrupted then, the process is ended."""

WALL_CLOCK_FACTOR = 6
"""Factor on the sandbox's time limit, since the process may have to start, and the machine may be busy."""

REASONS = {
    FAILS: "fails",
    LARGE: "is too large to compute",
    TEXTS: "handles strings",
    RANDOM: "is random",
    SLOW: "takes too long to compute",
    SEQUENCE: "does not produce a single tensor",
}


class NotComputed(Exception):
    """A node of a request could not be computed.

    Attributes
    ----------
    place
        Its index, or None if unknown.
    reason
        Why, phrased to follow the name of the node in a message.
    seconds
        CPU time spent; all that was allowed, if the process crashed.
    """

    def __init__(self, place: int | None, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.place, self.reason, self.seconds = place, reason, seconds


@dataclass(frozen=True, slots=True)
class Computed:
    """Results: the wanted values, bytes produced, how many of these were growth, and seconds of CPU time."""

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
    """Compute foldable nodes, in the given order.

    Parameters
    ----------
    known
        Input arrays by name.
    wanted
        Names of the outputs to return.
    work, growth
        Bytes that the nodes may produce together, and how many of these may be growth, that is, in excess of
        the largest input of their node.
    seconds
        CPU time allowed.

    Raises
    ------
    NotComputed
        A node could not be computed within these limits.
    """
    for place, node in enumerate(nodes):
        if any(known[name].dtype.kind in "OSU" for name in node.input if name in known):
            raise NotComputed(place, REASONS[TEXTS])
    if sum(value.nbytes for value in known.values()) > MOST_SENT:
        raise NotComputed(0, "reads more data than can be sent to the process that computes it")
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
        response = _worker.request(0, REQUEST.pack(work, growth, seconds) + model.SerializeToString())
    except Refused as error:
        at, _, why = str(error).partition(" ")
        spent = max(_worker.charged - before, 0.0)
        if not (at.isdecimal() and why.isdecimal() and int(at) < len(nodes)):
            raise NotComputed(None, "take too much to compute", spent) from error
        raise NotComputed(int(at), REASONS.get(int(why), REASONS[FAILS]), spent) from error
    except Crashed as error:
        raise NotComputed(None, "take too much to compute", seconds) from error
    made, new = MADE.unpack_from(response)
    found = onnx.GraphProto.FromString(response[MADE.size :])
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in found.initializer}
    return Computed(values, made, new, max(_worker.charged - before, 0.0))


def _check_sizes(model: onnx.ModelProto, most: int) -> None:
    """Raises NotComputed if the inferred shape of an output takes more than `most` bytes."""
    try:
        graph = sandbox.with_shapes(without_weights(model)).graph
    except sandbox.Failed:  # if the graph is invalid, the evaluator fails as well
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
    # numpy's threads would take address space, and do not speed up constants as small as these.
    return environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


_worker = Worker(_command, _environment, WALL_CLOCK_FACTOR)
