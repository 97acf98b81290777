"""Exemplars: rows, crops of the original pictures, and pictures that moved, changed or are something else."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from observed import picture, write_pictures
from PIL import Image
from small_network import write_network

import filterkit
from filterkit.errors import CatalogError, NotFoundError, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos", 8)


@pytest.fixture
def net(bench: filterkit.Workbench, tmp_path: Path, photos: Path) -> filterkit.Workbench:
    bench.add(write_network(tmp_path / "net.onnx"))
    bench.observe("net", [photos], top=4)
    return bench


def test_rows(net: filterkit.Workbench, photos: Path) -> None:
    found = net.exemplars("net/conv1/1,3")
    assert found.columns == (
        *("address", "rank", "value", "image", "sha256", "label", "y", "x", "box", "at_border"),
    )
    assert found["address"] == ["net/conv1/1"] * 4 + ["net/conv1/3"] * 4
    assert found["rank"] == [1, 2, 3, 4] * 2
    assert (found.observation, found.lowest) == ({"net": "photos"}, False)
    assert found[0]["label"] == Path(found[0]["image"]).parent.name
    assert net.exemplars("net/conv1/1", top=2)["rank"] == [1, 2]
    assert net.exemplars("net/conv1/1", top=10**9)["rank"] == [1, 2, 3, 4]
    row = found[0]
    top, left, bottom, right = row["box"]
    assert (top, left) == (max(row["y"] - 1, 0), max(row["x"] - 1, 0))
    height, width = np.asarray(Image.open(row["image"])).shape[:2]
    assert (bottom, right) == (min(row["y"] + 2, height), min(row["x"] + 2, width))
    assert row["at_border"] == (0 in (top, left) or bottom == height or right == width)


def test_a_crop_gives_the_same_response(net: filterkit.Workbench) -> None:
    """What is outside of the box does not matter, as the filter shows when it runs on the crop alone."""
    inside = [row for row in net.exemplars("net/conv1") if not row["at_border"]]
    assert inside
    for row in inside:
        top, left, bottom, right = row["box"]
        crop = np.asarray(Image.open(row["image"]))[top:bottom, left:right]
        assert crop.shape == (3, 3, 3)
        maps = net.feature_maps("net/conv1", crop).maps["conv1"]
        number = int(row["address"].rpartition("/")[2])
        assert maps[number, 1, 1] == pytest.approx(row["value"], rel=1e-5)


def test_the_sheet_shows_the_crops(net: filterkit.Workbench) -> None:
    found = net.exemplars("net/conv1/0:2")
    sheet = net.sheet(found)
    assert (sheet.rows, sheet.columns, sheet.is_colour, sheet.count) == (2, 4, True, 8)
    assert sheet.row_labels == ("0", "1")
    assert sheet.tile_labels[0] == f"{found[0]['value']:.4g}"
    assert sheet.title == "net/conv1: highest responses in observation photos"
    for row in range(2):
        crops = []
        for each in found[4 * row : 4 * row + 4]:
            top, left, bottom, right = each["box"]
            crops.append(np.asarray(Image.open(each["image"]))[top:bottom, left:right] / 255)
        low, high = min(crop.min() for crop in crops), max(crop.max() for crop in crops)
        for column, crop in enumerate(crops):  # one contrast per filter, and colours stay
            if crop.shape == (3, 3, 3):
                shown = sheet.tiles[row, column][16::32, 16::32]
                np.testing.assert_allclose(shown, (crop - low) / (high - low), atol=1e-5)
    assert found.missing == ()


def test_a_picture_that_moved_is_found_by_its_content(
    net: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    before = net.sheet(net.exemplars("net/conv1")).tiles
    moved = tmp_path / "elsewhere" / "deeper"
    moved.parent.mkdir()
    shutil.move(photos, moved)
    with pytest.raises(NotFoundError, match="none of the 8 pictures was found") as error:
        net.sheet(net.exemplars("net/conv1"))
    assert "--pictures FOLDER" in str(error.value.hint)
    assert np.array_equal(net.sheet(net.exemplars("net/conv1", pictures=moved)).tiles, before)
    (moved / "class0" / "p0.png").rename(moved / "class0" / "renamed.png")
    assert np.array_equal(net.sheet(net.exemplars("net/conv1", pictures=[moved])).tiles, before)


def test_a_picture_that_moved_is_found_in_any_folder_below(
    net: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    """Also if there are pictures in the folder itself, of which alone `observe` would take notice."""
    before = net.sheet(net.exemplars("net/conv1")).tiles
    place = tmp_path / "elsewhere"
    place.mkdir()
    shutil.move(photos, place / "deeper")
    picture(50).save(place / "cover.png")
    assert np.array_equal(net.sheet(net.exemplars("net/conv1", pictures=[str(place)])).tiles, before)


def test_pictures_that_are_observed_again_elsewhere_are_found(
    net: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    before = net.exemplars("net/conv1")
    tiles, finished = net.sheet(before).tiles, net.observations()[0]["finished"]
    shutil.move(photos, tmp_path / "moved")
    again = net.observe("net", [tmp_path / "moved"], name="photos", top=4)
    assert (again.status, net.observations()[0]["finished"]) == ("unchanged", finished)
    after = net.exemplars("net/conv1")
    assert after["sha256"] == before["sha256"]
    assert after["image"] == [each.replace(str(photos), str(tmp_path / "moved")) for each in before["image"]]
    assert np.array_equal(net.sheet(after).tiles, tiles)


def test_kept_pictures_go_with_the_catalog(net: filterkit.Workbench, photos: Path, tmp_path: Path) -> None:
    before = net.sheet(net.exemplars("net/conv1")).tiles
    assert net.observe("net", [photos], top=4, keep_pictures=True).status == "unchanged"
    net.close()
    shutil.rmtree(photos)
    kept = sorted((tmp_path / "catalog.store" / "observations").glob("*/*.picture"))
    assert 4 <= len(kept) <= 8
    with filterkit.open(tmp_path / "catalog.db") as bench:
        assert np.array_equal(bench.sheet(bench.exemplars("net/conv1")).tiles, before)
        assert bench.examine()["faults"] == []
        for path in kept:
            path.write_bytes(b"something else")
        with pytest.raises(NotFoundError, match="was found"):
            bench.sheet(bench.exemplars("net/conv1"))
        bench.remove("net")
    assert not (tmp_path / "catalog.store" / "observations").exists()


def test_a_changed_picture_is_not_shown(net: filterkit.Workbench, photos: Path) -> None:
    found = net.exemplars("net/conv1")
    changed = Path(found[0]["image"])
    picture(50).save(changed)
    sheet = net.sheet(found)
    assert found.missing == (str(changed),)
    assert sheet.tile_labels[0].endswith(" missing")


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device", "text"])
def test_what_a_catalog_states_is_not_believed(
    net: filterkit.Workbench, photos: Path, tmp_path: Path, kind: str
) -> None:
    """Only a plain picture with the stored hash is shown, whatever the path."""
    target = tmp_path / "target"
    if kind == "link":
        original = Path(net.exemplars("net/conv1/0")[0]["image"])
        target.symlink_to(original)
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "text":
        target.write_text("secret")
    path = Path("/dev/zero") if kind == "device" else target
    net.close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE image SET path = ?", (str(path),))
    connection.close()
    with pytest.raises(NotFoundError, match="was found"):
        net.sheet(net.exemplars("net/conv1/0"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE exemplar SET box_top = 'x'",
        "UPDATE exemplar SET value = 'x'",
        "UPDATE exemplar SET box_bottom = -1",
        "UPDATE image SET sha256 = '../../x'",
        "UPDATE image SET height = 0",
        "UPDATE image SET label = x'00'",
    ],
)
def test_damaged_rows_are_refused(net: filterkit.Workbench, tmp_path: Path, change: str) -> None:
    net.close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(CatalogError, match="corrupted"):
        net.exemplars("net/conv1/0")
    assert any("corrupted" in fault["what"] for fault in net.examine()["faults"])


def test_any_box_is_drawn(net: filterkit.Workbench, tmp_path: Path) -> None:
    """A box outside of its picture, or without an area."""
    net.close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE exemplar SET box_top = 1 << 40, box_bottom = 5, box_right = 0")
    connection.close()
    assert np.isfinite(net.sheet(net.exemplars("net/conv1/0")).tiles).all()


def test_what_is_refused(net: filterkit.Workbench, photos: Path) -> None:
    with pytest.raises(NotFoundError, match="no observation 'x'"):
        net.exemplars("net/conv1", observation="x")
    with pytest.raises(UsageError, match="not single kernels") as error:
        net.exemplars("net/conv1/2/0")
    assert error.value.hint == "e.g. net/conv1/2"
    with pytest.raises(UsageError, match="at least 1"):
        net.exemplars("net/conv1", top=0)
    calls: tuple[Callable[..., object], ...] = (net.exemplars, net.filters, net.stats, net.remove)
    for call in calls:
        with pytest.raises(UsageError, match="observation must be text, not 5"):
            call("net", observation=5)
    net.observe("net/conv1", [photos], name="first")
    with pytest.raises(NotFoundError, match="does not contain this layer"):
        net.exemplars("net/conv2", observation="first")
    assert net.exemplars("net/conv2").observation == {"net": "photos"}
    assert net.exemplars("net/conv1").observation == {"net": "first"}
    with pytest.raises(UsageError, match="no rows were selected"):
        net.sheet(net.exemplars("net/conv1")[:0])
    net.add("classic")
    with pytest.raises(NotFoundError, match="classic has not been observed"):
        net.exemplars("classic/edge_sobel_x")
