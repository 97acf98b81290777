"""Gradients of recurrent layers, whose states are passed back step by step in a Scan.

All gates are computed again, for all steps at once: the output holds the states that they read. Names are
those of the ONNX operators: X inputs, H states, and their weights W and R, whose rows are those of all gates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import ValueInfoProto, helper

from filterkit.graph.gradient.backward import Backward, Builder, Family, Gradients, standard
from filterkit.graph.gradient.formula import Value
from filterkit.graph.loading.names import free_name

ACTIVATIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}

Values = Sequence[Value]
Direction = Callable[[Backward, Value, Value, Value, Value, Value, Values], tuple[Value, Values]]
"""From X Wᵀ, H Rᵀ, H, R, the gradient of the output, and the initial value and the gradient of the final
value of each state: the gradient of X Wᵀ, and those of the initial states."""


def recurrent(direction: Direction, states: int) -> Callable[[Backward], Gradients]:
    """The rule of an operator with this many states."""

    def rule(step: Backward) -> Gradients:
        _check(step)
        count = step.shape(1)[0]
        of_inputs: list[str] = []
        of_states: list[list[str]] = [[] for _ in range(states)]
        for number in range(count):
            backwards = step.attributes.get("direction") == "reverse" or number == 1
            found, initial = _direction(step, direction, number, backwards, states)
            of_inputs.append(found.name)
            for each, one in zip(of_states, initial, strict=True):
                each.append(step.op("Unsqueeze", one.name, step.ints(0)))
        stacked = [each[0] if count == 1 else step.op("Concat", *each, axis=0) for each in of_states]
        return (step.builder.total(of_inputs), None, None, None, None, *stacked)[: len(step.inputs)]

    return rule


def _check(step: Backward) -> None:
    given, kind = step.attributes, step.node.op_type
    if any(step.needed[1:4]) or any(step.needed[7:]):
        raise step.unsupported("its weights depend on the input")
    usual = ACTIVATIONS[kind] * step.shape(1)[0]
    if [name.lower() for name in given.get("activations", usual)] != [name.lower() for name in usual]:
        raise step.unsupported("its activations are not the default ones")
    for name, what in (
        ("clip", "it clips"),
        ("layout", "its layout is 1"),
        ("input_forget", "it couples gates"),
    ):
        if given.get(name, 0):
            raise step.unsupported(what)
    if step.has(7):
        raise step.unsupported("it has peepholes")
    lengths = step.constant(4)
    if step.has(4) and (lengths is None or (lengths != step.shape()[0]).any()):
        raise step.unsupported("its sequences have different lengths")


def _direction(
    step: Backward, direction: Direction, number: int, backwards: bool, states: int
) -> tuple[Value, Values]:
    """The gradients of X and of the initial states by one direction of a layer."""
    steps, batch, _ = step.shape()
    size, place = step.attributes["hidden_size"], step.const(number)
    zeros = step.op("Expand", step.const(0.0), step.ints(batch, size))
    order = step.const(np.arange(steps)[::-1].astype(np.int64))

    def value(name: str) -> Value:
        return Value(step.builder, name)

    def part(tensor: str, axis: int = 0) -> Value:
        return value(step.op("Gather", tensor, place, axis=axis))

    def in_order(sequence: Value) -> Value:
        return sequence.call("Gather", value(order), axis=0) if backwards else sequence

    def state(index: int) -> Value:
        return part(step.inputs[index]) if step.has(index) else value(zeros)

    weights, recurrent_weights = part(step.inputs[1]), part(step.inputs[2])
    initial = [state(5 + index) for index in range(states)]
    incoming = [*step.gradients, None, None][:3]
    final = [part(found) if found else value(zeros) for found in incoming[1 : 1 + states]]
    outputs = in_order(part(step.output(), axis=1))
    before = _before(outputs, initial[0], steps)
    inputs = in_order(value(step.inputs[0])).call("MatMul", _transposed(weights))
    states_ = before.call("MatMul", _transposed(recurrent_weights))
    if step.has(3):
        halves = step.ops("Split", [part(step.inputs[3]).name], 2, axis=0, num_outputs=2)
        inputs, states_ = inputs + value(halves[0]), states_ + value(halves[1])
    of_output = in_order(part(incoming[0], axis=1)) if incoming[0] else outputs * 0.0
    ends = [each for pair in zip(initial, final, strict=True) for each in pair]
    gates, of_initial = direction(step, inputs, states_, before, recurrent_weights, of_output, ends)
    return in_order(gates.call("MatMul", weights)), of_initial


def _before(sequence: Value, first: Value, steps: int) -> Value:
    """What precedes each element of a sequence."""
    ones = sequence.builder.ints
    shifted = sequence.call("Slice", *(Value(sequence.builder, ones(each)) for each in (0, steps - 1, 0)))
    return first.call("Unsqueeze", Value(first.builder, ones(0))).call("Concat", shifted, axis=0)


def _transposed(matrix: Value) -> Value:
    return matrix.call("Transpose", perm=[1, 0])


def _split(tensor: Value, count: int) -> Values:
    builder = tensor.builder
    return [
        Value(builder, name)
        for name in builder.ops("Split", [tensor.name], count, axis=-1, num_outputs=count)
    ]


def _joined(parts: Values) -> Value:
    return parts[0].call("Concat", *parts[1:], axis=-1)


def _scan(
    builder: Builder,
    body: Callable[[Values, Values], tuple[Values, Values]],
    states: Values,
    sequences: Values,
    *,
    backwards: bool,
) -> tuple[Values, Values]:
    """Run a body for all steps: from states and elements of sequences to new states and more elements."""
    inner = Builder(builder.taken, builder.dtype)
    names = [free_name("gradient/step", builder.taken) for _ in range(len(states) + len(sequences))]
    given = [Value(inner, name) for name in names]
    new, made = body(given[: len(states)], given[len(states) :])
    kind = helper.np_dtype_to_tensor_dtype(builder.dtype)
    graph = helper.make_graph(
        inner.nodes,
        "step",
        [helper.make_tensor_value_info(name, kind, None) for name in names],
        [ValueInfoProto(name=each.name) for each in (*new, *made)],
        inner.tensors,
    )
    found = builder.ops(
        "Scan",
        [each.name for each in (*states, *sequences)],
        len(new) + len(made),
        body=graph,
        num_scan_inputs=len(sequences),
        scan_input_directions=[int(backwards)] * len(sequences),
        scan_output_directions=[int(backwards)] * len(made),
    )
    values = [Value(builder, name) for name in found]
    return values[: len(new)], values[len(new) :]


def _rnn(
    step: Backward, x: Value, h: Value, before: Value, weights: Value, incoming: Value, ends: Values
) -> tuple[Value, Values]:
    slope = 1.0 - (x + h).call("Tanh") ** 2

    def back(states: Values, items: Values) -> tuple[Values, Values]:
        gate = (states[0] + items[0]) * items[1]
        return [gate.call("MatMul", weights)], [gate]

    found, (gates,) = _scan(step.builder, back, ends[1:], [incoming, slope], backwards=True)
    return gates, found


def _gru(
    step: Backward, x: Value, h: Value, before: Value, weights: Value, incoming: Value, ends: Values
) -> tuple[Value, Values]:
    """Gates z, r and h: the new state is ``(1 - z) * h + z * before``."""
    size = step.attributes["hidden_size"]
    x_z, x_r, x_h = _split(x, 3)
    h_z, h_r, h_h = _split(h, 3)
    z, r = (x_z + h_z).call("Sigmoid"), (x_r + h_r).call("Sigmoid")
    ends_of_rows = [Value(step.builder, step.ints(each)) for each in (2 * size, 3 * size, 0)]
    last = weights.call("Slice", *ends_of_rows)  # R of the gate h
    resets_product = bool(step.attributes.get("linear_before_reset", 0))
    if resets_product:
        reset = h_h
        new = (x_h + r * h_h).call("Tanh")
    else:
        reset = before
        offset = h_h - before.call("MatMul", _transposed(last))  # the bias
        new = (x_h + (r * before).call("MatMul", _transposed(last)) + offset).call("Tanh")

    def back(states: Values, items: Values) -> tuple[Values, Values]:
        arriving, z, r, new, reset, before = items
        total = states[0] + arriving
        of_h = total * (1.0 - z) * (1.0 - new**2)
        of_z = total * (before - new) * z * (1.0 - z)
        if resets_product:
            of_r = of_h * reset * r * (1.0 - r)
            through = _joined([of_z, of_r, of_h * r]).call("MatMul", weights)
            return [total * z + through], [_joined([of_z, of_r, of_h])]
        of_product = of_h.call("MatMul", last)
        of_r = of_product * reset * r * (1.0 - r)
        through = _joined([of_z, of_r, of_h * 0.0]).call("MatMul", weights)
        return [total * z + of_product * r + through], [_joined([of_z, of_r, of_h])]

    items = [incoming, z, r, new, reset, before]
    found, (gates,) = _scan(step.builder, back, ends[1:], items, backwards=True)
    return gates, found


def _lstm(
    step: Backward, x: Value, h: Value, before: Value, weights: Value, incoming: Value, ends: Values
) -> tuple[Value, Values]:
    """Gates i, o, f and c: the cell is ``f * before + i * c``, the state ``o * tanh(cell)``."""
    parts = _split(x + h, 4)
    i, o, f = (part.call("Sigmoid") for part in parts[:3])
    c, (_, of_state, first, of_cell) = parts[3].call("Tanh"), ends

    def forward(states: Values, items: Values) -> tuple[Values, Values]:
        cell = items[0] * states[0] + items[1] * items[2]
        return [cell], [cell.call("Identity")]

    _, (cells,) = _scan(step.builder, forward, [first], [f, i, c], backwards=False)

    def back(states: Values, items: Values) -> tuple[Values, Values]:
        arriving, i, o, f, c, cell, cell_before = items
        total, curved = states[0] + arriving, cell.call("Tanh")
        on_cell = states[1] + total * o * (1.0 - curved**2)
        gates = _joined(
            [
                on_cell * c * i * (1.0 - i),
                total * curved * o * (1.0 - o),
                on_cell * cell_before * f * (1.0 - f),
                on_cell * i * (1.0 - c**2),
            ]
        )
        return [gates.call("MatMul", weights), on_cell * f], [gates]

    items = [incoming, i, o, f, c, cells, _before(cells, first, step.shape()[0])]
    found, (gates,) = _scan(step.builder, back, [of_state, of_cell], items, backwards=True)
    return gates, found


def rule() -> Family:
    return standard(RNN=recurrent(_rnn, 1), GRU=recurrent(_gru, 1), LSTM=recurrent(_lstm, 2))
