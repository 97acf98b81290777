"""Attribute the responses of exemplars to the pixels of their receptive fields."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import ImageError
from filterkit.operations.attribute import Part, attributed, part_of
from filterkit.operations.attributed_network import AttributedNetwork, AttributeOptions
from filterkit.operations.requested_pictures import parse_size, picture_preprocessing
from filterkit.operations.targets import Aim, check_place
from filterkit.records import RunOptions, SourceImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.graph.axes.crops import Crop
    from filterkit.image_sources.by_hash import PicturesByHash
    from filterkit.plugins.attribution_contract import CheckedAttribution
    from filterkit.plugins.protocols import Progress, Row
    from filterkit.records import FloatArray, Preprocessing
    from filterkit.runtime.differentiable import Differentiable
    from filterkit.runtime.network import Target
    from filterkit.runtime.onnx_session import Input
    from filterkit.session import Session

MOST_TOGETHER = 32
"""Limit on the exemplars whose gradients are computed in one run."""

MOST_PENDING = 2**26
"""Limit on the numbers of the pictures that wait for others of their size."""


class Exemplar(NamedTuple):
    """What is attributed: a row of the result, its filter, and its position along all axes of the map."""

    row: Row
    channel: int
    position: tuple[int, ...]


class ObservedLayer(NamedTuple):
    """A layer, the options of its observation, and its exemplars."""

    match: Match
    options: Mapping[str, Any]
    exemplars: Sequence[Exemplar]


@dataclass
class Found:
    """The attributions by address and rank, and what the method reports, with the exemplars it is about."""

    maps: dict[tuple[str, int], FloatArray] = field(default_factory=dict)
    about: dict[str, list[str]] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What the method reports, with the first exemplar that it is about."""
        return [
            f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {text}"
            for text, names in self.about.items()
        ]


def attribute_exemplars(
    session: Session,
    layers: Sequence[ObservedLayer],
    method: CheckedAttribution,
    pictures: PicturesByHash,
    options: RunOptions,
    progress: Progress,
) -> Found:
    """The attribution of each exemplar whose picture is found, in its box; see `Exemplars.attributions`.

    Of the `options`, provider and threads apply.

    Raises
    ------
    FilterkitError
        The network cannot be differentiated, or as the method raises.
    """
    found = Found()
    done, total = 0, sum(len(layer.exemplars) for layer in layers)
    for layer in layers:
        for count in _Layer(session, layer, method, options, found).attribute(pictures):
            done += count
            progress("attributing exemplars in pictures", done, total)
    return found


class _Job(NamedTuple):
    exemplar: Exemplar
    network: Differentiable
    own: tuple[int, int]
    whole: FloatArray
    part: Part
    crop: tuple[Crop, ...] | None
    layers: Mapping[str, Target]


class _Layer:
    """Attributes the exemplars of one layer; those that are computed on parts of one size run together."""

    def __init__(
        self,
        session: Session,
        layer: ObservedLayer,
        method: CheckedAttribution,
        options: RunOptions,
        found: Found,
    ) -> None:
        from filterkit.graph.layers.picture_input import fixed_size
        from filterkit.runtime.network import Target

        row, at = layer.match.layer, layer.options["at"]
        target = Target(row["name"], row[f"{at}_tensor"], row[f"{at}_layout"], row["scope"])
        self._model = layer.match.model
        self._aim = Aim(layer.match.address, self._model, target, layer.match)
        self._preprocessing: Preprocessing = picture_preprocessing(self._model)
        self._size = parse_size(layer.options["size"])
        self._declared = fixed_size(self._model["input_shape"], self._model["input_layout"])
        self._ready = AttributedNetwork(
            session, self._aim, self._preprocessing, AttributeOptions(method.spec), replace(options, at=at)
        )
        self._exemplars, self._method, self._found = layer.exemplars, method, found
        self._jobs: dict[tuple[Any, ...], list[_Job]] = defaultdict(list)
        self._shared = session.networks
        self._pending = 0

    def attribute(self, pictures: PicturesByHash) -> Iterator[int]:
        """Yield how many more are done."""
        from filterkit.image_sources.decoding import content_pixels, decoded_ahead

        of_picture: dict[tuple[str, str], list[Exemplar]] = defaultdict(list)
        for each in self._exemplars:
            of_picture[each.row["image"], each.row["sha256"]].append(each)

        def prepared(image: SourceImage) -> tuple[tuple[int, int], Input, NDArray[Any]]:
            content = pictures.find(image.name, str(image.label))
            if content is None:
                raise ImageError(f"picture {image.name} was not found")
            pixels = content_pixels(content, image.name, self._preprocessing, note=lambda text: None)
            height, width = pixels.shape[:2]
            network = self._ready.network
            return (height, width), *network.prepared(pixels, self._preprocessing, self._size, self._declared)

        images = [SourceImage(path, lambda: b"", sha256) for path, sha256 in of_picture]
        for image, result in decoded_ahead(images, prepared):
            wanted = of_picture[image.name, str(image.label)]
            if isinstance(result, ImageError):
                yield len(wanted)
                continue
            for exemplar in wanted:
                yield from self._add(exemplar, *result)
        yield from self._run_all()

    def _add(
        self, exemplar: Exemplar, own: tuple[int, int], taken: Input, fed: NDArray[Any]
    ) -> Iterator[int]:
        from filterkit.runtime.differentiable import PIXELS

        network, crops = self._ready.differentiable(taken, fed)
        whole = network.entry.taken(fed)[0]
        tensor, layout = network.tensors[self._aim.target], self._aim.target.layout
        position, crop = exemplar.position, None
        sizes = dict(zip(layout, crops.size(tensor) or (), strict=False))
        space = [sizes.get(letter) for letter in sorted(set(layout) - {*"NC"}, key="DHW123456789".index)]
        known = [size for size in space if isinstance(size, int)]
        if len(known) == len(space):
            check_place(position, known, replace(self._aim, name=exemplar.row["address"]))
        part = Part(whole, (0, 0), position, exemplar.row["value"])
        if self._method.local:
            crop = crops.at(tensor, layout, position, uniform=True)
            if crop and self._ready.network.takes_any_size(self._preprocessing):
                part = part_of(network, whole, crop, position, None)._replace(value=part.value)
        key = (id(network), part.picture.shape)
        jobs = self._jobs[key]
        jobs.append(_Job(exemplar, network, own, whole, part, crop, self._ready.layers(network, crops)))
        self._pending += whole.size
        most = min(MOST_TOGETHER, max(1, PIXELS // math.prod(part.picture.shape[1:])))
        if len(jobs) >= most or network.opened is not self._shared:  # it is for this picture alone
            yield from self._run(key)
        elif self._pending > MOST_PENDING:
            yield from self._run_all()

    def _run_all(self) -> Iterator[int]:
        for key in [*self._jobs]:
            yield from self._run(key)

    def _run(self, key: tuple[Any, ...]) -> Iterator[int]:
        import numpy as np

        from filterkit.attribution.together import Together
        from filterkit.sheets.exemplar_attributions import in_box

        jobs = self._jobs.pop(key)
        self._pending -= sum(job.whole.size for job in jobs)
        together = Together(
            jobs[0].network,
            np.stack([job.part.picture for job in jobs]),
            [job.exemplar.channel for job in jobs],
            [job.part.position for job in jobs if not isinstance(job.part.position, str)],
        )
        for job, network in zip(jobs, together.networks(), strict=True):
            row, notes = job.exemplar.row, list[str]()
            aim = replace(self._aim, name=row["address"])
            array, _ = attributed(
                *(self._method, aim, self._preprocessing, network, job.whole, job.part, job.crop),
                *(job.layers, notes),
            )
            if not array.any() and row["value"] == 0 and aim.is_after_activation:
                notes.append(
                    "the response is 0 after the activation, and so is the attribution; observe --at pre"
                )
            self._found.maps[row["address"], row["rank"]] = in_box(array.sum(axis=0), row["box"], job.own)
            for text in dict.fromkeys(notes):
                self._found.about.setdefault(text, []).append(f"{row['address']}, rank {row['rank']}")
            yield 1
