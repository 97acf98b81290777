"""Pictures of unusual kinds, archives and lists with mistakes: what is counted, and where crops are."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from observed import picture
from onnx_graphs import build, node, random
from PIL import Image
from small_network import write_network

import filterkit
from filterkit.errors import FilterkitError, ImageError, NotFoundError, RuntimeFailure, UsageError

UPRIGHT = np.asarray(picture(3, 24, 40))


@pytest.fixture
def net(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    bench.add(write_network(tmp_path / "net.onnx"))
    return bench


def rotated(path: Path, orientation: int) -> None:
    """A picture that is `UPRIGHT` to whoever follows its EXIF."""
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(np.ascontiguousarray(undo(UPRIGHT))).save(path, exif=exif)


def test_boxes_and_crops_are_of_the_upright_picture(net: filterkit.Workbench, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for orientation in range(1, 9):
        rotated(folder / f"{orientation}.png", orientation)
    net.observe("net", [folder], size="original", duplicates="keep")
    assert set(net.query("SELECT height, width FROM image")["height"]) == {24}
    squares = 0
    for address in ("net/conv1/0", "net/conv1/1", "net/conv1/3", "net/conv2/0", "net/conv2/1"):
        rows = net.exemplars(address)
        assert [Path(row["image"]).name for row in rows] == [f"{number}.png" for number in range(1, 9)]
        assert len({(row["value"], row["y"], row["x"], *row["box"]) for row in rows}) == 1
        tiles = net.sheet(rows).tiles[0]
        top, left, bottom, right = rows[0]["box"]
        crop = UPRIGHT[top:bottom, left:right]
        place = (np.arange(tiles.shape[1]) + 0.5) / tiles.shape[1]
        if crop.shape[0] == crop.shape[1]:  # others have a frame
            squares += 1
            side = (place * crop.shape[0]).astype(int)
            low, high = crop.min(), crop.max()
            expected = (crop[np.ix_(side, side)].astype(float) - low) / (high - low)
            for tile in tiles:
                np.testing.assert_allclose(tile, expected, atol=1e-5)
    assert squares


def test_pictures_of_all_kinds(net: filterkit.Workbench, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    wide = picture(1)
    wide.convert("CMYK").save(folder / "cmyk.jpg")
    wide.convert("P").save(folder / "palette.png")
    wide.convert("1").save(folder / "bits.png")
    wide.convert("RGBA").save(folder / "alpha.webp", lossless=True)
    sixteen = np.random.default_rng(0).integers(0, 65536, (24, 32), dtype=np.uint16)
    Image.fromarray(sixteen).save(folder / "sixteen.png")
    picture(2).save(folder / "animated.gif", save_all=True, append_images=[picture(4), picture(5)])
    Image.new("RGB", (1, 1), (9, 200, 30)).save(folder / "pixel.png")
    picture(6, 1, 50).save(folder / "row.png")
    picture(7, 50, 1).save(folder / "column.bmp")
    picture(8).save(folder / "UPPER.PNG")
    errors: list[FilterkitError] = []
    found = net.observe("net", [folder], size="original", unreadable=errors.append)
    assert (errors, found.pictures, found.left_out) == ([], 10, 0)
    sizes = {
        Path(row["path"]).name: (row["height"], row["width"]) for row in net.query("SELECT * FROM image")
    }
    assert (sizes["pixel.png"], sizes["row.png"], sizes["column.bmp"]) == ((1, 1), (1, 50), (50, 1))
    rows = net.exemplars("net/conv2")
    for row in rows:
        height, width = sizes[Path(row["image"]).name]
        top, left, bottom, right = row["box"]
        assert 0 <= top < bottom <= height and 0 <= left < right <= width
        assert row["at_border"] or min(height, width) > 5
    sheet = net.sheet(rows)
    assert np.isfinite(sheet.tiles).any()
    assert rows.missing == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")
def test_what_is_left_out_is_named(net: filterkit.Workbench, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture(1).save(folder / "good.png")
    (folder / "linked.png").symlink_to(folder / "good.png")
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no picture")
    picture(2).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:400])
    Image.new("L", (30_000, 30_000)).save(folder / "bomb.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    errors: list[FilterkitError] = []
    found = net.observe("net", [folder], unreadable=errors.append)
    assert (found.pictures, found.copies, found.left_out) == (1, 1, 4)
    for name in ("bomb.png", "cut.jpg", "empty.png", "text.jpg"):
        assert sum(name in error.message for error in errors) == 1
    again: list[FilterkitError] = []
    assert net.observe("net", [folder], unreadable=again.append).status == "unchanged"
    assert [str(error) for error in again] == [str(error) for error in errors]


def test_pictures_that_the_network_cannot_take_are_named(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """Of a size at which a convolution has no position, or a skip connection does not fit."""
    nodes = [
        node("Conv", "x w", "half", name="down", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("ConvTranspose", "half u", "up", name="up", strides=[2, 2]),
        node("Conv", "x v", "skip", name="skip", pads=[1, 1, 1, 1]),
        node("Add", "up skip", "sum"),
        node("Conv", "sum k", "y", name="last"),
    ]
    shapes = {"w": (4, 3, 3, 3), "u": (4, 4, 2, 2), "v": (4, 3, 3, 3), "k": (2, 4, 5, 5)}
    weights = {name: random(*shape) for name, shape in shapes.items()}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, weights, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, (height, width) in enumerate([(16, 20), (2, 20), (16, 20), (17, 20)]):
        picture(number, height, width).save(folder / f"{number}.png")
    errors: list[FilterkitError] = []
    with pytest.raises(RuntimeFailure, match=r"^\S+3\.png \(17 × 20 pixels\): ONNX Runtime failed") as error:
        bench.observe("net", [folder], unreadable=errors.append)
    assert "--size" in str(error.value.hint)
    assert [each.message.split(": ")[0] for each in errors] == [str(folder / "1.png")]
    (folder / "3.png").unlink()
    assert bench.observe("net", [folder]).pictures == 2


def test_archives(net: filterkit.Workbench, tmp_path: Path) -> None:
    """Members may have any names, and one unpacks to far more than it has; nothing is extracted."""
    content = io.BytesIO()
    picture(1).save(content, "PNG")
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../above.png", content.getvalue())
        archive.writestr("/etc/absolute.png", content.getvalue() + b"\0")
        archive.writestr("bomb.png", bytes(200_000_000))
    before = sorted(tmp_path.rglob("*"))
    errors: list[FilterkitError] = []
    found = net.observe("net", [f"zip:{path}"], unreadable=errors.append)
    assert (found.name, found.pictures, found.left_out) == ("photos", 2, 1)
    assert "bomb.png" in errors[0].message and "unpacks to more than" in errors[0].message
    assert [each for each in sorted(tmp_path.rglob("*")) if "catalog" not in str(each)] == [
        each for each in before if "catalog" not in str(each)
    ]
    found_again = net.sheet(net.exemplars("net/conv1"))
    moved = path.rename(tmp_path / "moved.zip")
    with pytest.raises(NotFoundError, match="was found") as caught:
        net.sheet(net.exemplars("net/conv1"))
    assert caught.value.hint.startswith(f"--pictures zip:{path} ")  # type: ignore[union-attr]
    given = net.sheet(net.exemplars("net/conv1", pictures=[f"zip:{moved}"]))
    assert np.array_equal(given.tiles, found_again.tiles)


def test_an_archive_is_found_from_another_folder(
    net: filterkit.Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO()
    picture(1).save(content, "PNG")
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.writestr("a!b.png", content.getvalue())
    net.observe("net", ["zip:photos.zip"])
    monkeypatch.chdir("/")
    found = net.exemplars("net/conv1", top=1)
    assert found[0]["image"] == f"{tmp_path}/photos.zip!a!b.png"
    assert np.isfinite(net.sheet(found).tiles).all()
    assert not found.missing


@pytest.mark.parametrize("kind", ["changed", "link", "pipe", "no archive"])
def test_what_a_catalog_states_of_archives_is_not_believed(
    net: filterkit.Workbench, tmp_path: Path, kind: str
) -> None:
    content = io.BytesIO()
    picture(1).save(content, "PNG")
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", content.getvalue())
    net.observe("net", [f"zip:{path}"])
    moved = path.rename(tmp_path / "moved.zip")
    if kind == "link":
        path.symlink_to(moved)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "no archive":
        path.write_bytes(b"PK")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.png", content.getvalue() + b"x")
    with pytest.raises(NotFoundError, match="was found"):
        net.sheet(net.exemplars("net/conv1"))


def test_lists(net: filterkit.Workbench, tmp_path: Path) -> None:
    for number in range(3):
        picture(number).save(tmp_path / f"{number}.png")
    listed = tmp_path / "all.txt"
    listed.write_text("0.png,a\nmissing.png,b\n1.png,b\n../nowhere/2.png,b\n", encoding="utf-8")
    errors: list[FilterkitError] = []
    found = net.observe("net", [f"list:{listed}"], unreadable=errors.append)
    assert (found.name, found.pictures, found.left_out) == ("all", 2, 2)
    assert ["missing.png" in errors[0].message, "nowhere" in errors[1].message] == [True, True]
    for text in ("", "0.png,a,b\n", "missing.png\n"):
        listed.write_text(text, encoding="utf-8")
        with pytest.raises(ImageError) as caught:
            net.observe("net", [f"list:{listed}"], name="none")
        assert "\n" not in caught.value.message and caught.value.hint
    assert net.observations()["observation"] == ["all"]


def test_arrays_of_wrong_kinds(net: filterkit.Workbench, tmp_path: Path) -> None:
    """An archive of objects, one that declares more than it has, and inputs of a graph for a picture."""
    np.savez(tmp_path / "objects.npz", x=np.array([{}, 1], dtype=object))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 3, 8, 8)}
    )
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"1234")
    for name in ("objects", "huge"):
        with pytest.raises(UsageError, match=r"is not an \.npz file of plain arrays"):
            net.observe("net", [f"npz:{tmp_path / name}.npz"])
    np.savez(tmp_path / "inputs.npz", x=np.zeros((50, 3, 8, 8), np.float32))
    errors: list[FilterkitError] = []
    with pytest.raises(ImageError, match=r"inputs\.npz!0 is not a picture but an input of the graph"):
        net.observe("net", [f"npz:{tmp_path / 'inputs.npz'}"], unreadable=errors.append)
    assert errors == []
    assert len(net.observations()) == 0
