"""Make fixed batch and picture sizes symbolic where possible, and check which sizes a graph accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import GraphProto, ModelProto, TensorShapeProto, ValueInfoProto

from filterkit.errors import NotFoundError, closest
from filterkit.geometry import product
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.names import shown
from filterkit.graph.view.shapes import Contradiction, infer_shapes, without_weights
from filterkit.graph.view.walk import attributes, bodies

WINDOWED = frozenset({"Conv", "MaxPool", "AveragePool", "LpPool", "QLinearConv", "ConvInteger"})
"""Operators that slide a window over their first input, N C H W."""

Shapes = Mapping[str, tuple[int, ...]]


def free_sizes(model: ModelProto, input_name: str, layout: str) -> ModelProto:
    """Make the batch size and the picture size symbolic, where the graph allows.

    Files often fix sizes that their convolutions do not require, and sometimes sizes that the graph does
    require (a dense head, a Reshape to constants). To distinguish them, all shapes are inferred at the
    declared size and at another, without the weights, which takes milliseconds. Sizes are made symbolic if
    inference reaches every tensor without an inconsistency, and every Reshape keeps its number of elements.
    In addition, the batch size must reach every output unchanged, and height and width must not affect any
    batch axis. Otherwise sizes stay fixed.

    Parameters
    ----------
    model
        Changed in place, since a copy would duplicate the weights. Shapes that no longer apply are removed.
    input_name
        The picture input.
    layout
        Its axes, ``"NCHW"``, ``"NHWC"``, ``"NCW"``, …; symbolic axes are named by these letters.

    Returns
    -------
    ModelProto
        `model` itself.

    Raises
    ------
    NotFoundError
        The graph has no such input.
    """
    value = next((value for value in model.graph.input if value.name == input_name), None)
    if value is None:
        raise NotFoundError(
            f"the graph has no input '{input_name}'",
            hint=closest(input_name, (shown(value.name) for value in model.graph.input)),
        )
    if not value.type.tensor_type.HasField("shape"):
        value.type.tensor_type.shape.dim.extend(TensorShapeProto.Dimension(dim_param=axis) for axis in layout)
    dims = value.type.tensor_type.shape.dim
    if len(dims) != len(layout):
        return model
    skeleton = skeleton_of(model)
    free = _free_axes(skeleton, input_name, layout, [max(dim.dim_value, 0) for dim in dims])
    for axis in free:
        dims[axis].dim_param = layout[axis]
    if free:
        _clear_shapes(model.graph)
    _update_outputs(model, skeleton, value)
    return model


def window_too_large(skeleton: ModelProto, input_name: str, sizes: Sequence[int]) -> str | None:
    """The first window that is larger than its padded input, when the graph's input has these sizes.

    Deep in a network, a small picture may shrink to nothing. ONNX Runtime then fails at a convolution with an
    unspecific message, and returns one meaningless value for a pooling.

    Returns
    -------
    str or None
        As a message, e.g. ``"MaxPool 'pool5' slides a window of 2×2 over 1×1"``; None if all windows fit, or
        if shapes cannot be inferred.
    """
    try:
        shapes = infer_shapes(skeleton, input_name, sizes)
    except Contradiction:
        return None
    for node in skeleton.graph.node:
        if node.op_type not in WINDOWED or not node.input or node.input[0] not in shapes:
            continue
        given = attributes(node)
        place = 3 if node.op_type == "QLinearConv" else 1
        weights = shapes.get(node.input[place]) if len(node.input) > place else None
        kernel = given.get("kernel_shape") or (weights[2:] if weights else ())
        space = shapes[node.input[0]][2:]
        if len(kernel) != len(space) or given.get("auto_pad", "NOTSET").startswith("SAME"):
            continue
        pads = given.get("pads") or [0] * (2 * len(space))
        dilations = given.get("dilations") or [1] * len(space)
        window = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
        padded = [
            size + before + after
            for size, before, after in zip(space, pads[: len(space)], pads[len(space) :], strict=True)
        ]
        if any(wide > room for wide, room in zip(window, padded, strict=True)):
            return (
                f"{node.op_type} '{shown(node.name or node.output[0])}' slides a window of "
                f"{'×'.join(map(str, window))} over {'×'.join(str(max(size, 0)) for size in padded)}"
            )
    return None


def skeleton_of(model: ModelProto) -> ModelProto:
    """The model without its weights, and without any shapes except those of its inputs.

    Inferring shapes on it is cheap, whatever the size of `model`.
    """
    skeleton = without_weights(model)
    _clear_shapes(skeleton.graph)
    return skeleton


def _free_axes(skeleton: ModelProto, input_name: str, layout: str, declared: Sequence[int]) -> list[int]:
    """Axes that may have any size; `declared` is 0 where the file does not fix the size."""
    batch = [axis for axis, letter in enumerate(layout) if letter == "N"]
    space = [axis for axis, letter in enumerate(layout) if letter not in "NC"]
    # Multiples of 64 keep downsampling and upsampling aligned; the axes get different sizes.
    base = [size or (3 if axis in batch else 256) for axis, size in enumerate(declared)]
    larger = [size + 64 * (axis + 1) if axis in space else size for axis, size in enumerate(base)]
    more = [size + 2 if axis in batch else size for axis, size in enumerate(base)]

    before = _shapes_at(skeleton, input_name, base)
    with_more = _of_same_ranks(before, _shapes_at(skeleton, input_name, more))
    with_larger = _of_same_ranks(before, _shapes_at(skeleton, input_name, larger))
    free = [axis for axis, size in enumerate(declared) if size == 0 and layout[axis] != "C"]
    if before is None:
        return free
    if with_more is not None and batch and _keeps_batch_axis(skeleton, before, with_more, base, more):
        free += batch
    if with_larger is not None and not _mixes_batch_and_space(
        base, more, (before, with_more, with_larger), batch
    ):
        free += space
    return sorted(set(free))


def _of_same_ranks(before: Shapes | None, shapes: Shapes | None) -> Shapes | None:
    """`shapes`, or None if a rank changed, as onnx infers where an explicit output_shape is too small."""
    if before is None or shapes is None:
        return None
    return shapes if all(len(shapes[name]) == len(before[name]) for name in before) else None


def _keeps_batch_axis(
    skeleton: ModelProto, before: Shapes, with_more: Shapes, base: Sequence[int], more: Sequence[int]
) -> bool:
    """Whether a larger batch changes one axis of every output by the same amount, and nothing else."""
    (change,) = {(few, many) for few, many in zip(base, more, strict=True) if few != many}
    return all(
        [pair for pair in zip(before[name], with_more[name], strict=True) if pair[0] != pair[1]] == [change]
        for name in (value.name for value in skeleton.graph.output)
    )


def _mixes_batch_and_space(
    base: Sequence[int],
    more: Sequence[int],
    shapes: tuple[Shapes, Shapes | None, Shapes],
    batch: Sequence[int],
) -> bool:
    """Whether the size of a batch axis changes with the picture size."""
    before, with_more, with_larger = shapes
    if with_more is None or not batch:
        return False
    few, many = base[batch[0]], more[batch[0]]
    return any(
        (a, b) == (few, many) and c != few
        for name, shape in before.items()
        for a, b, c in zip(shape, with_more[name], with_larger[name], strict=True)
    )


def _shapes_at(skeleton: ModelProto, input_name: str, sizes: Sequence[int]) -> Shapes | None:
    """The shape of every tensor for an input of `sizes`, or None if the graph does not allow them."""
    try:
        shapes = infer_shapes(skeleton, input_name, sizes)
    except Contradiction:
        return None
    for node in skeleton.graph.node:
        if any(name and name not in shapes for name in node.output):
            return None
        if node.op_type == "Reshape" and not _same_number_of_elements(
            shapes[node.input[0]], shapes[node.output[0]]
        ):
            return None
    return shapes


def _same_number_of_elements(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether tensors of these shapes have the same number of elements; False for negative sizes, which onnx
    may infer."""
    try:
        return product(one) == product(other)
    except ValueError:
        return False


def _clear_shapes(graph: GraphProto) -> None:
    """Clear all shapes except those of the inputs, in bodies as well."""
    del graph.value_info[:]
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    for node in graph.node:
        for body in bodies(node):
            _clear_shapes(body)


def _update_outputs(model: ModelProto, skeleton: ModelProto, value: ValueInfoProto) -> None:
    """Set the types and shapes of the outputs to those inferred for the changed input, where known."""
    next(given for given in skeleton.graph.input if given.name == value.name).CopyFrom(value)
    try:
        described = sandbox.with_shapes(skeleton).graph
    except sandbox.Failed:
        return
    known = {output.name: output for output in described.output}
    for output in model.graph.output:
        if known[output.name].type.tensor_type.HasField("shape"):
            output.CopyFrom(known[output.name])
