"""``filterkit show -``: draw filters found by another command on one sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Run, size_of
from PIL import Image

import filterkit

pytestmark = pytest.mark.zoo

PIXELS = ("--renderer", "mosaic:scale=1,gap=0")


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> None:
    pass


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), np.float32) / 255


def as_drawn(kernel: np.ndarray) -> np.ndarray:
    """A kernel normalized with `minmax:per=kernel`."""
    return (kernel - kernel.min()) / (kernel.max() - kernel.min())


@pytest.mark.parametrize("name", ["ndjson", "json", "csv", "tsv"])
def test_rows_of_every_format_are_drawn(run: Run, catalog: Path, tmp_path: Path, name: str) -> None:
    words = ("vgg16/block3_*", "--sort", "-l2_norm", "--limit", "6")
    rows = run("filters", *words, "--format", "json").rows
    ran = run("show", "-", "-o", "found.png", *PIXELS, piped=run("filters", *words, "--format", name).stdout)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "wrote found.png" in ran.stderr
    drawn = pixels(tmp_path / "found.png").reshape(2, 3, 3, 3).transpose(0, 2, 1, 3).reshape(6, 3, 3)
    with filterkit.open(catalog) as bench:
        for row, tile in zip(rows, drawn, strict=True):
            kernels = bench.bank(row["address"])[0]
            strongest = kernels[np.square(kernels).sum(axis=(1, 2)).argmax()]
            np.testing.assert_allclose(tile, as_drawn(strongest), atol=0.005)


def test_a_line_per_address_with_kernels_and_several_filters(run: Run, catalog: Path, tmp_path: Path) -> None:
    lines = "\ufeffvgg16/block1_conv1/3/2\n\n  vgg16/block2_conv1/5/17\r\nvgg16/block1_conv1/0:2/0\n"
    assert run("show", "-", "-o", "found.png", *PIXELS, piped=lines).exit_code == 0
    drawn = pixels(tmp_path / "found.png").reshape(2, 3, 2, 3).transpose(0, 2, 1, 3).reshape(4, 3, 3)
    wanted = (
        "vgg16/block1_conv1/3/2",
        "vgg16/block2_conv1/5/17",
        "vgg16/block1_conv1/0/0",
        "vgg16/block1_conv1/1/0",
    )
    with filterkit.open(catalog) as bench:
        for address, tile in zip(wanted, drawn, strict=True):
            np.testing.assert_allclose(tile, as_drawn(bench.bank(address)[0, 0]), atol=0.005)


def test_the_sheet_says_what_it_shows(catalog: Path) -> None:
    with filterkit.open(catalog) as bench:
        found = bench.sheet(["vgg16/block1_conv2/7", "classic/sharpen_unsharp_5/0", "vgg16/block1_conv1/0"])
        strongest = np.square(bench.bank("vgg16/block1_conv2/7")[0]).sum(axis=(1, 2)).argmax()
        assert found.tile_labels[:2] == (f"vgg16/block1_conv2/7/{strongest}", "classic/sharpen_unsharp_5/0")
        assert found.title == "3 filters of vgg16 and classic"
        assert found.note == (
            "min-max per kernel; the strongest kernel of each filter; "
            "kernels of 3×3, 5×5 drawn at the same size"
        )
        assert found.tile_shape == (15, 15)
        enlarged = found.tiles.reshape(-1, 15, 15)[1]
        kernel = as_drawn(bench.bank("classic/sharpen_unsharp_5")[0, 0])
        np.testing.assert_allclose(enlarged, np.kron(kernel, np.ones((3, 3))), atol=1e-6)
        kernels = bench.sheet([f"vgg16/block1_conv1/{n}/1" for n in range(4)])
        assert kernels.tile_labels[0] == "block1_conv1/0/1 G", "the title names the model"
        assert kernels.title == "4 kernels of vgg16"
        assert kernels.note == "min-max per kernel"
        assert bench.sheet(["vgg16/block1_conv1/9/1"]).title == "vgg16/block1_conv1/9/1"
        first = bench.sheet(["vgg16/block1_conv1/0", "vgg16/block1_conv2/0"], channels="first")
        assert first.note == "min-max per kernel; the first kernel of each filter"


def test_all_channels_where_they_are_the_same(catalog: Path) -> None:
    with filterkit.open(catalog) as bench:
        addresses = ["vgg16/block1_conv1/9", "vgg16/block1_conv1/2"]
        separate = bench.sheet(addresses, "minmax", channels="separate")
        assert (separate.rows, separate.column_labels) == (2, ("B", "G", "R"))
        assert separate.row_labels == ("block1_conv1/9", "block1_conv1/2")
        np.testing.assert_array_equal(separate.tiles, bench.sheet("vgg16/block1_conv1/9,2").tiles)
        assert separate.vmin == bench.bank("vgg16/block1_conv1").min(), "one layer has one scale"
        colours = bench.sheet(addresses, channels="rgb")
        assert colours.is_colour
        whole = bench.sheet("vgg16/block1_conv1/9,2", "minmax:per=filter", channels="rgb")
        np.testing.assert_array_equal(colours.tiles, whole.tiles)


def test_the_strongest_kernels_of_one_layer(run: Run, catalog: Path, tmp_path: Path) -> None:
    words = ("show", "vgg16/block1_conv2", "--channels", "strongest", "-o", "strong.png", *PIXELS)
    assert run(*words).exit_code == 0
    assert size_of(tmp_path / "strong.png") == (24, 24)
    with filterkit.open(catalog) as bench:
        bank = bench.bank("vgg16/block1_conv2")
        strongest = bank[0, np.square(bank[0]).sum(axis=(1, 2)).argmax()]
        low, high = bank.min(), bank.max()
    first = pixels(tmp_path / "strong.png")[:3, :3]
    np.testing.assert_allclose(first, (strongest - low) / (high - low), atol=0.005)


def test_a_whole_network_is_a_mosaic(run: Run, tmp_path: Path) -> None:
    rows = run("filters", "*", "--columns", "address", "--format", "csv").stdout
    assert run("show", "-", "-o", "all.png", piped=rows).exit_code == 0
    with Image.open(tmp_path / "all.png") as picture:
        assert picture.info["Title"] == "4,237 filters of vgg16 and classic"
    code, error, hint = run("show", "-", "-o", "x.png", piped="vgg16\n" * 3).failure
    assert (code, error) == (2, "12,672 filters do not fit on one sheet; the limit is 10,000")
    assert "--limit" in hint


def test_what_similar_found_is_drawn(run: Run, catalog: Path, tmp_path: Path) -> None:
    words = ("similar", "classic/edge_sobel_x/0/0", "--among", "vgg16/block1_*", "--limit", "4")
    found = run(*words, "--format", "json").rows
    ran = run("show", "-", "-o", "found.png", *PIXELS, piped=run(*words, "--format", "tsv").stdout)
    assert ran.exit_code == 0
    drawn = pixels(tmp_path / "found.png").reshape(2, 3, 2, 3).transpose(0, 2, 1, 3).reshape(4, 3, 3)
    with filterkit.open(catalog) as bench:
        for row, tile in zip(found, drawn, strict=True):
            np.testing.assert_allclose(tile, as_drawn(bench.bank(row["address"])[0, 0]), atol=0.005)


def test_kernels_that_make_no_table(run: Run) -> None:
    different = "vgg16/block1_conv1/0\nvgg16/block1_conv2/0\n"
    code, error, hint = run("show", "-", "--channels", "separate", piped=different).failure
    assert (code, "do not form columns" in error) == (2, True)
    assert "strongest" in hint
    code, error, _ = run("show", "-", "--channels", "rgb", piped=different).failure
    assert code == 2
