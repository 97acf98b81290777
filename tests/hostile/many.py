"""Models of a great many parts of one kind, by kind and number: what takes longer than its file is long?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from filterkit.testing import node

WEIGHT = np.random.default_rng(0).normal(size=(3, 3, 1, 1)).astype(np.float32)


def value(name: str, shape: Sequence[int] = (1, 3, 8, 8), kind: int = TensorProto.FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Iterable[NodeProto],
    inputs: Iterable[str] = ("x",),
    outputs: Iterable[str] = ("y",),
    **constants: np.ndarray,
) -> onnx.ModelProto:
    made = onnx.ModelProto(ir_version=8)
    made.opset_import.append(helper.make_opsetid("", 17))
    made.graph.name = "many"
    made.graph.node.extend(nodes)
    made.graph.input.extend(map(value, inputs))
    made.graph.output.extend(map(value, outputs))
    for name, array in {"w": WEIGHT, **constants}.items():
        made.graph.initializer.append(numpy_helper.from_array(array, name))
    return made


def chain(count: int, step: Callable[[str, str, int], Iterable[NodeProto]]) -> list[NodeProto]:
    """`count` steps between two convolutions, from tensor to tensor."""
    nodes = [node("Conv", "x w", "t0", "first")]
    for number in range(count):
        nodes += step(f"t{number}", f"t{number + 1}", number)
    return [*nodes, node("Conv", f"t{count} w", "y", "last")]


def one_operator(op: str, *others: str, **attributes: Any) -> Callable[[int], onnx.ModelProto]:
    def made(count: int) -> onnx.ModelProto:
        def step(read: str, out: str, _: int) -> list[NodeProto]:
            return [node(op, " ".join((read, *others)), out, **attributes)]

        return model(chain(count, step), b=np.ones((3, 1, 1), np.float32))

    return made


def layers(count: int) -> onnx.ModelProto:
    """Convolutions one behind the other, all of one weight and one name."""
    return model(chain(count, lambda read, out, _: [node("Conv", f"{read} w", out, "conv")]))


def own_weights(count: int) -> onnx.ModelProto:
    """Each with a weight of its own, and a batch norm and an activation."""
    weights = {f"w{number}": WEIGHT + number for number in range(count)}
    norm = {name: np.ones(3, np.float32) for name in "gbmv"}

    def step(read: str, out: str, number: int) -> list[NodeProto]:
        return [
            node("Conv", f"{read} w{number}", f"c{number}", f"conv{number}"),
            node("BatchNormalization", f"c{number} g b m v", f"n{number}"),
            node("Relu", f"n{number}", out),
        ]

    return model(chain(count, step), **weights, **norm)


def computed_weights(count: int) -> onnx.ModelProto:
    """Each weight is computed from the one before."""

    def step(read: str, out: str, number: int) -> list[NodeProto]:
        before = f"w{number - 1}" if number else "w"
        return [node("Identity", before, f"w{number}"), node("Conv", f"{read} w{number}", out)]

    return model(chain(count, step))


def shape_arithmetic(count: int) -> onnx.ModelProto:
    def step(read: str, out: str, number: int) -> list[NodeProto]:
        return [node("Shape", read, f"s{number}"), node("Reshape", f"{read} s{number}", out)]

    return model(chain(count, step))


def read_by_all(count: int) -> onnx.ModelProto:
    """One tensor that many nodes read, and many outputs."""
    readers = [node("Relu", "y", f"o{number}") for number in range(count)]
    return model([node("Conv", "x w", "y"), *readers], outputs=[f"o{number}" for number in range(count)])


def joined(count: int) -> onnx.ModelProto:
    """One node that reads many tensors."""
    readers = [node("Relu", "c", f"t{number}") for number in range(count)]
    tensors = " ".join(f"t{number}" for number in range(count))
    return model([node("Conv", "x w", "c"), *readers, node("Concat", tensors, "y", axis=1)])


def split(count: int) -> onnx.ModelProto:
    """One node of many outputs."""
    outputs = " ".join(f"o{number}" for number in range(count))
    nodes = [node("Conv", "x w", "y"), node("Split", "y sizes", outputs, axis=2)]
    return model(nodes, outputs=["o0"], sizes=np.ones(count, np.int64))


def inputs(count: int) -> onnx.ModelProto:
    """Tensors that depend on more and more inputs."""
    made = chain(count, lambda read, out, number: [node("Add", f"{read} x{number}", out)])
    return model(made, ["x", *(f"x{number}" for number in range(count))])


def bodies(count: int) -> onnx.ModelProto:
    """A convolution in each branch of each If, all of one name."""

    def body(name: str) -> onnx.GraphProto:
        return helper.make_graph([node("Conv", "x w", name, "conv")], "body", [], [value(name)])

    nodes = [
        node(
            "If",
            "which",
            f"o{number}",
            "if",
            then_branch=body(f"a{number}"),
            else_branch=body(f"b{number}"),
        )
        for number in range(count)
    ]
    made = model(nodes, outputs=["o0"])
    made.graph.input.append(value("which", (), TensorProto.BOOL))
    return made


def deep(count: int, depth: int = 14) -> onnx.ModelProto:
    """A long chain in the innermost of bodies in bodies."""
    graph = helper.make_graph(
        chain(count, lambda read, out, _: [node("Relu", read, out)]), "g", [], [value("y")]
    )
    for level in range(depth):
        other = helper.make_graph([node("Identity", "x", f"e{level}")], "g", [], [value(f"e{level}")])
        around = node("If", "which", f"o{level}", then_branch=graph, else_branch=other)
        graph = helper.make_graph([around], "g", [], [value(f"o{level}")])
    made = model([around], outputs=[f"o{depth - 1}"])
    made.graph.input.append(value("which", (), TensorProto.BOOL))
    return made


def unused(count: int) -> onnx.ModelProto:
    """Initializers and shapes of nothing."""
    made = model([node("Conv", "x w", "y")], **{f"i{n}": np.ones(1, np.float32) for n in range(count)})
    made.graph.value_info.extend(value(f"v{number}") for number in range(count))
    return made


def functions(count: int) -> onnx.ModelProto:
    calls = chain(count, lambda read, out, number: [node(f"F{number}", f"{read} w", out, domain="own")])
    made = model(calls)
    made.opset_import.append(helper.make_opsetid("own", 1))
    opsets = [helper.make_opsetid("", 17)]
    made.functions.extend(
        helper.make_function("own", f"F{number}", ["a", "b"], ["c"], [node("Conv", "a b", "c")], opsets)
        for number in range(count)
    )
    return made


def one_function(count: int) -> onnx.ModelProto:
    """A function that calls many, and stands before them."""
    made = functions(count)
    calls = [node(f"F{number}", "a b", f"c{number}", domain="own") for number in range(count)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    every = helper.make_function("own", "All", ["a", "b"], [calls[-1].output[0]], calls, opsets)
    called = list(made.functions)
    del made.functions[:], made.graph.node[:]
    made.functions.extend([every, *called])
    made.graph.node.append(node("All", "x w", "y", domain="own"))
    return made


MANY: dict[str, Callable[[int], onnx.ModelProto]] = {
    **{each.__name__: each for each in (layers, own_weights, computed_weights, shape_arithmetic)},
    **{
        each.__name__: each
        for each in (read_by_all, joined, split, inputs, bodies, deep, unused, functions, one_function)
    },
    **{op: one_operator(op) for op in ("Relu", "Identity", "Sigmoid")},
    "Add": one_operator("Add", "b"),
    "Mul": one_operator("Mul", "b"),
    "Transpose": one_operator("Transpose", perm=[0, 1, 3, 2]),
    "MaxPool": one_operator("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
}
"""By what there is many of."""
