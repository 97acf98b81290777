"""Attribute targets to the pixels of pictures: choose position and part of the picture, apply the method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import ImageError, ModelError, RuntimeFailure, UsageError
from filterkit.operations.attributed_network import AttributedNetwork, AttributeOptions
from filterkit.operations.draw import draw
from filterkit.operations.requested_pictures import (
    as_pictures,
    found_pictures,
    parse_size,
    picture_preprocessing,
    read_pictures,
)
from filterkit.operations.show import sheet
from filterkit.operations.targets import Aim, find_target
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
    method = session.registry.create("attribution", asked.method)
    position = parse_position(asked.position)
    rules = session.registry.gradient_rules(asked.rules)
    size = parse_size(options.size)
    images = as_pictures(images)
    images = images if isinstance(images, Sequence) else [*images]
    aim = find_target(session, target, images, at=options.at, after_softmax=asked.after_softmax)
    pictures = list(found_pictures(session.registry, images))
    if not pictures:
        raise UsageError("give a picture or more", hint="filterkit attribute TARGET IMAGE...")
    preprocessing = picture_preprocessing(aim.model)
    ready = AttributedNetwork(session, aim, preprocessing, rules, asked, options)
    several = len(pictures) > 1
    read = read_pictures(
        *(ready.network, aim.model, preprocessing, pictures, size),
        unreadable if several else None,
        several=several,
    )
    for image, image_name, pixels in read:
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
    if position == "max":
        return "max"
    if position == "mean":
        return "mean"
    try:
        place = tuple(int(part) for part in (position.split(",") if isinstance(position, str) else position))
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

    from filterkit.attribution.subject import Subject
    from filterkit.graph.axes.crops import Crops
    from filterkit.graph.layers.picture_input import fixed_size
    from filterkit.graph.view.view import GraphView
    from filterkit.runtime.preprocessing import restored, span

    began = perf_counter()
    declared = fixed_size(aim.model["input_shape"], aim.model["input_layout"])
    taken, fed = ready.network.prepared(pixels, preprocessing, size, declared)
    network, whole = ready.differentiable(taken, fed)
    crops = Crops(GraphView(network.model, ready.path), taken.name, preprocessing.layout, fed.shape)
    network, position, value = _settled(network, aim, position, whole, crops)
    crop = None
    part = _Part(whole, (0, 0), position, value)
    if not isinstance(position, str):
        crop = crops.at(network.tensors[aim.target], aim.target.layout, position)
        if crop and method.local and ready.network.takes_any_size(preprocessing):
            part = _part(network, whole, crop, position, value)
    if part.value is None:
        part = part._replace(value=float(network.values(part.picture[None], part.position)[0]))
    _check_finite(part.value, "response", aim)
    notes = list(aim.notes)
    black, white = (np.array(ends, np.float32)[:, None, None] for ends in span(preprocessing))
    layers = ready.layers(network, crops)
    subject = Subject(whole, part.corner, part.picture, black, white, network, part.position, layers, notes)
    try:
        found = method.attribute(subject)
    except ModelError as error:
        raise ModelError(error.message, hint=error.hint or WITHOUT_GRADIENTS) from error
    _check_finite(found, "attribution", aim)
    if part.value == 0 and not found.any() and aim.is_after_activation:
        notes.append("the response is 0 after the activation, and so is the attribution; try --at pre")

    array = np.zeros((len(found), *whole.shape[1:]), np.float32)
    subject.part(array)[...] = found
    box = None
    if crop is not None:
        (top, bottom), (left, right) = (side.field for side in crop)
        box = (top, left, bottom, right)
        if method.local:  # what a pixel outside contributes is 0, even in an occluded window
            inside = np.zeros_like(array)
            inside[:, top:bottom, left:right] = array[:, top:bottom, left:right]
            array = inside
    backwards = preprocessing.channel_order == "BGR"
    names = preprocessing.channels[:: -1 if backwards else 1]
    by_channel = len(array) == len(names)
    has_place = crop is not None or aim.match is not None or len(aim.target.layout.replace("C", "")) > 1
    return {
        "array": np.ascontiguousarray(array[::-1]) if backwards and by_channel else array,
        "channels": names if by_channel else (),
        "picture": restored(whole, preprocessing),
        "target": aim.called(network.channels),
        "value": part.value,
        "position": position if has_place and not isinstance(position, str) else None,
        "box": box,
        "seconds": perf_counter() - began,
        "notes": tuple(notes),
    }


def _settled(
    network: Differentiable, aim: Aim, position: Position, whole: FloatArray, crops: Crops
) -> tuple[Differentiable, Position, float | None]:
    """The network with its channels, the position, and the value if the maps had to be computed for them."""
    import numpy as np

    from filterkit.runtime.differentiable import value_of

    target = aim.target
    size = _map_size(crops.size(network.tensors[target]), target.layout)
    maps = None
    if position == "max" or aim.match is None or size is None:
        maps = network.maps(np.repeat(whole[None], network.entry.batch or 1, axis=0))[:1]
        size = maps.shape[1:]
    count, *space = size
    if not isinstance(position, str):
        _check_place(position, space, aim)
    channels = aim.channels(count)
    if channels is None:
        assert maps is not None
        channels = (_largest(maps[0], position),)
    if position == "max":
        assert maps is not None
        total = np.nan_to_num(maps[0][list(channels)].sum(axis=0, dtype=np.float64), nan=-np.inf)
        position = tuple(int(place) for place in np.unravel_index(int(total.argmax()), total.shape))
    value = None if maps is None else float(value_of(maps, channels, position)[0])
    return network.of(channels), position, value


def _map_size(size: Sequence[int | str | None] | None, layout: str) -> tuple[int, ...] | None:
    """Channels and positions (D, H, W) of a tensor, if all of them are known."""
    if size is None or len(size) != len(layout) or layout.count("C") != 1:
        return None
    axes = dict(zip(layout, size, strict=True))
    letters = ["C", *sorted(set(layout) - {*"NC"}, key="DHW123456789".index)]
    found = [axes[letter] for letter in letters]
    sizes = tuple(each for each in found if isinstance(each, int))
    return sizes if len(sizes) == len(found) else None


def _largest(maps: FloatArray, position: Position) -> int:
    """The channel of maps, shape (channels, *positions), with the largest value."""
    import numpy as np

    flat = maps.reshape(len(maps), -1)
    if position == "mean":
        each = flat.mean(axis=1, dtype=np.float64)
    elif position == "max":
        each = flat.max(axis=1)
    else:
        each = flat[:, np.ravel_multi_index(position, maps.shape[1:])]
    return int(np.nan_to_num(each, nan=-np.inf).argmax())


class _Part(NamedTuple):
    """What is computed: a part of the picture, the position of the target in it, and its value if known."""

    picture: FloatArray
    corner: tuple[int, int]
    position: Position
    value: float | None


def _part(
    network: Differentiable,
    whole: FloatArray,
    crop: Sequence[Crop],
    position: tuple[int, ...],
    value: float | None,
) -> _Part:
    """The part that a crop describes, if it is much smaller and has the same value."""
    import numpy as np

    (top, bottom), (left, right) = (side.window for side in crop)
    if (bottom - top) * (right - left) > WORTHWHILE * math.prod(whole.shape[1:]):
        return _Part(whole, (0, 0), position, value)
    moved = tuple(place - side.removed for place, side in zip(position, crop, strict=True))
    picture = np.ascontiguousarray(whole[:, top:bottom, left:right])
    if value is not None:
        own = float(network.values(picture[None], moved)[0])
        if abs(own - value) > CLOSE * max(abs(value), CLOSE):
            return _Part(whole, (0, 0), position, value)
    return _Part(picture, (top, left), moved, value)


def _check_place(position: tuple[int, ...], space: Sequence[int], aim: Aim) -> None:
    if len(position) != len(space) or any(map(int.__ge__, position, space)):
        raise UsageError(
            f"position {','.join(map(str, position))} is outside the map of {aim.name}",
            hint=f"its size is {' × '.join(map(str, space))}, and positions are numbered from 0",
        )


def _check_finite(found: Any, what: str, aim: Aim) -> None:
    import numpy as np

    if not np.isfinite(found).all():
        raise RuntimeFailure(
            f"the {what} of {aim.name} is NaN or infinite for this picture",
            hint=f"filterkit maps {aim.model['name']} IMAGE shows the range of every layer",
        )


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
        done = list(results)
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
