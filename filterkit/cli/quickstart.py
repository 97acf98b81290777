"""``filterkit quickstart``: add VGG16 to a new catalog, list its layers, draw, run and explain filters."""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.settings import DEFAULT_CATALOG, catalog_location

FIRST_PICTURE = "filters.png"
"""Marks a folder of an earlier run, whose photo may be replaced; elsewhere it may be the user's own."""

STEPS = (
    "add vgg16",
    "add classic",
    "layers vgg16",
    f"show vgg16/block1_conv1/0:6 -o {FIRST_PICTURE}",
    "show vgg16/block1_conv1 --channels rgb -o first_layer.png",
    "show vgg16/block1_conv2 -o all_kernels.png",
    "maps vgg16/block1_conv1 {photo} -o feature_maps.png",
    "maps vgg16/block1_conv2 {photo} -o feature_maps_block1.png",
    "maps vgg16/block2_conv2 {photo} -o feature_maps_block2.png",
    "maps vgg16/block3_conv3 {photo} -o feature_maps_block3.png",
    "maps vgg16/block4_conv3 {photo} -o feature_maps_block4.png",
    "maps vgg16/block5_conv3 {photo} -o feature_maps_block5.png",
    "maps classic {photo} --normalizer symmetric:per=filter,percentile=99 -o classic.png",
)

EXPLAINING = (
    "attribute vgg16/block3_conv3/13 {photo} -o attribution.png",
    "visualize vgg16/block3_conv1/1 --size 64 --steps 64 -o visualization.png",
)
"""Steps that compute gradients; on a slow machine their commands are printed instead."""

SLOW = 4.0
"""Seconds of a step above which the next of `EXPLAINING` is likely to take more than ten."""

NEXT = (
    "filterkit show vgg16/block1_conv1",
    "filterkit filters 'vgg16/block3_*' --sort -l2_norm --limit 10",
    "filterkit show vgg16/block5_conv3 -o block5.png",
    "filterkit convolve classic/edge_sobel_x {photo} -o sobel.png",
    'filterkit query "select name, receptive_field, macs from layer order by macs desc"',
)


@command
def quickstart(
    shell: Shell,
    folder: Annotated[Path, typer.Argument(help="Folder for the catalog and the pictures.")] = Path(
        "filterkit-quickstart"
    ),
    image: Annotated[Path | None, typer.Option(help="Your own photo for the feature maps.")] = None,
) -> None:
    """Add the pretrained VGG16, list its layers, draw its filters, run it on a photo and explain it."""
    folder.mkdir(parents=True, exist_ok=True)
    from filterkit.workbench import Workbench, place_photo

    photo = place_photo(folder, image, ours=(folder / FIRST_PICTURE).exists()).name
    catalog = str(Workbench(shell.catalog).path) if shell.catalog else DEFAULT_CATALOG
    # The printed commands must work in that folder even if FILTERKIT_CATALOG is set.
    place = "" if catalog_location() == catalog else f" --catalog {shlex.quote(catalog)}"
    left = list(EXPLAINING)
    with _working_in(folder):
        for step in STEPS:
            began = perf_counter()
            _run(shell, step.format(photo=shlex.quote(photo)), catalog, Path(photo))
        while left and perf_counter() - began < SLOW:
            began = perf_counter()
            _run(shell, left.pop(0).format(photo=shlex.quote(photo)), catalog, Path(photo))
    shell.say(f"\nThe pictures are in {folder}. Next:\n\n  cd {shlex.quote(str(folder))}")
    for line in (*(f"filterkit {step}" for step in left), *NEXT):
        shell.say("  " + line.format(photo=shlex.quote(photo)) + place)


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _run(shell: Shell, step: str, catalog: str, photo: Path) -> None:
    """Run one command as a user would type it in that folder; an up-to-date picture is not drawn again."""
    words = shlex.split(step)
    shell.say(f"$ filterkit {step}")
    picture = Path(words[-1])
    if picture.suffix == ".png" and _is_current(picture, photo):
        shell.say(f"{picture} already exists")
        return
    common = ["--catalog", catalog, *["--quiet"] * shell.quiet, *["--debug"] * shell.debug]
    if words[0] == "layers":
        _call([*words, *common, "--format", shell.format])
    else:
        with redirect_stdout(io.StringIO()):  # only the table of layers is shown
            _call([*words, *common, "--format", "ndjson"])


def _is_current(picture: Path, photo: Path) -> bool:
    return picture.exists() and picture.stat().st_mtime_ns >= photo.stat().st_mtime_ns


def _call(arguments: list[str]) -> None:
    from filterkit.cli.app import build_app

    code = build_app()(args=arguments, prog_name="filterkit", standalone_mode=False)
    if code:
        raise typer.Exit(code)
