"""Compute only the selected channels of a target, where a convolution produces it.

The other filters of its layer take time, forward and back, and do not influence the value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from onnx import ModelProto, NodeProto

from filterkit.graph.gradient.backward import Builder, operator_of
from filterkit.graph.gradient.facts import Facts
from filterkit.graph.gradient.target import Target
from filterkit.graph.view.walk import attributes, reads

Places = tuple[int, ...]

CONVOLUTION: Places = (1, 2)
PARAMETERS: Mapping[str, Places] = {
    **dict.fromkeys(("Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish"), ()),
    **dict.fromkeys(("Clip", "Tanh", "Gelu", "Softplus", "Softsign", "Mish", "ThresholdedRelu"), ()),
    "BatchNormalization": (1, 2, 3, 4),
    "Conv": CONVOLUTION,
}
"""By operator: the inputs that have one entry per channel of the output, on their first axis."""


def narrow(
    model: ModelProto, target: Target, kept: Collection[str], facts: Facts, builder: Builder
) -> tuple[Target, Facts]:
    """Reduce the convolution that produces a target to the selected channels.

    Parameters
    ----------
    model
        Cut at the target; changed in place.
    kept
        Tensors whose channels must all stay.

    Returns
    -------
    Target, Facts
        All channels that are left, and the shapes of what was changed; the same as before if nothing was.
    """
    chain = _up_to_convolution(model, target.tensor, kept)
    channels, shape = target.channels, facts.shapes.get(target.tensor, ())
    fits = target.layout[:2] == "NC" and target.layout.count("C") == 1 and len(shape) == len(target.layout)
    if not chain or channels is None or not fits or not all(0 <= each < shape[1] for each in channels):
        return target, facts
    shapes = dict(facts.shapes)
    last = chain[-1]
    before = len(builder.nodes)
    for node in chain:
        for place in PARAMETERS[node.op_type]:
            if place < len(node.input) and node.input[place]:
                whole = node.input[place]
                node.input[place] = builder.op("Gather", whole, builder.ints(*channels), axis=0)
                shapes[node.input[place]] = (len(channels), *facts.shape(whole)[1:])
        made = shapes[node.output[0]]
        shapes[node.output[0]] = (made[0], len(channels), *made[2:])
    nodes = list(model.graph.node)
    first = next(place for place, node in enumerate(nodes) if node.output == last.output)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend([*copies[:first], *builder.nodes[before:], *copies[first:]])
    del builder.nodes[before:]
    return replace(target, channels=None), replace(facts, shapes=shapes)


def _up_to_convolution(model: ModelProto, tensor: str, kept: Collection[str]) -> list[NodeProto]:
    """The nodes that compute a tensor, back to a convolution whose output nothing else reads; or none."""
    producers = {name: node for node in model.graph.node for name in node.output}
    readers = Counter(name for node in model.graph.node for name in reads(node))
    chain: list[NodeProto] = []
    while tensor not in kept and readers[tensor] == len(chain[-1:]):
        node = producers.get(tensor)
        if node is None or operator_of(node)[0] or node.op_type not in PARAMETERS:
            break
        chain.append(node)
        if node.op_type == "Conv":
            return chain if attributes(node).get("group", 1) == 1 else []
        tensor = node.input[0]
    return []
