"""Compute feature maps of pictures: resolve the address, run the model with ONNX Runtime."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import ImageError, RuntimeFailure, UsageError
from filterkit.operations.corrections import hint_argument_order
from filterkit.operations.requested_pictures import (
    THREADS,
    as_pictures,
    decoded,
    found_pictures,
    parse_size,
    picture_preprocessing,
    read_pictures,
)
from filterkit.records import RunOptions, SourceImage
from filterkit.results.maps import FeatureMaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.runtime.feature_maps import Network, Size
    from filterkit.runtime.network_cache import OpenNetworks
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

NOT_TAKEN = "for this input the network takes the other branch of an If"
Labels = Mapping[str, Sequence[str]]


def iter_feature_maps(
    session: Session,
    address: str,
    images: Picture | Iterable[Picture],
    *,
    inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None,
    options: RunOptions,
    unreadable: Callable[[ImageError], None] | None,
    skip_existing: Path | None = None,
    renderer: str | None = None,
) -> Iterator[FeatureMaps]:
    """See `Workbench.iter_feature_maps`."""
    from filterkit.catalog.weights import model_file

    images = as_pictures(images)
    files = None
    if skip_existing is not None:
        from filterkit.operations.draw import files_of_maps

        _check_skipping(skip_existing, inputs)
        files = partial(files_of_maps, session, skip_existing, renderer)
    with hint_argument_order("maps", address, images, session.matches):
        matches = session.matches(address)
    if len({match.model["name"] for match in matches}) > 1:
        raise UsageError(f"'{address}' names several models", hint="run one model at a time")
    if any(len(match.kernels) * match.layer["filters"] < match.layer["kernels"] for match in matches):
        raise UsageError(
            "a feature map is the response of a whole filter, not of single kernels",
            hint=f"filterkit convolve {address} applies one kernel to a picture",
        )
    check_network(matches[0])
    labels = session.selected_labels(matches)
    return _run(
        matches,
        model_file(session.catalog(), matches[0].model),
        {match.layer["name"]: names for match, names in zip(matches, labels, strict=True)},
        found_pictures(session.registry, images),
        inputs=inputs,
        options=options,
        unreadable=unreadable,
        files=files,
        cuts=session.catalog().store.cuts_path(matches[0].model["sha256"]),
        opened=session.networks,
        threads=THREADS if isinstance(images, Sequence) else 0,  # an iterator is consumed lazily
    )


def _run(
    matches: Sequence[Match],
    model_path: Path,
    labels: Labels,
    pictures: Iterator[Picture | SourceImage],
    *,
    inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None,
    options: RunOptions,
    unreadable: Callable[[ImageError], None] | None,
    files: Callable[..., list[Path]] | None,
    cuts: Path,
    opened: OpenNetworks,
    threads: int,
) -> Iterator[FeatureMaps]:
    """The maps of `matches`, all from one model; `labels` name each layer's maps.

    `files` returns the files for a picture, which is left out if all exist; `cuts` is the folder where cut
    graphs of the model are cached, `opened` the networks that stay open; `threads` decode pictures.
    """
    from filterkit.runtime.feature_maps import Target, open_network

    at = options.at
    if at not in ("post", "pre"):
        raise UsageError(f"at cannot be '{at}'", hint="use post (after the activation) or pre (before it)")
    first = list(islice(pictures, 2))
    if bool(first) == (inputs is not None):
        raise UsageError(
            "give either pictures or the inputs of the graph" + (", not both" if first else ""),
            hint="`filterkit maps ADDRESS IMAGE`, or bench.feature_maps(address, image); for the inputs "
            "of a graph --input FILE.npz, or inputs=",
        )
    wanted = parse_size(options.size)
    targets = [
        Target(
            match.layer["name"],
            match.layer[f"{at}_tensor"],
            match.layer[f"{at}_layout"],
            match.layer["scope"],
        )
        for match in matches
    ]
    model = matches[0].model
    network = open_network(
        model_path,
        targets,
        picture_input=model["input_name"] if model["input_layout"] else None,
        layout=model["input_layout"],
        options=options,
        cache_dir=cuts,
        opened=opened,
    )
    matches = [match for match in matches if match.layer["name"] not in network.left_out]
    several = len(first) > 1
    unreadable = unreadable if several else None
    files = files and partial(files, [match.layer["name"] for match in matches], several=several)
    found = chain(first, pictures)
    if inputs is not None:
        responses = _run_tensors(network, inputs)
    elif isinstance(first[0], SourceImage) and first[0].inputs:
        responses = _run_inputs(network, found, unreadable, files, several=several)
    else:
        responses = _run_pictures(
            network, model, found, wanted, unreadable, files, several=several, threads=threads
        )
    for maps, image, image_name, several in responses:
        ran = {match.layer["name"]: match for match in matches if match.layer["name"] in maps}
        idle = {match.layer["name"]: NOT_TAKEN for match in matches if match.layer["name"] not in maps}
        if not ran:
            raise RuntimeFailure(f"{next(iter(idle))} did not run: {NOT_TAKEN}", hint="use other inputs")
        chosen = {name: chosen_maps(maps[name], match, labels[name]) for name, match in ran.items()}
        yield FeatureMaps(
            maps={name: one.values for name, one in chosen.items()},
            addresses={name: match.selected_address for name, match in ran.items()},
            activations={name: match.layer["activation"] for name, match in ran.items()},
            labels={name: one.labels for name, one in chosen.items()},
            makers={name: one.makers for name, one in chosen.items()},
            image=image,
            image_name=image_name,
            provider=network.provider,
            models={model["name"]: model["sha256"]},
            at=at,
            of_several=several,
            left_out={**network.left_out, **idle},
        )


def _check_skipping(output: Path, inputs: object) -> None:
    """Refuse to skip what has no file of its own."""
    from filterkit.operations.draw import is_array

    if is_array(output):
        raise UsageError(
            f"no picture can be skipped for {output.name}, which contains the maps of all",
            hint="write a folder of pictures, or compute the array again",
        )
    if inputs is not None:
        raise UsageError(
            "only pictures can be skipped, not the inputs of a graph", hint="leave out one of the two options"
        )


def check_network(match: Match) -> None:
    """Raise RuntimeFailure where the model is a checkpoint, whose layers are not connected."""
    from filterkit.graph.loading.checkpoint import PRODUCER

    if match.model["producer"] == PRODUCER:
        raise RuntimeFailure(
            f"{match.model['name']} cannot be run: it consists of weights without a network",
            hint=f"filterkit convolve {match.address}/0/0 applies a kernel to a picture",
        )


Response = tuple[Mapping[str, "NDArray[Any]"], str, str, bool]
"""Maps of one picture by layer, the picture's name in rows and in file names, and whether there are more."""


def _run_pictures(
    network: Network,
    model: Mapping[str, Any],
    pictures: Iterable[Picture | SourceImage],
    size: Size,
    unreadable: Callable[[ImageError], None] | None,
    files: Callable[[str], list[Path]] | None,
    *,
    several: bool,
    threads: int,
) -> Iterator[Response]:
    from filterkit.graph.layers.picture_input import fixed_size

    preprocessing = picture_preprocessing(model)
    pending: deque[tuple[str, str]] = deque()
    """Names of pictures that were read but whose maps are not computed yet, as several run in one batch."""

    def pixels() -> Iterator[NDArray[Any]]:
        read = read_pictures(
            *(network, model, preprocessing, pictures, size, unreadable),
            several=several,
            threads=threads,
            files=files,
        )
        for name, stem, values in read:
            pending.append((name, stem))
            yield values

    declared = fixed_size(model["input_shape"], model["input_layout"])
    for maps in network.picture_maps(pixels(), preprocessing, size=size, declared=declared):
        yield {name: values[0] for name, values in maps.items()}, *pending.popleft(), several


def _run_inputs(
    network: Network,
    images: Iterable[Picture | SourceImage],
    unreadable: Callable[[ImageError], None] | None,
    files: Callable[[str], list[Path]] | None,
    *,
    several: bool,
) -> Iterator[Response]:
    """The maps of inputs from an image source, one at a time."""
    from filterkit.runtime.network import check_one_by_one

    for name, stem, arrays in decoded(images, _arrays, unreadable, threads=0, files=files):
        maps = network.maps(arrays)
        check_one_by_one(maps, 1)
        yield {layer: values[0] for layer, values in maps.items()}, name, stem, several


def _arrays(image: Picture | SourceImage) -> Mapping[str, NDArray[Any]]:
    content = image.read() if isinstance(image, SourceImage) and image.inputs else None
    if not isinstance(content, Mapping):
        raise UsageError("there are pictures besides inputs of the graph", hint="run them separately")
    return content


def _run_tensors(
    network: Network, inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str]
) -> Iterator[Response]:
    from filterkit.runtime.raw_inputs import read_inputs

    arrays = inputs if isinstance(inputs, Mapping) else read_inputs(Path(inputs))
    maps = network.maps(arrays)
    counts = {layer: len(values) for layer, values in maps.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{layer} {count}" for layer, count in list(counts.items())[:6])
        raise RuntimeFailure(
            f"the layers return different batch sizes ({listed})", hint="address one layer at a time"
        )
    count = max(counts.values(), default=1)
    for number in range(count):
        name = "input" if count == 1 else f"input_{number}"
        yield {layer: values[number] for layer, values in maps.items()}, name, name, count > 1


class _Chosen(NamedTuple):
    """Maps, shape (channels, *spatial), with the label of each and the address of what made it."""

    values: NDArray[Any]
    labels: tuple[str, ...]
    makers: tuple[str, ...]


def chosen_maps(values: NDArray[Any], match: Match, labels: Sequence[str]) -> _Chosen:
    """The maps of the selected filters; after CReLU each has two, after maxout several share one."""
    import numpy as np

    count = match.layer["filters"]
    whole = list(match.filters) == list(range(count))
    makers = tuple(match.filter_addresses)
    if len(values) == count:
        return _Chosen(values if whole else values[np.asarray(match.filters)], tuple(labels), makers)
    if len(values) < count:
        if not whole:
            raise UsageError(
                f"{match.layer['activation']} merges the filters of {match.address} into {len(values)} maps",
                hint=f"address all of them, {match.address}, or use --at pre",
            )
        return _Chosen(values, tuple(map(str, range(len(values)))), (match.address,) * len(values))
    parts = len(values) // count
    places = [part * count + place for part in range(parts) for place in match.filters]
    names = [label if not part else f"{label} ({part + 1})" for part in range(parts) for label in labels]
    return _Chosen(values[np.asarray(places)], tuple(names), makers * parts)
