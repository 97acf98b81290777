"""Gradients of operators that move or repeat whole blocks of elements without computing."""

from __future__ import annotations

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard
from filterkit.graph.gradient.facts import FLOATS


def passed_on(step: Backward) -> Gradients:
    """Identity, and Dropout, which is the identity in inference."""
    if step.has(2) and (training := step.constant(2)) is not None and training.any():
        raise step.unsupported("it is in training mode; export the network for inference")
    return (step.gradient,)


def cast(step: Backward) -> Gradients:
    """Between floating-point types; through others, none flows."""
    if step.needed[0] and step.dtype() not in FLOATS:
        raise step.unsupported("it reads quantized numbers as integers")
    return (step.op("CastLike", step.gradient, step.inputs[0]),)


def reshape(step: Backward) -> Gradients:
    """Reshape, Flatten, Squeeze and Unsqueeze: the elements keep their order."""
    return (step.reshape(step.gradient, step.shape()),)


def transpose(step: Backward) -> Gradients:
    rank = len(step.shape())
    order = step.attributes.get("perm") or list(reversed(range(rank)))
    if not order:
        return (step.gradient,)
    return (step.op("Transpose", step.gradient, perm=sorted(range(rank), key=order.__getitem__)),)


def expand(step: Backward) -> Gradients:
    return (step.sum_to(step.gradient, step.output_shape(), step.shape()),)


def tile(step: Backward) -> Gradients:
    """Sum over the repetitions, each of which becomes an axis of its own."""
    split = [
        part
        for whole, size in zip(step.output_shape(), step.shape(), strict=True)
        for part in (whole // max(size, 1), size)
    ]
    repeated = [axis for axis in range(0, len(split), 2) if split[axis] != 1]
    summed = step.reduce("ReduceSum", step.reshape(step.gradient, split), repeated)
    return (step.reshape(summed, step.shape()),)


def concat(step: Backward) -> Gradients:
    axis = step.attributes["axis"]
    sizes = [step.shape(place)[axis] for place in range(len(step.inputs))]
    if len(sizes) == 1:
        return (step.gradient,)
    return step.ops("Split", [step.gradient, step.ints(*sizes)], len(sizes), axis=axis)


def split(step: Backward) -> Gradients:
    parts = [
        gradient or step.op("Expand", step.const(0.0), step.ints(*step.output_shape(place)))
        for place, gradient in enumerate(step.gradients)
    ]
    return (step.op("Concat", *parts, axis=step.attributes.get("axis", 0)),)


def depth_to_space(step: Backward) -> Gradients:
    """Column, row, depth: the channels are the outermost part, else they are the innermost."""
    size = step.attributes["blocksize"]
    if step.attributes.get("mode", "DCR") == "DCR":
        return (step.op("SpaceToDepth", step.gradient, blocksize=size),)
    batch, channels, height, width = step.output_shape()
    blocks = step.reshape(step.gradient, (batch, channels, height // size, size, width // size, size))
    return (step.reshape(step.op("Transpose", blocks, perm=[0, 1, 3, 5, 2, 4]), step.shape()),)


def space_to_depth(step: Backward) -> Gradients:
    return (step.op("DepthToSpace", step.gradient, blocksize=step.attributes["blocksize"]),)


def rule() -> Family:
    return standard(
        Identity=passed_on,
        Dropout=passed_on,
        Cast=cast,
        CastLike=cast,
        Reshape=reshape,
        Flatten=reshape,
        Squeeze=reshape,
        Unsqueeze=reshape,
        Transpose=transpose,
        Expand=expand,
        Tile=tile,
        Concat=concat,
        Split=split,
        DepthToSpace=depth_to_space,
        SpaceToDepth=space_to_depth,
    )
