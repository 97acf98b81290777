"""Elementwise and reduction operators, norms, matrix products, recurrence and attention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from filterkit.graph.axes.tensor_axes import Step, Tracks, Untraceable, elementwise_output, limited
from filterkit.graph.view.view import Shape


def elementwise(step: Step) -> Tracks:
    ranks = [len(tracks.axes) for tracks in step.tracks.values()]
    shape = step.output_shape()
    if shape is not None:
        parts = [broadcast(tracks, step.shapes.get(name), shape) for name, tracks in step.tracks.items()]
    else:
        parts = list(step.tracks.values())
    return elementwise_output(parts, max([*ranks, len(shape) if shape is not None else 0]), shape)


def broadcast(tracks: Tracks, old: Shape | None, new: Shape) -> Tracks:
    """Tracks after broadcasting: along an axis of length 1 that is expanded, all positions see the same.

    Such an axis mostly comes from a pooling whose window is as large as the picture.
    """
    if old is None or len(old) > len(new):
        return tracks
    pairs = enumerate(zip(old, new[len(new) - len(old) :], strict=True))
    longer = [axis for axis, (before, after) in pairs if before == 1 and after != 1]
    return tracks.pooled(longer) if longer else tracks


def first_input_only(step: Step) -> Tracks:
    """Elementwise on the first input; the others, such as scales and zero points, have no positions."""
    return step.first_tracks()


def dynamic_quantization(step: Step) -> Iterator[Tracks]:
    """The codes, their scale and their zero point.

    Scale and zero point depend on the minimum and the maximum of all values, but they only choose the
    encoding of the same numbers, so no dependency is recorded for them.
    """
    yield step.first_tracks()
    yield Tracks(())
    yield Tracks(())


def reduction(step: Step) -> Tracks:
    tracks = step.first_tracks()
    axes = step.numbers(1, "axes")
    if not axes:
        if axes is not None and step.values.get("noop_with_empty_axes"):
            return tracks
        axes = list(range(len(tracks.axes)))
    return tracks.pooled(axes, keep=bool(step.values.get("keepdims", 1)))


def arg_reduction(step: Step) -> Tracks:
    return step.first_tracks().pooled([step.values.get("axis", 0)], keep=bool(step.values.get("keepdims", 1)))


def instance_norm(step: Step) -> Tracks:
    """Norms over space, within channels or groups of them."""
    tracks = step.first_tracks()
    if step.values.get("channels_last"):
        return tracks.mixed(range(1, len(tracks.axes)))
    return tracks.mixed(range(2, len(tracks.axes)))


def batch_norm(step: Step) -> Tracks:
    """Elementwise, except in training mode, where mean and variance are those of the input."""
    tracks = elementwise(step)
    if step.values.get("training_mode"):
        return tracks.mixed(axis for axis in range(len(tracks.axes)) if axis != 1)
    return tracks


def mean_variance_norm(step: Step) -> Tracks:
    tracks = step.first_tracks()
    return tracks.mixed(axis % len(tracks.axes) for axis in limited(step.values.get("axes", [0, 2, 3])))


def softmax(step: Step) -> Tracks:
    """Softmax and similar operators; before opset 13 they normalized over all axes from `axis` on."""
    tracks = step.first_tracks()
    rank = len(tracks.axes)
    if step.graph.opset < 13:
        return tracks.mixed(range(step.values.get("axis", 1) % rank, rank))
    return tracks.mixed([step.values.get("axis", -1) % rank])


def top_k(step: Step) -> Iterator[Tracks]:
    """The largest values along an axis and their indices: each may come from any position."""
    pooled = step.first_tracks().pooled([step.values.get("axis", -1)])
    yield pooled
    yield pooled


def scatter(step: Step) -> Tracks:
    """Updates written into a tensor; constant ones, at constant indices, leave the axes unchanged."""
    if set(step.tracks) != {step.node.input[0]}:
        raise Untraceable
    return step.first_tracks()


def recurrent(step: Step) -> Iterator[Tracks]:
    """A step depends on the whole sequence before it, so there is no window of fixed width."""
    batch = 0 if step.values.get("layout") else 1
    tracks = step.first_tracks().pooled([1 - batch, 2])
    for name, other in step.tracks.items():
        tracks = tracks if name == step.node.input[0] else tracks.depending_on(other)
    axes = (tracks.axes[batch], None, None, None) if not batch else (None, None, tracks.axes[batch], None)
    yield replace(tracks, axes=axes)
    for _ in step.node.output[1:]:
        yield replace(tracks, axes=(axes[0], None, None) if not batch else (None, axes[2], None))


def layer_norm(step: Step) -> Tracks:
    tracks = step.first_tracks()
    return tracks.mixed(range(step.values.get("axis", -1) % len(tracks.axes), len(tracks.axes)))


def cumulative_sum(step: Step) -> Tracks:
    """A position depends on all before it, so there is no window of fixed width."""
    axis = step.constant(1)
    if axis is None:
        raise Untraceable
    tracks = step.first_tracks()
    return tracks.pooled([int(axis.ravel()[0])])


def matmul(step: Step) -> Tracks:
    """Sums over the last axis of the left operand and the second to last of the right one."""
    sides: list[Tracks] = []
    rank = 2
    second = 3 if step.node.op_type == "QLinearMatMul" else 1
    for index, summed in ((0, -1), (second, -2)):
        tracks = step.tracks.get(step.node.input[index])
        shape = step.input_shape(index)
        size = len(tracks.axes) if tracks is not None else len(shape or ())
        if size < 2:
            raise Untraceable
        rank = max(rank, size)
        if tracks is not None:
            sides.append(tracks.pooled([summed]))
    return elementwise_output(sides, rank, step.output_shape())


def einsum(step: Step) -> Tracks:
    """Sums over the axes whose letters are not in the output."""
    letters, result = _terms(step)
    if any(len(set(term)) < len(term) for term in (result, *letters)):
        raise Untraceable
    sides: list[Tracks] = []
    for name, term in zip(step.node.input, letters, strict=True):
        if name in step.tracks:
            tracks = step.tracks[name]
            tracks = tracks.pooled([index for index, letter in enumerate(term) if letter not in result])
            found = dict(zip(term, tracks.axes, strict=True))
            sides.append(replace(tracks, axes=tuple(found.get(letter) for letter in result)))
    return elementwise_output(sides, len(result), step.output_shape())


def _terms(step: Step) -> tuple[list[str], str]:
    """One letter per axis, for each input and for the output; axes covered by ``...`` have digits."""
    terms, arrow, result = step.values["equation"].replace(" ", "").partition("->")
    letters = terms.split(",")
    dots = 0
    for index, term in enumerate(letters):
        if "..." in term:
            name = step.node.input[index]
            known = step.tracks[name].axes if name in step.tracks else step.input_shape(index) or ()
            count = len(known) - len(term) + 3
            if not 0 <= count < 10:
                raise Untraceable
            letters[index] = term.replace("...", "9876543210"[10 - count :])
            dots = max(dots, count)
    if not arrow:
        used = "".join(letters)
        result = "..." + "".join(
            sorted(each for each in set(used) if each.isalpha() and used.count(each) == 1)
        )
    return letters, result.replace("...", "9876543210"[10 - dots :])


def attention(step: Step) -> Tracks:
    """Queries, keys and values of one batch: every position depends on all others."""
    names = [name for name in step.node.input[:3] if name in step.tracks]
    shape = step.output_shape()
    if shape is None:
        raise Untraceable
    sides = [step.tracks[name].pooled(range(1, len(step.tracks[name].axes))) for name in names]
    if any(len(side.axes) != len(shape) for side in sides):
        raise Untraceable
    together = elementwise_output(sides, len(shape), shape)
    for name, tracks in step.tracks.items():
        together = together if name in names else together.depending_on(tracks)
    return together


def gemm(step: Step) -> Tracks:
    if set(step.tracks) != {step.node.input[0]}:
        raise Untraceable
    tracks = step.first_tracks()
    rows = 1 if step.values.get("transA") else 0
    pooled = tracks.pooled([1 - rows])
    return replace(pooled, axes=(pooled.axes[rows], None))
