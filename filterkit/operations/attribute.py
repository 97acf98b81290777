"""Attribute targets to the pixels of pictures: choose position and part of the picture, apply the method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from operator import index
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import ImageError, ModelError, RuntimeFailure, UsageError, check_number, check_text
from filterkit.operations.attributed_network import AttributedNetwork, AttributeOptions
from filterkit.operations.draw import draw
from filterkit.operations.requested_pictures import (
    as_pictures,
    found_pictures,
    hinting_at_maps,
    parse_size,
    picture_preprocessing,
    read_pictures,
)
from filterkit.operations.show import sheet
from filterkit.operations.targets import GRAMMAR, Aim, check_place, find_target, map_size, settled, with_axes
from filterkit.records import RunOptions
from filterkit.renderers.drawing import is_folder
from filterkit.results.attribute import Attributions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.graph.axes.crops import Crop, Crops
    from filterkit.graph.gradient.target import Position
    from filterkit.plugins.attribution_contract import CheckedAttribution
    from filterkit.records import FloatArray, Preprocessing
    from filterkit.runtime.differentiable import Differentiable
    from filterkit.runtime.feature_maps import Size
    from filterkit.runtime.network import Network, Target
    from filterkit.runtime.onnx_session import Input
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

WORTHWHILE = 0.8
"""Share of the picture above which its part is not computed alone."""

CLOSE = 1e-3
"""Relative difference between the values in a part and in the whole picture above which it is not used."""


WITHOUT_GRADIENTS = "--method occlusion needs no gradients"


def iter_attributions(
    session: Session,
    target: str,
    images: Picture | Iterable[Picture],
    *,
    asked: AttributeOptions,
    options: RunOptions,
    unreadable: Callable[[ImageError], None] | None,
) -> Iterator[Attributions]:
    """See `Workbench.iter_attributions`."""
    with hinting_at_maps():
        yield from _attributions(
            session, target, as_pictures(images), asked=asked, options=options, unreadable=unreadable
        )


def _attributions(
    session: Session,
    target: str,
    images: Iterable[Picture],
    *,
    asked: AttributeOptions,
    options: RunOptions,
    unreadable: Callable[[ImageError], None] | None,
) -> Iterator[Attributions]:
    check_text("target", target, hint=GRAMMAR)
    check_text("method", asked.method)
    if asked.randomize is not None:
        check_text("randomize", asked.randomize)
    check_number("seed", asked.seed, whole=True)
    if asked.seed < 0:
        raise UsageError(f"seed must not be negative, not {asked.seed}")
    method = session.registry.create("attribution", asked.method)
    position = parse_position(asked.position)
    named = [asked.rules] if isinstance(asked.rules, str) else asked.rules
    asked = replace(asked, rules=named)
    size = parse_size(options.size)
    images = images if isinstance(images, Sequence) else [*images]
    aim = find_target(session, target, images, at=options.at, after_softmax=asked.after_softmax)
    pictures = found_pictures(session.registry, images)
    first = list(islice(pictures, 2))
    if not first:
        raise UsageError("give a picture or more", hint="filterkit attribute TARGET IMAGE...")
    preprocessing = picture_preprocessing(aim.model)
    ready = AttributedNetwork(session, aim, preprocessing, asked, options)
    several = len(first) > 1
    read = read_pictures(
        *(ready.network, aim.model, preprocessing, chain(first, pictures), size),
        unreadable if several else None,
        several=several,
    )
    for image, image_name, pixels in read:
        if aim.is_guess:
            taken, fed = _prepared(ready.network, aim, preprocessing, pixels, size)
            aim = with_axes(aim, ready.network, {taken.name: fed})
            ready = AttributedNetwork(session, aim, preprocessing, asked, options)
        made = _attribute(ready, aim, method, position, preprocessing, pixels, size)
        yield Attributions(
            **made,
            image=image,
            image_name=image_name,
            method=method.spec.removeprefix("filterkit.attributions/"),
            provider=ready.network.provider,
            randomized=asked.randomize,
            of_several=several,
        )


def parse_position(position: str | Sequence[int]) -> Position:
    """``"max"``, ``"mean"`` or a place: ``"Y,X"`` or integers.

    Raises
    ------
    UsageError
        It is none of these.
    """
    if isinstance(position, str) and position in ("max", "mean"):
        return "max" if position == "max" else "mean"
    try:
        parts = map(int, position.split(",")) if isinstance(position, str) else map(index, position)
        place = tuple(parts)
    except (TypeError, ValueError):
        place = ()
    if not place or min(place) < 0:
        raise UsageError(f"'{position}' is not a position", hint="use max, mean or Y,X, e.g. 12,30")
    return place


def _attribute(
    ready: AttributedNetwork,
    aim: Aim,
    method: CheckedAttribution,
    position: Position,
    preprocessing: Preprocessing,
    pixels: NDArray[Any],
    size: Size,
) -> dict[str, Any]:
    """The fields of the result for one picture that depend on it."""
    import numpy as np

    from filterkit.runtime.preprocessing import restored

    began = perf_counter()
    taken, fed = _prepared(ready.network, aim, preprocessing, pixels, size)
    network, crops = ready.differentiable(taken, fed)
    whole = network.entry.taken(fed)[0]
    network, position, value = _settled(network, aim, position, whole, crops)
    crop = None
    part = Part(whole, (0, 0), position, value)
    if not isinstance(position, str):
        crop = crops.at(network.tensors[aim.target], aim.target.layout, position)
        if crop and method.local and ready.network.takes_any_size(preprocessing):
            part = part_of(network, whole, crop, position, value)
    notes = list(aim.notes)
    layers = ready.layers(network, crops)
    array, value = attributed(method, aim, preprocessing, network, whole, part, crop, layers, notes)
    if value == 0 and not array.any() and aim.is_after_activation:
        notes.append("the response is 0 after the activation, and so is the attribution; try --at pre")
    box = None
    if crop is not None:
        (top, bottom), (left, right) = (side.field for side in crop)
        box = (top, left, bottom, right)
    backwards = preprocessing.channel_order == "BGR"
    names = preprocessing.channels[:: -1 if backwards else 1]
    by_channel = len(array) == len(names)
    has_place = crop is not None or aim.match is not None or len(aim.target.layout.replace("C", "")) > 1
    return {
        "array": np.ascontiguousarray(array[::-1]) if backwards and by_channel else array,
        "channels": names if by_channel else (),
        "picture": restored(whole, preprocessing),
        "target": aim.called(network.channels),
        "value": value,
        "position": position if has_place and not isinstance(position, str) else None,
        "box": box,
        "seconds": perf_counter() - began,
        "notes": tuple(notes),
    }


def _prepared(
    network: Network, aim: Aim, preprocessing: Preprocessing, pixels: NDArray[Any], size: Size
) -> tuple[Input, NDArray[Any]]:
    from filterkit.graph.layers.picture_input import fixed_size

    declared = fixed_size(aim.model["input_shape"], aim.model["input_layout"])
    return network.prepared(pixels, preprocessing, size, declared)


def _settled(
    network: Differentiable, aim: Aim, position: Position, whole: FloatArray, crops: Crops
) -> tuple[Differentiable, Position, float | None]:
    """The network with its channels, the position, and the value if the maps had to be computed for them."""
    import numpy as np

    from filterkit.runtime.differentiable import value_of

    target = aim.target
    size = map_size(crops.size(network.tensors[target]), target.layout)
    if size is not None:
        count, *space = size
        if position == "max" and math.prod(space) == 1:
            position = (0,) * len(space)
        if not isinstance(position, str):
            check_place(position, space, aim)
        known = aim.channels(count)
        if known is not None and position != "max":
            return network.of(known), position, None
    maps = network.maps(np.repeat(whole[None], network.entry.batch or 1, axis=0))[:1]
    channels, position = settled(maps[0], aim, position)
    return network.of(channels), position, float(value_of(maps, channels, position)[0])


class Part(NamedTuple):
    """What is computed: a part of the picture, the position of the target in it, and its value if known."""

    picture: FloatArray
    corner: tuple[int, int]
    position: Position
    value: float | None


def part_of(
    network: Differentiable,
    whole: FloatArray,
    crop: Sequence[Crop],
    position: tuple[int, ...],
    value: float | None,
) -> Part:
    """The part that a crop describes, if it is much smaller and has the same value."""
    import numpy as np

    (top, bottom), (left, right) = (side.window for side in crop)
    if (bottom - top) * (right - left) > WORTHWHILE * math.prod(whole.shape[1:]):
        return Part(whole, (0, 0), position, value)
    moved = tuple(place - side.removed for place, side in zip(position, crop, strict=True))
    picture = np.ascontiguousarray(whole[:, top:bottom, left:right])
    if value is not None:
        own = float(network.values(picture[None], moved)[0])
        if abs(own - value) > CLOSE * max(abs(value), CLOSE):
            return Part(whole, (0, 0), position, value)
    return Part(picture, (top, left), moved, value)


def attributed(
    method: CheckedAttribution,
    aim: Aim,
    preprocessing: Preprocessing,
    network: Differentiable,
    whole: FloatArray,
    part: Part,
    crop: Sequence[Crop] | None,
    layers: Mapping[str, Target],
    notes: list[str],
) -> tuple[FloatArray, float]:
    """What a method finds for a part of a picture, in its place in the whole one; and the value."""
    import numpy as np

    from filterkit.attribution.subject import Subject
    from filterkit.runtime.preprocessing import span

    black, white = (np.array(ends, np.float32)[:, None, None] for ends in span(preprocessing))
    subject = Subject(whole, part.corner, part.picture, black, white, network, part.position, layers, notes)
    try:
        found = method.attribute(subject)
    except ModelError as error:
        hint = ", and ".join(filter(None, (error.hint, WITHOUT_GRADIENTS)))
        raise ModelError(error.message, hint=hint) from error
    value = subject.value() if part.value is None else part.value
    hint = f"filterkit maps {aim.model['name']} IMAGE shows the range of every layer"
    _check_finite(value, "response", aim, hint)
    _check_finite(found, "attribution", aim, WITHOUT_GRADIENTS)
    array = np.zeros((len(found), *whole.shape[1:]), np.float32)
    subject.part(array)[...] = found
    if crop is None or not method.local:
        return array, value
    inside = np.zeros_like(array)  # what a pixel outside contributes is 0, even in an occluded window
    rows, columns = (slice(*side.field) for side in crop)
    inside[:, rows, columns] = array[:, rows, columns]
    return inside, value


def _check_finite(found: Any, what: str, aim: Aim, hint: str) -> None:
    import numpy as np

    if not np.isfinite(found).all():
        raise RuntimeFailure(f"the {what} of {aim.name} is NaN or infinite for this picture", hint=hint)


def write_attributions(
    session: Session,
    results: Iterable[Attributions] | Attributions,
    output: Path,
    normalizer: str | None,
    renderer: str | None,
    options: dict[str, Any],
) -> Iterator[tuple[Attributions, Path]]:
    """See `Workbench.write_attributions`."""
    from filterkit.formats.arrays import ARRAYS, write_arrays

    results = [results] if isinstance(results, Attributions) else results
    folder, suffix = is_folder(output), output.suffix.lower()
    if suffix in ARRAYS and suffix != ".npy" and not folder:
        done: list[Attributions] = []
        try:
            done.extend(results)
        finally:  # what was computed before an error, which may be the work of hours, is written, too
            if done:
                write_arrays({each.image_name: each.array for each in done}, output)
                yield from ((each, output) for each in done)
        return
    if folder:
        output.mkdir(parents=True, exist_ok=True)
    for result in results:
        if result.of_several and not folder:
            raise UsageError(
                f"cannot write the attributions of several pictures to one file, {output.name}",
                hint=f"-o {output.stem} writes them to a folder of that name, -o {output.stem}.npz as arrays",
            )
        if suffix == ".npy" and not folder:
            write_arrays({result.image_name: result.array}, output)
            yield result, output
            continue
        named = [(result.image_name, sheet(session, result, normalizer, None))]
        for path in draw(session, named, output, renderer, options):
            yield result, path
