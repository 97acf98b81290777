"""Apply the filters of one layer, or one kernel, to one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from filterkit.errors import ImageError, UsageError
from filterkit.operations.corrections import hint_argument_order
from filterkit.operations.requested_pictures import parse_size, picture_name
from filterkit.records import Preprocessing, RunOptions
from filterkit.results.maps import FeatureMaps

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.records import FloatArray
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

UNIT_GRAY = Preprocessing(channel_order="GRAY", scale=1 / 255)
UNIT_RGB = Preprocessing(channel_order="RGB", scale=1 / 255)


def convolve(
    session: Session,
    address: str,
    image: Picture,
    *,
    per_channel: bool,
    options: RunOptions,
) -> FeatureMaps:
    """See `Workbench.convolve`."""
    with hint_argument_order("convolve", address, [image], session.matches):
        match = session.one(address, "convolve takes filters of one layer")
    return _convolve(
        match,
        session.weights(match),
        session.bias(match),
        session.selected_labels([match])[0],
        image,
        per_channel=per_channel,
        options=options,
    )


def _convolve(
    match: Match,
    weights: FloatArray,
    bias: FloatArray | None,
    labels: Sequence[str],
    picture: Picture,
    *,
    per_channel: bool,
    options: RunOptions,
) -> FeatureMaps:
    """`weights`, `bias` and `labels` are of the filters that `match` selects."""
    from filterkit.catalog.model_input import preprocessing_from, takes_no_pictures
    from filterkit.graph.layers.picture_input import fixed_size
    from filterkit.runtime.convolve import Sliding, convolve, convolve_kernel
    from filterkit.runtime.pixels import read_pixels
    from filterkit.runtime.preprocessing import prepare, scaled
    from filterkit.runtime.providers import choose

    layer, own = match.layer, preprocessing_from(match.model["preprocessing"])
    wanted = parse_size(options.size)
    is_single = _is_single_kernel(weights, match, per_channel)
    bands = own if own and own.channel_order == "BANDS" else None
    if is_single and bands and per_channel:
        prepared = replace(bands, layout="NCHW", mean=(), std=())
    elif is_single:
        prepared = UNIT_RGB if per_channel else UNIT_GRAY
    else:
        prepared = own or UNIT_RGB
    try:
        pixels = read_pixels(picture, prepared)
    except ImageError as error:
        if prepared is UNIT_GRAY and bands:
            hint = f"--per-channel applies it to each of the {bands.bands} bands"
            raise ImageError(error.message, hint=hint) from error
        raise
    shape = None if wanted is None or wanted == "original" else wanted
    if wanted is None and own:
        sides = own.size if own.size and min(own.size) > 0 else None
        declared = fixed_size(match.model["input_shape"], match.model["input_layout"])
        shape = sides or scaled((pixels.shape[0], pixels.shape[1]), declared)

    if is_single:
        if weights.shape[0] != 1:
            raise UsageError(
                "convolve applies one single kernel at a time", hint="address one, e.g. classic/edge_sobel_x"
            )
        image = prepare(pixels, prepared, shape)
        maps = convolve_kernel(weights[0, 0], image, options=options, name=match.address)
        labels = prepared.channels if per_channel else labels
        makers = (f"{match.address}/{match.filters[0]}/{match.kernels[0]}",) * len(labels)
    else:
        if per_channel:
            raise UsageError("--per-channel needs a single kernel", hint=f"e.g. {match.address}/0/0")
        if own is None:
            raise ImageError(
                takes_no_pictures(match.model),
                hint=f"address one kernel, e.g. {match.address}/{match.filters[0]}/0",
            )
        if not layer["input_channels"]:
            takes = layer["in_channels"]
            names = own.channels
            has = f"{len(names)} ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})"
            raise ImageError(
                f"{match.address} takes {takes} channels from the layer before it; a picture has {has}",
                hint=f"address one kernel, e.g. {match.address}/{match.filters[0]}/0, or use filterkit maps",
            )
        image = prepare(pixels, own, shape)
        image = image.transpose(0, 3, 1, 2) if own.layout == "NHWC" else image
        sliding = Sliding(
            transposed="ConvTranspose" in layer["op"],
            strides=layer["strides"],
            pads=layer["pads"],
            dilations=layer["dilations"],
            groups=layer["groups"],
            auto_pad=layer["auto_pad"],
            output_padding=layer["output_padding"],
        )
        maps = convolve(
            weights,
            bias,
            image,
            sliding,
            options=options,
            name=match.address,
        )
        makers = match.filter_addresses

    image_text, image_name = picture_name(picture, 0)
    name = layer["name"]
    return FeatureMaps(
        maps={name: maps[0]},
        addresses={name: match.selected_address},
        activations={name: None},
        labels={name: tuple(labels)},
        makers={name: makers},
        image=image_text,
        image_name=image_name,
        provider=choose(options.provider).name,
        models={match.model["name"]: match.model["sha256"]},
        at="pre",
    )


def _is_single_kernel(weights: FloatArray, match: Match, per_channel: bool) -> bool:
    """One kernel is addressed, or the filters have only one and do not read a picture."""
    if weights.shape[1] != 1:
        return False
    layer = match.layer
    return (
        per_channel or weights.shape[1] < layer["kernels"] // layer["filters"] or not layer["input_channels"]
    )
