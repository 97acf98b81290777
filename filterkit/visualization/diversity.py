"""Several different pictures for one filter: an objective that rewards differences between them.

Olah et al. 2017, section "Diversity", after Gatys et al. 2015, "Texture Synthesis Using Convolutional Neural
Networks": pictures of the same texture have similar Gram matrices, the products of a layer's maps summed over
positions. Here the response is reduced by its share of the mean cosine similarity with the other pictures, so
that no weight depends on the unit of responses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from filterkit.graph.gradient.recent_opset import upgrade
from filterkit.graph.loading.names import free_name

AXES = "NCDHW123456789"


def diverse(
    model: onnx.ModelProto, tensor: str, layout: str, channel: int, place: int | None, pictures: int
) -> tuple[onnx.ModelProto, str]:
    """The model with one more tensor, shape (pictures,): what is maximized for each of the pictures.

    Parameters
    ----------
    model
        Not changed.
    tensor, layout
        The maps of the layer, and their axes.
    channel, place
        The map whose response counts, and its position if all are counted in one row; None for the mean.
    pictures
        Size of the batch, at least 2.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    upgrade(result)
    graph = result.graph
    taken = dict.fromkeys((value.name for value in (*graph.input, *graph.initializer)), 0)
    taken.update((name, 0) for node in graph.node for name in (*node.input, *node.output))

    def const(value: object) -> str:
        name = free_name("diversity/constant", taken)
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(operator: str, *inputs: str, **attributes: Any) -> str:
        name = free_name(f"diversity/{operator}", taken)
        graph.node.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    order = sorted(range(len(layout)), key=lambda axis: AXES.index(layout[axis]))
    maps = op("Reshape", op("Transpose", tensor, perm=order), const(np.array([0, 0, -1])))
    gram = op("MatMul", maps, op("Transpose", maps, perm=[0, 2, 1]))
    gram = op("Reshape", gram, const(np.array([0, -1])))
    length = op("ReduceL2", gram, const(np.array([1])))
    gram = op("Div", gram, op("Add", length, const(np.float32(1e-12))))
    similar = op("MatMul", gram, op("Transpose", gram, perm=[1, 0]))
    others = (1 - np.eye(pictures, dtype=np.float32)) / max(pictures - 1, 1)
    share = op("ReduceSum", op("Mul", similar, const(others)), const(np.array([1])), keepdims=0)
    own = op("Gather", maps, const(np.array(channel)), axis=1)
    if place is None:
        response = op("ReduceMean", own, const(np.array([1])), keepdims=0)
    else:
        response = op("Gather", own, const(np.array(place)), axis=1)
    return result, op("Sub", response, op("Mul", op("Abs", response), share))
