"""Freeing the number and size of pictures that a file fixes, and telling which sizes a graph takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import GraphProto, ModelProto, TensorShapeProto, ValueInfoProto

from filterkit.errors import NotFoundError, closest
from filterkit.geometry import product
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.names import shown
from filterkit.graph.view.shapes import Contradiction, infer_shapes
from filterkit.graph.view.skeleton import without_weights
from filterkit.graph.view.walk import attributes, bodies

WINDOWED = frozenset({"Conv", "MaxPool", "AveragePool", "LpPool", "QLinearConv", "ConvInteger"})
"""Operators that slide a window over their first input, N C H W."""

Shapes = Mapping[str, tuple[int, ...]]


def free_sizes(model: ModelProto, input_name: str, layout: str) -> ModelProto:
    """Make the number of pictures and their size symbolic, where the graph allows.

    A file often fixes sizes that its convolutions do not need, and sometimes ones that it does need (a dense
    head, a Reshape to constants). Which of the two is found by inferring all shapes at the declared size and
    at another, without the weights, in milliseconds. A size is freed where inference reaches every tensor
    without a contradiction and every Reshape keeps its number of elements; the number of pictures, if it
    arrives at every output as it is; height and width, if no axis that counted pictures starts to count
    positions. What cannot be shown to be free keeps its size.

    Parameters
    ----------
    model
        Changed in place, since a copy would double the weights. Shapes that no longer hold are dropped.
    input_name
        The picture input.
    layout
        Its axes, ``"NCHW"``, ``"NHWC"``, ``"NCW"``, …; freed axes are named by these letters.

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
        _forget_shapes(model.graph)
    _describe_outputs(model, skeleton, value)
    return model


def window_too_large(skeleton: ModelProto, input_name: str, sizes: Sequence[int]) -> str | None:
    """What does not fit where the input has these sizes: the first window larger than what it slides over.

    Deep in a network a small picture has shrunk to nothing; ONNX Runtime then fails at a convolution with a
    bare shape, and lets a pooling pass with one made-up output.

    Returns
    -------
    str or None
        In words, e.g. ``"MaxPool 'pool5' slides a window of 2×2 over 1×1"``; None where all fits, and where
        shapes cannot be inferred.
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
    """The model without its weights, and without any shape but those of its inputs.

    Shapes can be inferred on it for next to nothing, whatever the size of `model`.
    """
    skeleton = without_weights(model)
    _forget_shapes(skeleton.graph)
    return skeleton


def _free_axes(skeleton: ModelProto, input_name: str, layout: str, declared: Sequence[int]) -> list[int]:
    """Axes that may take any size; `declared` holds 0 where the file leaves the size open."""
    batch = [axis for axis, letter in enumerate(layout) if letter == "N"]
    space = [axis for axis, letter in enumerate(layout) if letter not in "NC"]
    # Steps of 64 keep the halves and doubles of encoders and decoders aligned, and differ by axis.
    base = [size or (3 if axis in batch else 256) for axis, size in enumerate(declared)]
    larger = [size + 64 * (axis + 1) if axis in space else size for axis, size in enumerate(base)]
    more = [size + 2 if axis in batch else size for axis, size in enumerate(base)]

    before = _shapes_at(skeleton, input_name, base)
    with_more = _of_same_ranks(before, _shapes_at(skeleton, input_name, more))
    with_larger = _of_same_ranks(before, _shapes_at(skeleton, input_name, larger))
    free = [axis for axis, size in enumerate(declared) if size == 0 and layout[axis] != "C"]
    if before is None:
        return free
    if with_more is not None and batch and _counts_pictures(skeleton, before, with_more, base, more):
        free += batch
    if with_larger is not None and not _mixes(base, more, (before, with_more, with_larger), batch):
        free += space
    return sorted(set(free))


def _of_same_ranks(before: Shapes | None, shapes: Shapes | None) -> Shapes | None:
    """`shapes`, unless a tensor lost axes, as onnx infers where a stated output_shape is too small."""
    if before is None or shapes is None:
        return None
    return shapes if all(len(shapes[name]) == len(before[name]) for name in before) else None


def _counts_pictures(
    skeleton: ModelProto, before: Shapes, with_more: Shapes, base: Sequence[int], more: Sequence[int]
) -> bool:
    """Whether more pictures make one axis of every output longer by as much, and change nothing else."""
    (change,) = {(few, many) for few, many in zip(base, more, strict=True) if few != many}
    return all(
        [pair for pair in zip(before[name], with_more[name], strict=True) if pair[0] != pair[1]] == [change]
        for name in (value.name for value in skeleton.graph.output)
    )


def _mixes(
    base: Sequence[int],
    more: Sequence[int],
    shapes: tuple[Shapes, Shapes | None, Shapes],
    batch: Sequence[int],
) -> bool:
    """Whether an axis that counted pictures counts positions too, once pictures are larger."""
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
    """The shape of every tensor for an input of `sizes`, or None where the graph does not allow that."""
    try:
        shapes = infer_shapes(skeleton, input_name, sizes)
    except Contradiction:
        return None
    for node in skeleton.graph.node:
        if any(name and name not in shapes for name in node.output):
            return None
        if node.op_type == "Reshape" and not _as_many(shapes[node.input[0]], shapes[node.output[0]]):
            return None
    return shapes


def _as_many(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether tensors of these shapes have equally many elements; negative sizes, which inference may come
    to, are none."""
    try:
        return product(one) == product(other)
    except ValueError:
        return False


def _forget_shapes(graph: GraphProto) -> None:
    """Drop every shape but those of the inputs, in bodies too."""
    del graph.value_info[:]
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    for node in graph.node:
        for body in bodies(node):
            _forget_shapes(body)


def _describe_outputs(model: ModelProto, skeleton: ModelProto, value: ValueInfoProto) -> None:
    """Give the outputs the types and shapes that follow from the (freed) input, where that can be told."""
    next(given for given in skeleton.graph.input if given.name == value.name).CopyFrom(value)
    try:
        described = sandbox.with_shapes(skeleton).graph
    except sandbox.Failed:
        return
    known = {output.name: output for output in described.output}
    for output in model.graph.output:
        if known[output.name].type.tensor_type.HasField("shape"):
            output.CopyFrom(known[output.name])
