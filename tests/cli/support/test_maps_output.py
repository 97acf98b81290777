"""Feature maps become files: one for each picture, or one for all, and no name twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, write_photo

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> None:
    pass


def test_several_pictures_and_folders_of_them(run: Run, tmp_path: Path, photo: Path) -> None:
    write_photo(tmp_path / "photos" / "a.png", seed=1)
    write_photo(tmp_path / "photos" / "b.jpg", seed=2)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    words = ("maps", "vgg16/block1_conv*", photo, "photos", "--size", "32", "--format", "json")
    rows = run(*words, "-o", "out").rows
    assert [Path(row["image"]).name for row in rows] == [*["photo.png"] * 2, *["a.png"] * 2, *["b.jpg"] * 2]
    assert {path.parent.name for path in Path("out").rglob("*.png")} == {"photo", "a", "b"}
    assert len(list(Path("out").rglob("*.png"))) == 6

    run(*words, "-o", "all.npz")
    run("maps", "vgg16/block1_conv1", "photos/b.jpg", "--size", "32", "-o", "b.npy")
    with np.load("all.npz") as stored:
        assert stored["block1_conv1"].shape == (3, 64, 32, 32)
        np.testing.assert_allclose(stored["block1_conv1"][2], np.load("b.npy")[0], atol=1e-3)

    code, _, hint = run("maps", "vgg16/block1_conv1", "photos", "--size", "32", "-o", "one.png").failure
    assert code == 2
    assert "-o one" in hint
    assert not Path("one.png").exists()


def test_a_picture_that_cannot_be_read_is_named_and_left_out(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write_photo(tmp_path / "photos" / f"{name}.png", seed=1)
    whole = Path("photos/b.png").read_bytes()
    Path("photos/b.png").write_bytes(whole[: len(whole) // 2])
    Path("photos/d.png").write_bytes(b"no picture")
    words = ("maps", "vgg16/block1_conv1", "photos", "--size", "16", "--format", "json")
    result = run(*words, "-o", "out")
    assert result.exit_code == 1
    assert [Path(row["image"]).name for row in json.loads(result.stdout)] == ["a.png", "c.png"]
    assert {path.name for path in Path("out").iterdir()} == {"a", "c"}
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "b.png" in errors[0]
    assert "d.png" in errors[1]

    # In an array a picture is known by its place alone: it holds all of them, or is not written.
    code, error, _ = run(*words, "-o", "all.npz").failure
    assert code == 1
    assert "b.png" in error
    assert not Path("all.npz").exists()


def test_pictures_of_equal_names_do_not_overwrite_each_other(run: Run, tmp_path: Path) -> None:
    for number, folder in enumerate(("x", "y")):
        write_photo(tmp_path / folder / "same.png", seed=number)
    words = ("maps", "vgg16/block1_conv1", "x/same.png", "y/same.png", "--size", "16", "-o", "out")
    rows = run(*words, "--format", "json").rows
    files = {row["file"] for row in rows}
    assert len(files) == 2
    assert all(Path(file).is_file() for file in files)


def test_layers_that_do_not_answer_share_a_line(run: Run, zoo_model: object) -> None:
    assert run("add", "silero-vad", "--catalog", "sound.db").exit_code == 0
    state = np.zeros((2, 1, 128), np.float32)
    np.savez("inputs.npz", input=np.ones((1, 512), np.float32), state=state, sr=np.array(16000))
    ran = run("maps", "silero-vad", "--input", "inputs.npz", "-o", "maps.npz", "--catalog", "sound.db")
    assert ran.exit_code == 0
    assert [line for line in ran.stderr.splitlines() if "left out" in line] == [
        "left out 6 layers (If_0_else_branch.stft, …): "
        "for this input the network takes the other branch of an If"
    ]
    assert len(np.load("maps.npz").files) == 6
