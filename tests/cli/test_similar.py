"""``filterkit similar``: rows, pictures and invalid queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Run, size_of
from PIL import Image

import filterkit

SOBEL = "[[-1,0,1],[-2,0,2],[-1,0,1]]"


@pytest.mark.zoo
def test_what_in_vgg16_looks_like_a_sobel(run: Run, catalog: Path) -> None:
    rows = run("similar", SOBEL, "--invariant", "scale,sign,rotate", "--limit", 4, "--format", "json").rows
    assert list(rows[0]) == ["address", "similarity", "transform", "model", "layer", "filter", "kernel"]
    assert [row["address"] for row in rows[:2]] == ["classic/edge_sobel_x/0/0", "classic/edge_sobel_y/0/0"]
    assert [(row["similarity"], row["transform"]) for row in rows[:2]] == [(1.0, "identity"), (1.0, "@90")]
    assert {row["model"] for row in rows[2:]} == {"vgg16"}


@pytest.mark.zoo
def test_rows_can_be_piped_on(run: Run, catalog: Path, tmp_path: Path) -> None:
    found = run("similar", "vgg16/block1_conv1/35", "--limit", 3, "--format", "ndjson")
    assert found.stdout.count("\n") == 3
    assert '"address": "vgg16/block1_conv1/60"' in found.stdout
    run("show", "-", "-o", "found.png", "--renderer", "mosaic:scale=1,gap=0", piped=found.stdout)
    width, height = size_of(tmp_path / "found.png")
    assert (width % 3, height % 3, width * height >= 27) == (0, 0, True)


def test_a_table_of_80_columns(run: Run, classic: Path) -> None:
    ran = run("similar", SOBEL, "--limit", 3, "--invariant", "scale,sign,flip,rotate")
    assert ran.stdout.splitlines() == [
        "address                     similarity  transform",
        "──────────────────────────  ──────────  ─────────",
        "classic/edge_sobel_x/0/0             1  identity",
        "classic/edge_sobel_y/0/0             1  @90",
        "classic/edge_prewitt_x/0/0      0.9428  identity",
    ]


def test_a_picture_of_what_was_found(run: Run, classic: Path, tmp_path: Path) -> None:
    ran = run("similar", SOBEL, "--limit", 3, "-o", "found.png")
    assert "wrote found.png" in ran.stderr
    width, height = size_of(tmp_path / "found.png")
    assert height > width / 2
    assert run("similar", "classic/edge_sobel_x", "-o", "found.txt", "--quiet").stderr == ""
    assert "classic/edge_sobel_x" in (tmp_path / "found.txt").read_text(encoding="utf-8")


def test_a_file_as_the_query(run: Run, classic: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.array([[1, 0], [0, -1]]))
    rows = run("similar", "mine.npy", "--limit", 1, "--format", "json").rows
    assert (rows[0]["address"], rows[0]["similarity"]) == ("classic/edge_roberts_1/0/0", 1.0)
    run("export", "classic/blur_box_3", "-o", "box.npy")
    rows = run("similar", "box.npy", "--invariant", "", "--limit", 1, "--format", "json").rows
    assert (rows[0]["address"], rows[0]["similarity"]) == ("classic/blur_box_3/0", 1.0)


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (["[[1,2,3]]"], 1, "no kernel in the searched layers has the size 1×3", "sizes there: 2×2, 3×3, 5×5"),
        (["[[0,0],[0,0]]"], 2, "[[0,0],[0,0]] is all zeros", ""),
        (["[[1,2"], 2, "cannot parse [[1,2 as numbers", "sobel.npy"),
        (["classic/edge_sobel"], 1, "there is no layer 'edge_sobel' in classic", "'edge_sobel_x'"),
        (["classic/edge_*"], 2, "the query is a single kernel or filter", "classic/edge_sobel_x"),
        ([SOBEL, "--invariant", "scale,sing"], 2, "there is no invariance 'sing'", "'sign'"),
        ([SOBEL, "--among", "clasic"], 1, "there is no model 'clasic'", "'classic'"),
        (["none.npy"], 1, "there is no file none.npy", ""),
    ],
)
def test_what_is_no_query(
    run: Run, classic: Path, words: list[str], code: int, error: str, hint: str
) -> None:
    failed, said, hinted = run("similar", *words).failure
    assert failed == code
    assert said.startswith(error)
    assert hint in hinted
    assert "\n" not in said


def test_options_out_of_range(run: Run, classic: Path) -> None:
    for words in (["--limit", "0"], ["--level", "layer"]):
        ran = run("similar", SOBEL, *words)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert words[0] in ran.stderr


@pytest.mark.zoo
def test_pictures_name_the_channels_of_a_layer_that_reads_a_picture(vgg16_catalog: Path) -> None:
    with filterkit.open(vgg16_catalog) as bench:
        filters = bench.sheet(bench.similar("vgg16/block1_conv1/3", limit=2))
        assert filters.column_labels == ("B", "G", "R")
        drawn = bench.sheet(bench.similar(bench.bank("vgg16/block1_conv1/3")[0], limit=1))
        assert drawn.column_labels == ("B", "G", "R"), "an array has no names of its own"
        kernels = bench.sheet(bench.similar("vgg16/block1_conv1/3/2", "vgg16/block1_*", limit=40))
        labels = [label.split(" ") for label in kernels.row_labels]
        assert labels[0] == ["vgg16/block1_conv1/3/2", "R"]
        for address, *more in labels[1:]:
            of_the_first = address.startswith("vgg16/block1_conv1/")
            assert more[0] == "BGR"[int(address[-1])] if of_the_first else more[0] not in "BGR"


@pytest.mark.zoo
def test_options_of_the_picture(run: Run, catalog: Path, tmp_path: Path) -> None:
    words = ("similar", SOBEL, "--limit", 2)
    pixels = ("--renderer", "mosaic:scale=1,gap=0", "--colormap", "RdBu_r")
    assert run(*words, "-o", "signed.png", *pixels).exit_code == 0
    assert size_of(tmp_path / "signed.png") == (3, 9)
    with Image.open(tmp_path / "signed.png") as picture:
        assert picture.mode == "RGB"
    code, error, hint = run(*words, "--colormap", "RdBu_r").failure
    assert (code, hint) == (2, "name a file: -o FILE.png")
    assert "no effect" in error
    assert "symetric" in run(*words, "-o", "x.png", "--normalizer", "symetric").failure[1]
    assert not (tmp_path / "x.png").exists()
