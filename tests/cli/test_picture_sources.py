"""Pictures from lists, archives and plugins, and inputs from arrays, on the command line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, write_photo

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _photos(catalog: Path) -> None:
    """Two pictures, and an archive with both and a file that is none."""
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for seed, name in enumerate(("cat/1.png", "tree/1.png")):
            archive.write(write_photo(Path("photos", name), seed=seed), name)
        archive.writestr("cat/\x1b[2J.png", "no picture")
    Path("list.txt").write_text("photos/cat/1.png,cat\nphotos/none.png\n")


WORDS = ("maps", "vgg16/block1_conv1/0:2", "--size", "32")


def test_maps_of_an_archive(run: Run) -> None:
    done = run(*WORDS, "zip:photos.zip", "-o", "out", "--format", "csv")
    assert done.exit_code == 1
    assert [row.split(",")[1] for row in done.stdout.splitlines()[1:]] == [
        "photos.zip!cat/1.png",
        "photos.zip!tree/1.png",
    ]
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "\x1b" not in error
    assert "is not a picture but a text file" in error
    assert {path.as_posix() for path in Path("out").rglob("*.png")} == {
        "out/1/block1_conv1.png",
        "out/1_2/block1_conv1.png",
    }
    again = run(*WORDS, "zip:photos.zip", "-o", "out", "--skip-existing", "--format", "csv")
    assert len(again.stdout.splitlines()) == 1


def test_maps_of_a_list_and_a_folder_of_classes(run: Run) -> None:
    done = run(*WORDS, "list:list.txt", "--format", "csv")
    assert done.exit_code == 1
    assert "picture photos/none.png does not exist" in done.stderr
    assert len(done.stdout.splitlines()) == 2
    rows = run(*WORDS, "photos", "--format", "json").rows
    assert [row["image"] for row in rows] == ["photos/cat/1.png", "photos/tree/1.png"]


def test_attributions(run: Run) -> None:
    words = ("attribute", "vgg16/block1_conv1/0", "--size", "32", "list:list.txt", "photos/tree/1.png")
    done = run(*words, "--format", "csv")
    assert [row.split(",")[1] for row in done.stdout.splitlines()[1:]] == [
        "photos/cat/1.png",
        "photos/tree/1.png",
    ]


@pytest.mark.parametrize(
    ("spec", "code", "message", "hint"),
    [
        ("zip:none.zip", 1, "file none.zip does not exist", "zip: takes the path of a file"),
        ("zip:list.txt", 1, "cannot read list.txt as a zip archive", ""),
        ("list:photos.zip", 1, "photos.zip is not a text file", "a line has a path"),
        ("npz:photos.zip", 2, "photos.zip contains no inputs", "numpy.savez"),
        ("list:", 2, "list: needs a file", "e.g. list:FILE"),
        ("zpi:photos.zip", 2, "unknown image-source 'zpi'", "did you mean 'zip'?"),
    ],
)
def test_sources_that_have_no_pictures(run: Run, spec: str, code: int, message: str, hint: str) -> None:
    found = run(*WORDS, spec).failure
    assert found[0] == code
    assert message in found[1]
    assert hint in found[2]


def test_inputs_as_arrays(run: Run) -> None:
    pixels = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    np.savez("in.npz", x=pixels)
    code, error, hint = run("maps", "vgg16/block1_conv1/0:2", "npz:in.npz").failure
    assert (code, error) == (1, "the network has no input 'x'")
    assert "'input'" in hint
    np.savez("in.npz", input=pixels)
    rows = run("maps", "vgg16/block1_conv1/0:2", "npz:in.npz", "-o", "maps.npy", "--format", "json").rows
    assert [row["image"] for row in rows] == ["in.npz!0", "in.npz!1", "in.npz!2"]
    run("maps", "vgg16/block1_conv1/0:2", "--input", "in.npz", "-o", "whole.npy")
    np.testing.assert_allclose(np.load("maps.npy"), np.load("whole.npy"), rtol=1e-4, atol=1e-4)
