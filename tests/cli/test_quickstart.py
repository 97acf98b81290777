"""``filterkit quickstart``: the first command of a new user."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, size_of, write_photo
from PIL import Image

import filterkit

PICTURES = {
    "filters.png",
    "first_layer.png",
    "all_kernels.png",
    "feature_maps.png",
    *(f"feature_maps_block{number}.png" for number in range(1, 6)),
    "classic.png",
}


EXPLAINING = {"attribution.png", "visualization.png"}
"""On a slow machine their commands are printed instead."""


@pytest.fixture(scope="module")
def done(zoo_model: object, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """One run with the user's own photo: the folder, and the output on both streams."""
    from typer.testing import CliRunner

    from filterkit.cli.app import build_app

    zoo_model("vgg16")  # type: ignore[operator]
    place = tmp_path_factory.mktemp("newcomer")
    photo = write_photo(place / "my holiday.png", size=(60, 80))
    folder = place / "try it"
    result = CliRunner().invoke(build_app(), ["quickstart", str(folder), "--image", str(photo)])
    assert result.exit_code == 0, result.output
    return folder, result.stdout, result.stderr


@pytest.mark.zoo
def test_it_prints_the_layers_and_writes_the_pictures(done: tuple[Path, str, str]) -> None:
    folder, stdout, _ = done
    lines = stdout.splitlines()
    assert sum(bool(re.match(r"block\d_conv\d ", line)) for line in lines) == 13
    pictures = {path.name for path in folder.glob("*.png")} - {"photo.png"}
    assert pictures - EXPLAINING == PICTURES
    assert all((name in pictures) != (f"-o {name}" in _suggested(done)) for name in EXPLAINING)
    sqlites = {"catalog.db-wal", "catalog.db-shm"}
    others = {path.name for path in folder.iterdir()} - PICTURES - EXPLAINING - sqlites
    assert others == {"photo.png", "catalog.db", "catalog.store"}


def _suggested(done: tuple[Path, str, str]) -> str:
    """What comes after the pictures."""
    return done[2].partition("Next:")[2]


@pytest.mark.zoo
def test_the_pictures_have_the_shapes_promised(done: tuple[Path, str, str]) -> None:
    folder, _, _ = done
    sizes = {name: size_of(folder / name) for name in PICTURES}
    assert all(min(size) >= 200 for size in sizes.values()), sizes
    width, height = sizes["filters.png"]
    assert height > width, "six rows of three columns"
    width, height = sizes["first_layer.png"]
    assert 0.7 < width / height < 1.4, "eight by eight"
    width, height = sizes["all_kernels.png"]
    assert min(width, height) >= 64 * 3 + 63, "4,096 kernels of 3 × 3, one pixel between"
    width, height = sizes["feature_maps.png"]
    assert 0.7 < width / height < 1.4, "eight by eight"
    with Image.open(folder / "first_layer.png") as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    assert (np.abs(pixels[..., 0] - pixels[..., 2]) > 30).mean() > 0.01, "in colour"
    with Image.open(folder / "filters.png") as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() < 10, "in gray"


@pytest.mark.zoo
def test_the_pictures_say_what_they_show(done: tuple[Path, str, str]) -> None:
    folder, _, _ = done
    texts = {}
    for name in PICTURES:
        with Image.open(folder / name) as picture:
            texts[name] = picture.text  # type: ignore[attr-defined]
    assert all("sha256:" in each["filterkit model"] for each in texts.values())
    kernels = texts["all_kernels.png"]
    assert kernels["Title"] == "vgg16/block1_conv2"
    assert kernels["filterkit order"] == "one row per filter, one column per kernel"
    assert kernels["filterkit renderer"].endswith("mosaic:format=png,caption=true")
    assert texts["classic.png"]["Description"].startswith("symmetric about zero, up to percentile 99")


@pytest.mark.zoo
def test_the_laplacian_is_visible(done: tuple[Path, str, str]) -> None:
    """In a photo, a few strong edges would otherwise leave the rest of its map gray."""
    folder, _, _ = done
    from matplotlib import cbook

    photo = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    with filterkit.open(folder / "catalog.db") as bench:
        maps = bench.feature_maps("classic/sharpen_laplacian", photo, at="pre")
        before, now = (
            bench.sheet(maps, spec).tiles
            for spec in ("minmax:per=filter", "symmetric:per=filter,percentile=99")
        )
    assert now.std() > 2 * before.std()


@pytest.mark.zoo
def test_it_ends_with_five_commands_that_work(
    done: tuple[Path, str, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, stderr = done
    lines = [line.strip() for line in stderr.splitlines() if line.startswith("  ")]
    assert lines[0] == f"cd {shlex.quote(str(folder))}"
    assert len(lines) == 1 + 5 + sum(not (folder / name).exists() for name in EXPLAINING)
    monkeypatch.chdir(folder)
    before = set(folder.iterdir())
    try:
        for line in lines[1:]:
            program, *words = shlex.split(line)
            assert program == "filterkit"
            ran = run(*words)
            assert ran.exit_code == 0, (line, ran)
    finally:
        for path in set(folder.iterdir()) - before:
            path.unlink()


@pytest.mark.zoo
def test_a_second_run_reuses_everything(done: tuple[Path, str, str], run: Run) -> None:
    folder, stdout, _ = done
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    ran = run("quickstart", folder, "--image", folder.parent / "my holiday.png")
    assert ran.exit_code == 0
    assert ran.stdout == stdout
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert {name: time for name, time in after.items() if name in before} == before
    assert "nothing changed" in ran.stderr


@pytest.mark.slow
@pytest.mark.zoo
def test_another_photo_redraws_only_its_own_pictures(
    done: tuple[Path, str, str], run: Run, tmp_path: Path
) -> None:
    folder, _, _ = done
    before = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    other = write_photo(tmp_path / "other.bmp", seed=5, size=(60, 80))
    assert run("quickstart", folder, "--image", other, "--quiet").stderr == ""
    after = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    changed = {name for name in before if after[name] != before[name]}
    assert changed - EXPLAINING == {name for name in PICTURES if name.startswith(("feature_maps", "classic"))}

    # Back to the first photo: its file is older than the pictures of the other, which are not its own.
    first = folder.parent / "my holiday.png"
    assert run("quickstart", folder, "--image", first, "--quiet").exit_code == 0
    (folder / "photo.bmp").unlink()
    assert {name: (folder / name).read_bytes() for name in PICTURES} == {
        name: before[name] for name in PICTURES
    }


def test_a_photo_that_is_none(run: Run, tmp_path: Path) -> None:
    code, error, hint = run("quickstart", "here", "--image", "missing.jpg").failure
    assert code == 1
    assert "missing.jpg" in error
    assert hint


def test_a_photo_that_was_there_before_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    mine = write_photo(tmp_path / "photo.png", seed=1)
    content = mine.read_bytes()
    other = write_photo(tmp_path / "elsewhere" / "other.png", seed=2)
    code, error, hint = run("quickstart", ".", "--image", other).failure
    assert code == 2
    assert "photo.png" in error
    assert "FOLDER" in hint
    assert mine.read_bytes() == content


@pytest.mark.zoo
def test_it_speaks_of_no_table_that_it_does_not_show(done: tuple[Path, str, str]) -> None:
    assert done[2].count("not shown") == 1


@pytest.mark.zoo
def test_the_printed_commands_name_a_catalog_that_is_elsewhere(
    done: tuple[Path, str, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, said = done
    assert "--catalog" not in said
    url = f"sqlite:///{folder / 'catalog.db'}"
    photo = folder.parent / "my holiday.png"
    commands = run("quickstart", folder, "--image", photo, "--catalog", url).stderr.splitlines()[-5:]
    assert all(line.endswith(f" --catalog '{folder / 'catalog.db'}'") for line in commands)
    monkeypatch.setenv("FILTERKIT_CATALOG", "another.db")
    commands = run("quickstart", folder, "--image", photo).stderr.splitlines()[-5:]
    assert all(line.endswith(" --catalog catalog.db") for line in commands)


def test_offline_it_says_what_it_needs_and_what_works_without(spawn: Run, tmp_path: Path) -> None:
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}
    ran = spawn("quickstart", "here", FILTERKIT_CACHE=str(tmp_path / "empty"), **offline)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("error: ") == 1
    assert "cannot download" in ran.stderr
    [hint] = [line for line in ran.stderr.splitlines() if line.startswith("hint: ")]
    assert "filterkit add classic" in hint
