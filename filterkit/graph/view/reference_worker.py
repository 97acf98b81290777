"""The worker process in which onnx's evaluator computes constants (see `reference`).

A request is a header and a graph, whose initializers are the known values, and whose outputs are the wanted
ones. The response is a header and a graph with the outputs as initializers, or the index of the node that
failed and the reason.
"""

from __future__ import annotations

import _thread
import math
import signal
import struct
import threading
import time
from collections import Counter
from types import FrameType
from typing import Any

import onnx
from onnx import numpy_helper

from filterkit.graph.loading import sandbox_worker
from filterkit.graph.view.evaluation import Random, check_numbers, cost_of_value, evaluate
from filterkit.graph.view.foldable import Textual, bytes_made, is_computed_in_place
from filterkit.graph.view.walk import opset_of, reads

REQUEST = struct.Struct("<QQd")
"""Bytes that the nodes may produce together, how many of these may be growth, and seconds of CPU time."""

MADE = struct.Struct("<QQ")
"""Bytes that they produced, and how many of these were growth."""

FAILS, LARGE, TEXTS, RANDOM, SLOW, SEQUENCE = range(6)
"""Reasons why a node is not computed."""

MEMORY = 2 << 30
"""Bytes for any request, besides copies of the request; Python and its libraries take some of them."""

GRACE = 2
"""Seconds of CPU time after which the process is ended if numpy prevents an interruption."""


TICK = 0.05
"""Seconds between two checks of the CPU time."""


class _Slow(Exception):
    """The CPU time limit was reached."""


def compute(data: bytes) -> bytes:
    """Respond to one request; raises ValueError with the index of the node that failed and the reason."""
    work, growth, seconds = REQUEST.unpack_from(data)
    model = onnx.ModelProto.FromString(data[REQUEST.size :])
    values: dict[str, Any] = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    wanted = [output.name for output in model.graph.output]
    left = Counter([*wanted, *(name for node in model.graph.node for name in reads(node))])
    made = new = 0
    sandbox_worker.limit(CPU=int(time.process_time() + seconds + GRACE) + 1)
    for place, node in enumerate(model.graph.node):
        inputs = [values[name] if name else None for name in node.input]
        try:
            seconds -= _run(node, inputs, values, model, seconds, work - made)
            largest = max(map(cost_of_value, inputs), default=0)
            size = sum(cost_of_value(values[name]) for name in node.output if name)
            made, new = made + size, new + max(size - largest, 0)
            if made > work or new > growth:
                raise MemoryError
        except BaseException as error:  # a malformed node can make the evaluator raise anything
            raise ValueError(f"{place} {_why(error)}") from error
        if any(isinstance(values[name], list | None) for name in node.output if name in wanted):
            raise ValueError(f"{place} {SEQUENCE}")
        left.subtract(reads(node))
        for name in (*reads(node), *node.output):
            if not left[name]:
                values.pop(name, None)
    response = onnx.GraphProto()
    response.initializer.extend(numpy_helper.from_array(values[name], name) for name in wanted)
    content: bytes = response.SerializeToString()
    return MADE.pack(made, new) + content


def _run(
    node: onnx.NodeProto,
    inputs: list[Any],
    values: dict[str, Any],
    model: onnx.ModelProto,
    seconds: float,
    most_bytes: int,
) -> float:
    """Compute a node, and store its outputs in `values`; return the CPU time used."""
    before = time.process_time()
    _set_deadline(seconds)
    try:
        check_numbers(inputs)
        bounded = is_computed_in_place(node) and not any(isinstance(value, list) for value in inputs)
        if bounded and bytes_made(node, inputs) > most_bytes:
            raise MemoryError
        outputs = evaluate(node, inputs, opset_of(model), model.ir_version, values)
        check_numbers(outputs)
    finally:
        _set_deadline(0)
    values.update(zip(node.output, outputs, strict=True))
    return time.process_time() - before


def _why(error: BaseException) -> int:
    kinds = ((_Slow, SLOW), (MemoryError, LARGE), (Textual, TEXTS), (Random, RANDOM))
    return next((reason for kind, reason in kinds if isinstance(error, kind)), FAILS)


def _set_deadline(seconds: float) -> None:
    """Interrupt the evaluator after this much CPU time; 0 for never."""
    if seconds < 0:
        raise _Slow
    with _watching:
        _deadline[0] = time.process_time() + seconds if seconds else math.inf


def _watch() -> None:
    """Interrupt the main thread once its deadline has passed."""
    while True:
        time.sleep(TICK)
        with _watching:
            if time.process_time() > _deadline[0]:
                _deadline[0] = math.inf
                _thread.interrupt_main(signal.SIGTERM)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _Slow


_deadline = [math.inf]
"""The CPU time at which the evaluator is interrupted."""
_watching = threading.Lock()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_watch, daemon=True).start()
    sandbox_worker.serve([compute], MEMORY)
