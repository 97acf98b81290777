"""``filterkit show``: draw filters as PNG, vector graphics and text, and on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from command_line import Run, size_of
from PIL import Image

import filterkit
from filterkit.runtime import expanded_weights

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> None:
    pass


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_suffix_chooses_the_kind_of_picture(run: Run, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "deep" / f"filters{suffix}"
    ran = run("show", "vgg16/block1_conv1/0:6", "-o", path)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "wrote" in ran.stderr
    if suffix == ".png":
        width, height = size_of(path)
        assert height > width, "six rows, three columns"
    elif suffix == ".svg":
        text = "".join(ElementTree.fromstring(path.read_bytes()).itertext())
        assert {"B", "G", "R"} <= set(text.split()) or "B" in path.read_text("utf-8")
    else:
        assert path.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(("suffix", "kind"), [(".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP")])
@pytest.mark.parametrize("address", ["vgg16/block1_conv1/0:6", "vgg16/block2_conv1"])
def test_compressed_pictures(run: Run, suffix: str, kind: str, address: str) -> None:
    sizes = []
    for quality in ([], ["--quality", "100"], ["--quality", "5"]):
        assert run("show", address, "-o", f"x{suffix}", *quality).exit_code == 0
        with Image.open(f"x{suffix}") as picture:
            assert picture.format == kind
            sizes.append(Path(f"x{suffix}").stat().st_size)
    assert sizes[1] > sizes[0] > sizes[2]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-o", "x.png", "--quality", "90"], 2, "--quality has no effect"),
        (["-o", "folder", "--quality", "90"], 2, "grid:format=jpg"),
        (["--quality", "90"], 2, "-o FILE.jpg"),
        (["-o", "x.jpg", "--quality", "0"], 2, "--quality"),
        (["-o", "x.jpg", "--quality", "101"], 2, "--quality"),
        (["-o", "x.png", "--renderer", "mosaic", "--quality", "90"], 2, "quality has no effect on png"),
        (["-o", "x.webp", "--renderer", "mosaic", "--scale", "6000"], 2, "16,383"),
    ],
)
def test_quality_and_size_that_do_not_fit(run: Run, words: list[str], code: int, says: str) -> None:
    found, error, hint = run("show", "vgg16/block1_conv1/0/0", *words).failure
    assert (found, says in f"{error} {hint}") == (code, True), (error, hint)
    assert not list(Path().glob("x.*"))


def test_text_and_the_terminal_show_half_blocks(run: Run, tmp_path: Path) -> None:
    plain = run("show", "vgg16/block1_conv1/0:6")
    assert plain.exit_code == 0
    assert "\x1b" not in plain.stdout, "stdout is no terminal"
    lines = plain.stdout.splitlines()
    assert lines[0] == "vgg16/block1_conv1"
    assert lines[1].split() == ["B", "G", "R"]
    assert max(map(len, lines)) <= 80
    coloured = run("show", "vgg16/block1_conv1/0:6", "--renderer", "terminal:color=truecolor")
    assert "▀" in coloured.stdout
    assert "\x1b[38;2;" in coloured.stdout
    assert run("show", "vgg16/block1_conv1/0:6", "-o", tmp_path / "filters.txt").exit_code == 0
    assert (tmp_path / "filters.txt").read_text("utf-8") == plain.stdout


def test_every_one_of_4096_kernels_is_drawn(run: Run, catalog: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.png"
    assert run("show", "vgg16/block1_conv2", "-o", path, "--renderer", "mosaic:scale=1,gap=0").exit_code == 0
    with filterkit.open(catalog) as bench:
        weights = bench.bank("vgg16/block1_conv2")
    low, high = weights.min(), weights.max()
    expected = ((weights - low) / (high - low)).transpose(0, 2, 1, 3).reshape(64 * 3, 64 * 3)
    with Image.open(path) as picture:
        drawn = np.asarray(picture.convert("L"), np.float32) / 255
    assert drawn.shape == expected.shape
    np.testing.assert_allclose(drawn, expected, atol=0.005)


def test_several_layers_go_to_a_folder(run: Run, tmp_path: Path) -> None:
    assert run("show", "classic/edge_*", "-o", tmp_path / "edges").exit_code == 0
    names = {path.name for path in (tmp_path / "edges").iterdir()}
    assert len(names) == 6
    assert "edge_sobel_x.png" in names
    code, error, hint = run("show", "classic/edge_*", "-o", "edges.png").failure
    assert code == 2
    assert "6 layers" in error
    assert "-o edges" in hint
    assert not Path("edges.png").exists()


def test_a_renderer_names_the_files_of_a_folder(run: Run, tmp_path: Path) -> None:
    ran = run("show", "vgg16/block1_*", "-o", tmp_path, "--renderer", "terminal")
    assert ran.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["block1_conv1.txt", "block1_conv2.txt"]


def test_colours_and_first_kernels(run: Run, tmp_path: Path) -> None:
    rgb, first = tmp_path / "rgb.png", tmp_path / "first.png"
    words = ("--renderer", "mosaic:scale=1")
    assert run("show", "vgg16/block1_conv1", "--channels", "rgb", "-o", rgb, *words).exit_code == 0
    assert run("show", "vgg16/block1_conv1", "--channels", "first", "-o", first, *words).exit_code == 0
    with Image.open(rgb) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() > 30, "red and blue differ somewhere"
    assert size_of(rgb) == size_of(first)
    code, _, hint = run("show", "vgg16/block1_conv2/0", "--channels", "rgb").failure
    assert code == 2
    assert hint


def test_colormap_and_scale(run: Run, tmp_path: Path) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    words = ("show", "classic/edge_sobel_x", "--normalizer", "symmetric", "--colormap", "RdBu_r")
    assert run(*words, "--renderer", "mosaic", "--scale", "1", "-o", small).exit_code == 0
    assert run(*words, "--renderer", "mosaic", "--scale", "8", "-o", large).exit_code == 0
    assert size_of(large)[0] >= 4 * size_of(small)[0]
    with Image.open(large) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 16) or []}
    assert any(r > b + 60 for r, _, b in colours)
    assert any(b > r + 60 for r, _, b in colours)


@pytest.mark.parametrize(
    ("words", "close"),
    [
        (["--normalizer", "minmx"], "'minmax'"),
        (["--normalizer", "minmax:pre=filter"], "'per'"),
        (["--normalizer", "minmax:per=filters"], "filter"),
        (["--renderer", "mosiac"], "'mosaic'"),
        (["--renderer", "mosaic:scal=3"], "'scale'"),
        (["--colormap", "virids"], "viridis"),
        (["-o", "x.gif"], ".png"),
        (["-o", "x.svg", "--renderer", "mosaic"], ".png"),
    ],
)
def test_mistyped_wishes_list_the_closest(run: Run, words: list[str], close: str) -> None:
    code, error, hint = run("show", "classic/emboss", *words).failure
    assert code == 2, error
    assert close in f"{error} {hint}"
    assert not Path("x.gif").exists()
    assert not Path("x.svg").exists()


@pytest.mark.parametrize(
    "address", ["vgg16/block1_conv1/64", "vgg16/block1_conv1/0/3", "vgg16/nowhere", "no"]
)
def test_addresses_of_nothing(run: Run, address: str) -> None:
    code, _, hint = run("show", address).failure
    assert code == 1
    assert hint


def test_a_grid_refuses_what_it_cannot_label(run: Run) -> None:
    words = ("show", "vgg16/block5_conv3", "-o", "x.svg")
    code, error, hint = run(*words).failure
    assert code == 2
    assert "262,144" in error or "262144" in error
    assert "mosaic" in hint


def test_a_colormap_for_colour_pictures_is_refused(run: Run) -> None:
    code, error, hint = run("show", "vgg16/block1_conv1", "--channels", "rgb", "--colormap", "RdBu_r").failure
    assert code == 2
    assert "--colormap" in error
    assert hint


@pytest.mark.parametrize("channels", ["rgb", "factors"])
def test_a_colormap_for_every_kind_of_colour_picture_is_refused(run: Run, channels: str) -> None:
    words = ("show", "vgg16/block2_conv1", "--expand", "--channels", channels, "--colormap", "RdBu_r")
    code, error, _ = run(*words).failure
    assert (code, "--colormap" in error) == (2, True)


def test_expanded_filters_and_factors(run: Run, catalog: Path) -> None:
    words = ("vgg16/block2_conv1/0:4", "--renderer", "mosaic:scale=1", "-o")
    assert run("show", *words, "expanded.png", "--expand").exit_code == 0
    assert size_of(Path("expanded.png")) == (23, 23), "2 × 2 receptive fields of 10 pixels and 3 lines"
    with filterkit.open(catalog) as bench, Image.open("expanded.png") as picture:
        weights = bench.bank("vgg16/block2_conv1/0", expand=True)[0, ::-1].transpose(1, 2, 0)
        drawn = np.asarray(picture.convert("RGB"))[1:11, 1:11]
        assert picture.text["filterkit weights"] == "expanded"
    wanted = (weights / np.abs(weights).max() + 1) / 2 * 255
    np.testing.assert_allclose(drawn, wanted, atol=1)
    assert run("show", *words, "factors.png", "--channels", "factors").exit_code == 0
    assert size_of(Path("factors.png")) == (9, 9)
    assert (
        run("show", *words, "both.jpg", "--channels", "factors", "--expand", "--quality", "95").exit_code == 0
    )
    assert run("show", *words, "gray.png", "--expand", "--colormap", "RdBu_r").exit_code == 0
    assert size_of(Path("gray.png")) == (34, 45), "a column per channel"


def test_only_what_a_terminal_draws_is_expanded(
    run: Run, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expanded: list[int] = []

    def expand(*arguments: Any, **options: Any) -> Any:
        expanded.append(len(arguments[2]))
        return whole(*arguments, **options)

    whole = expanded_weights.expand
    monkeypatch.setattr(expanded_weights, "expand", expand)
    shown = run("show", "vgg16/block2_conv2/0:100", "--expand")
    with filterkit.open(catalog) as bench:
        ((_, sheet),) = bench.sheets("vgg16/block2_conv2/0:100", expand=True)
        assert shown.stdout == bench.render(sheet, "terminal:width=80").decode()
    assert "Showing 36 of 100 tiles" in shown.stdout
    assert expanded == [36, 100]


def test_expanded_filters_that_are_piped_and_of_several_layers(run: Run, tmp_path: Path) -> None:
    rows = run("filters", "vgg16/block2_conv1", "--limit", "3", "--format", "ndjson").stdout
    ran = run("show", "-", "--expand", "-o", "piped.png", "--renderer", "mosaic:scale=1", piped=rows)
    assert ran.exit_code == 0, ran
    assert size_of(Path("piped.png")) == (34, 12)
    assert run("show", "vgg16/block1_*", "--expand", "-o", "folder", "--renderer", "mosaic").exit_code == 0
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {"block1_conv1.png", "block1_conv2.png"}
    assert "multiplied out" in run("show", "vgg16/block1_conv2/0:2", "--expand").stdout.replace("\n", " ")
