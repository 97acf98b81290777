"""Attribute targets to the pixels of pictures: run the network, choose the position, apply the method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from filterkit.errors import ImageError, RuntimeFailure, UsageError
from filterkit.operations.draw import draw
from filterkit.operations.maps import (
    NOT_TAKEN,
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
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.graph.axes.crops import Crops
    from filterkit.graph.gradient.target import Position
    from filterkit.plugins.attribution_contract import CheckedAttribution
    from filterkit.plugins.protocols import GradientRule
    from filterkit.records import FloatArray, Preprocessing
    from filterkit.runtime.differentiable import Differentiable, Entry
    from filterkit.runtime.network import Network, Target
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

WORTHWHILE = 0.8
"""Share of the picture above which its part is not computed alone."""

CLOSE = 1e-3
"""Relative difference from the value in the whole picture above which a part of it is not trusted."""


@dataclass(frozen=True)
class AttributeOptions:
    """What `Workbench.iter_attributions` takes besides target and pictures."""

    method: str = "gradient"
    position: str | Sequence[int] = "max"
    rules: Sequence[str] = ()
    randomize: str | None = None
    seed: int = 0
    after_softmax: bool = False


def iter_attributions(
    session: Session,
    target: str,
    images: Iterable[Picture],
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
    aim = find_target(session, target, images, at=options.at, after_softmax=asked.after_softmax)
    pictures = list(found_pictures(images if isinstance(images, Sequence) else [*images]))
    if not pictures:
        raise UsageError("give a picture or more", hint="filterkit attribute TARGET IMAGE...")
    preprocessing = picture_preprocessing(aim.model)
    work = _Work(session, aim, method, position, rules, asked, options, preprocessing)
    several = len(pictures) > 1
    read = read_pictures(
        work.network,
        aim.model,
        preprocessing,
        pictures,
        size,
        unreadable if several else None,
        several=several,
    )
    for image, image_name, pixels in read:
        yield work.attribute(pixels, size, image, image_name, of_several=several)


def parse_position(position: str | Sequence[int]) -> Position:
    """``"max"``, ``"mean"`` or a place: ``"Y,X"`` or integers.

    Raises
    ------
    UsageError
        It is none of these.
    """
    if position == "max" or position == "mean":
        return position
    parts = position.split(",") if isinstance(position, str) else position
    try:
        place = tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        place = ()
    if not place or min(place) < 0:
        raise UsageError(f"'{position}' is not a position", hint="use max, mean or Y,X, e.g. 12,30")
    return place


class _Work:
    """One target and method, for pictures one after the other."""

    def __init__(
        self,
        session: Session,
        aim: Aim,
        method: CheckedAttribution,
        position: Position,
        rules: Mapping[tuple[str, str], GradientRule],
        asked: AttributeOptions,
        options: RunOptions,
        preprocessing: Preprocessing,
    ) -> None:
        from filterkit.catalog.weights import model_file
        from filterkit.runtime.feature_maps import open_network

        self.session, self.aim, self.method, self.position = session, aim, method, position
        self.rules, self.asked, self.options, self.preprocessing = rules, asked, options, preprocessing
        self.path = model_file(session.catalog(), aim.model).resolve()
        self.cuts = session.catalog().store.cuts_path(aim.model["sha256"])
        self.network: Network = open_network(
            self.path,
            [aim.target],
            picture_input=aim.model["input_name"],
            layout=aim.model["input_layout"],
            options=options,
            cache_dir=self.cuts,
            opened=session.networks,
        )

    def attribute(
        self, pixels: NDArray[Any], size: Any, image: str, image_name: str, *, of_several: bool
    ) -> Attributions:
        """The attribution of one picture."""
        import numpy as np

        from filterkit.attribution.subject import Subject
        from filterkit.graph.axes.crops import Crops
        from filterkit.graph.layers.picture_input import fixed_size
        from filterkit.graph.view.view import GraphView
        from filterkit.runtime.differentiable import value_of
        from filterkit.runtime.preprocessing import restored, span

        began = perf_counter()
        aim, preprocessing = self.aim, self.preprocessing
        declared = fixed_size(aim.model["input_shape"], aim.model["input_layout"])
        taken, fed = self.network.prepared(pixels, preprocessing, size, declared)
        network, whole = self._differentiable(taken, fed)
        tensor = network.tensors[aim.target]
        crops = Crops(GraphView(network.model, self.path), taken.name, preprocessing.layout, fed.shape)

        maps = None
        if self.position == "max" or aim.match is None or not _known(crops.size(tensor), aim.target):
            maps = network.maps(self._batch(network.entry, whole))[:1]
        channels, position = self._settle(maps, crops.size(tensor))
        network = _with_channels(network, channels)
        value = None if maps is None else float(value_of(maps, channels, position)[0])

        crop = None if isinstance(position, str) else crops.at(tensor, aim.target.layout, position)
        rows, columns = slice(None), slice(None)
        inner = position
        if crop is not None and self.method.local and self.network.takes_any_size(preprocessing):
            (top, bottom), (left, right) = (side.window for side in crop)
            share = (bottom - top) * (right - left) / math.prod(whole.shape[1:])
            moved = tuple(place - side.removed for place, side in zip(position, crop, strict=True))  # type: ignore[arg-type]
            part = np.ascontiguousarray(whole[:, top:bottom, left:right])
            if share <= WORTHWHILE:
                own = float(network.values(part[None], moved)[0])
                if value is None or abs(own - value) <= CLOSE * max(abs(value), 1e-3):
                    value, inner = own if value is None else value, moved
                    rows, columns = slice(top, bottom), slice(left, right)
        picture = np.ascontiguousarray(whole[:, rows, columns])
        if value is None:
            value = float(network.values(picture[None], inner)[0])
        notes = list(aim.notes)
        black, white = (np.array(ends, np.float32)[:, None, None] for ends in span(preprocessing))
        subject = Subject(
            whole,
            (rows.start or 0, columns.start or 0),
            picture,
            black,
            white,
            network,
            inner,
            self._layers(network, crops),
            notes,
        )
        self._check_finite(value, "response")
        found = self.method.attribute(subject)
        self._check_finite(found, "attribution")
        box = None
        if crop is not None:
            (top, bottom), (left, right) = (side.field for side in crop)
            box = (top, left, bottom, right)
        array = np.zeros((len(found), *whole.shape[1:]), np.float32)
        array[:, rows, columns] = found
        if self.method.local and box is not None:
            inside = np.zeros(array.shape[1:], bool)
            inside[box[0] : box[2], box[1] : box[3]] = True
            array *= inside  # what a pixel outside contributes is 0, e.g. under an occluded window
        is_bgr = preprocessing.channel_order == "BGR"
        names = preprocessing.channels[:: -1 if is_bgr else 1]
        return Attributions(
            array=np.ascontiguousarray(array[::-1]) if is_bgr and len(array) == len(names) else array,
            channels=names if len(array) == len(names) else (),
            picture=restored(whole, preprocessing),
            target=aim.name if aim.match is not None else self._named(channels),
            image=image,
            image_name=image_name,
            method=self.method.spec.rpartition("/")[2]
            if self.method.plugin.package == "filterkit"
            else self.method.spec,
            value=value,
            position=None
            if isinstance(position, str) or (maps is not None and maps[0, 0].size == 1 and aim.match is None)
            else position,
            box=box,
            seconds=perf_counter() - began,
            provider=self.network.provider,
            notes=tuple(notes),
            randomized=self.asked.randomize,
            of_several=of_several,
        )

    def _named(self, channels: tuple[int, ...] | None) -> str:
        name = self.aim.name
        return name if self.aim.index is not None or channels is None else f"{name}:{channels[0]}"

    def _batch(self, entry: Entry, whole: FloatArray) -> FloatArray:
        import numpy as np

        return np.repeat(whole[None], entry.batch or 1, axis=0)

    def _settle(
        self, maps: FloatArray | None, size: Sequence[Any] | None
    ) -> tuple[tuple[int, ...] | None, Position]:
        """The channels and the position, checked against the maps or, if they were not computed, their size."""
        import numpy as np

        target = self.aim.target
        if maps is not None:
            count, space = maps.shape[1], maps.shape[2:]
        else:
            assert size is not None
            axes = dict(zip(target.layout, size, strict=True))
            count = axes["C"]
            space = tuple(axes[letter] for letter in sorted(set(axes) - {"N", "C"}, key="DHW123456789".index))
        channels, position = self.aim.channels(count), self.position
        if channels is None:
            assert maps is not None
            at = maps[0].mean(axis=tuple(range(1, maps.ndim - 1))) if position == "mean" else maps[0]
            if not isinstance(position, str):
                self._check_place(position, space)
                at = maps[0][(slice(None), *position)]
            channels = (int(np.unravel_index(np.nanargmax(at) if np.isfinite(at).any() else 0, at.shape)[0]),)
        if position == "max":
            assert maps is not None
            total = maps[0][list(channels)].sum(axis=0, dtype=np.float64)
            flat = int(np.nanargmax(total)) if np.isfinite(total).any() else 0
            position = tuple(int(place) for place in np.unravel_index(flat, total.shape))
        elif position != "mean":
            self._check_place(position, space)
        return channels, position

    def _check_place(self, position: Position, space: Sequence[int]) -> None:
        inside = len(position) == len(space) and all(
            place < limit
            for place, limit in zip(position, space, strict=True)  # type: ignore[operator]
        )
        if not inside:
            raise UsageError(
                f"position {','.join(map(str, position))} is outside the map of {self.aim.name}",
                hint=f"its size is {' × '.join(map(str, space))}, numbered from 0",
            )

    def _check_finite(self, found: Any, what: str) -> None:
        import numpy as np

        if not np.isfinite(found).all():
            raise RuntimeFailure(
                f"the {what} of {self.aim.name} is NaN or infinite for this picture",
                hint=f"filterkit maps {self.aim.model['name']} IMAGE shows the range of every layer",
            )

    def _differentiable(self, taken: Any, fed: NDArray[Any]) -> tuple[Differentiable, FloatArray]:
        """The network for this picture, and the picture as it takes it, shape (C, H, W)."""
        import onnx

        from filterkit.attribution.randomized import randomized
        from filterkit.graph.excerpt.branches import Wanted
        from filterkit.graph.excerpt.external_data import refer
        from filterkit.graph.loading.load import load_model
        from filterkit.runtime.differentiable import Differentiable, Entry, float_input, without_branches
        from filterkit.runtime.feature_maps import excerpt_of
        from filterkit.runtime.network_cache import OpenNetworks

        aim, wanted = self.aim, self.aim.target.wanted
        opened, key = (
            self.session.networks,
            (
                "gradient",
                self.path,
                aim.target,
                self.asked.randomize,
                self.asked.seed,
                tuple(self.asked.rules),
            ),
        )
        if aim.target.scope:
            model, name = load_model(self.path), aim.target.tensor
            refer(model, self.path)
        else:
            part = excerpt_of(
                self.path,
                [wanted],
                picture_input=aim.model["input_name"],
                layout=aim.model["input_layout"],
                cache_dir=self.cuts,
            )
            model, name = part.model, part.tensors[wanted]
        if any(node.op_type == "If" for node in model.graph.node):
            model, names = without_branches(model, {taken.name: fed}, self.options, self.path.parent)
            name = names.get(wanted, name) if aim.target.scope else name
            if aim.target.scope and wanted not in names:
                raise RuntimeFailure(f"{aim.name} did not run: {NOT_TAKEN}", hint="use another picture")
            opened = OpenNetworks()  # which branches are taken depends on the picture
        layers = self._all_layers()
        if self.asked.randomize is not None:
            model = randomized(
                model, self.path, self._tensor_of(self.asked.randomize, layers), self.asked.seed
            )
        is_float = float_input(model, taken.name)
        axis = self.preprocessing.layout.index("N")
        batch = taken.shape[axis]
        computed = {name for node in model.graph.node for name in node.output}
        tensors = {aim.target: name} | {
            layer: layer.tensor for layer in layers if layer.tensor in computed and layer != aim.target
        }
        entry = Entry(
            taken.name,
            self.preprocessing.layout,
            "float32" if is_float else taken.dtype,
            batch if isinstance(batch, int) else None,
        )
        network = Differentiable(
            model, tensors, aim.target, None, self.rules, entry, self.path, self.options, opened, key
        )
        return network, entry.taken(fed)[0]

    def _all_layers(self) -> list[Target]:
        from filterkit.runtime.network import Target

        rows = [match.layer for match in self.session.matches(self.aim.model["name"])]
        return [
            Target(row["name"], row["post_tensor"], row["post_layout"])
            for row in rows
            if not row["scope"] and row["spatial_rank"] == 2
        ]

    def _tensor_of(self, layer: str, layers: Sequence[Target]) -> str:
        from filterkit.errors import NotFoundError, closest

        found = next(
            (each for each in self.session.matches(self.aim.model["name"]) if each.layer["name"] == layer),
            None,
        )
        if found is None:
            raise NotFoundError(
                f"{self.aim.model['name']} has no layer '{layer}' to randomize",
                hint=closest(layer, [each.layer for each in layers]),
            )
        return str(found.layer["pre_tensor"])

    def _layers(self, network: Differentiable, crops: Crops) -> dict[str, Target]:
        """The layers before the target with more than one position."""
        found = {}
        for layer in network.tensors:
            size = crops.size(layer.tensor) or ()
            places = [each for each, letter in zip(size, layer.layout, strict=False) if letter not in "NC"]
            if (
                layer != self.aim.target
                and layer.layer != self.aim.target.layer
                and any(each != 1 for each in places)
            ):
                found[layer.layer] = layer
        return found


def _known(size: Sequence[Any] | None, target: Target) -> bool:
    """Whether the size of a target's maps is known before they are computed."""
    return (
        size is not None
        and len(size) == len(target.layout)
        and target.layout.count("C") == 1
        and all(isinstance(each, int) for each in size)
    )


def _with_channels(network: Differentiable, channels: tuple[int, ...] | None) -> Differentiable:
    from dataclasses import replace

    return replace(network, channels=channels)


def write_attributions(
    session: Session,
    results: Iterable[Attributions],
    output: Path,
    normalizer: str | None,
    renderer: str | None,
    options: dict[str, Any],
) -> Iterator[tuple[Attributions, Path]]:
    """See `Workbench.write_attributions`."""
    from filterkit.formats.arrays import ARRAYS, write_arrays

    folder, suffix = is_folder(output), output.suffix.lower()
    if suffix in ARRAYS and suffix != ".npy" and not folder:
        done = list(results)
        write_arrays({each.image_name: each.array for each in done}, output)
        yield from ((each, output) for each in done)
        return
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
        if folder:
            output.mkdir(parents=True, exist_ok=True)
        named = [(result.image_name, sheet(session, result, normalizer, None))]
        for path in draw(session, named, output, renderer, options):
            yield result, path
