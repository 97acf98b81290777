"""Pictures in zip archives, also in malicious ones."""

from __future__ import annotations

import io
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import ImageError, UsageError
from filterkit.image_sources.zip_members import LONGEST_NAME, SMALL, ZipMembers
from filterkit.records import SourceImage


def png(value: int = 0, size: tuple[int, int] = (3, 2)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def archive(
    path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    return path


def images(path: Path) -> dict[str, SourceImage]:
    return {image.name.partition("!")[2]: image for image in ZipMembers().images(str(path))}


def test_members_are_in_natural_order_with_labels(tmp_path: Path) -> None:
    names = [
        "data/tree/1.png",
        "data/cat/10.PNG",
        "data/cat/9.jpg",
        "data/notes.txt",
        "__MACOSX/data/cat/._9.jpg",
    ]
    path = archive(tmp_path / "p.zip", *((name, png(place)) for place, name in enumerate(names)))
    found = images(path)
    assert {name: image.label for name, image in found.items()} == {
        "data/cat/9.jpg": "cat",
        "data/cat/10.PNG": "cat",
        "data/tree/1.png": "tree",
    }
    assert next(iter(found)) == "data/cat/9.jpg"
    assert found["data/cat/9.jpg"].name == f"{path}!data/cat/9.jpg"
    assert found["data/cat/9.jpg"].read() == png(2)
    assert found["data/cat/9.jpg"].path is None


def test_arrays_stand_in_for_pictures(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 3), np.uint8))
    assert list(images(archive(tmp_path / "p.zip", ("a.npy", stream.getvalue())))) == ["a.npy"]


def test_windows_separators_and_names_out_of_the_archive(tmp_path: Path) -> None:
    names = ["cat\\1.png", "tree\\1.png", "../../etc/cat/2.png", "/tree/3.png"]
    found = images(archive(tmp_path / "p.zip", *((name, png(3)) for name in names)))
    assert set(found) == set(names)
    assert all(image.read() == png(3) for image in found.values())
    assert [image.label for image in found.values()] == ["etc", "tree", "cat", "tree"]
    assert [path.name for path in tmp_path.iterdir()] == ["p.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_equal_names_the_last_counts(tmp_path: Path) -> None:
    [image] = images(
        archive(tmp_path / "p.zip", ("a.png", png(1)), ("./a.png", png(2)), ("a.png", png(3)))
    ).values()
    assert image.read() == png(3)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    rare = zipfile.ZipInfo("rare.png")
    rare.compress_type = zipfile.ZIP_LZMA
    path = archive(
        tmp_path / "p.zip", ("ok.png", png()), ("locked.png", png()), (link, b"/etc/passwd"), (rare, png())
    )
    content = bytearray(path.read_bytes())
    content[content.rfind(b"locked.png") - 46 + 8] |= 1  # flags in the central directory: encrypted
    place = content.find(png()) + 20  # in the first member
    content[place] ^= 255
    path.write_bytes(bytes(content))
    found = images(path)
    for name, message in {
        "link.png": "is a link",
        "rare.png": "unsupported compression",
        "locked.png": "is encrypted",
        "ok.png": "CRC",
    }.items():
        with pytest.raises(ImageError, match=message) as caught:
            found[name].read()
        assert f"{path}!{name}" in caught.value.message


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "p.zip",
        ("bomb.png", bytes(SMALL + 1)),
        ("fits.png", bytes(SMALL)),
        method=zipfile.ZIP_DEFLATED,
    )
    found = images(path)
    assert len(found["fits.png"].read()) == SMALL
    with pytest.raises(ImageError, match="unpacks to more than"):
        found["bomb.png"].read()
    content = path.read_bytes()  # declares that it is small
    size = (SMALL + 1).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (9).to_bytes(4, "little")))
    with pytest.raises(ImageError, match="CRC"):
        images(path)["bomb.png"].read()
    path.write_bytes(content.replace(size, b"\xfe\xff\xff\xff"))  # declares that it is larger
    with pytest.raises(ImageError, match="unpacks to more than"):
        images(path)["bomb.png"].read()


def test_long_names(tmp_path: Path) -> None:
    longest = "x" * (LONGEST_NAME - 4) + ".png"
    path = archive(tmp_path / "p.zip", (longest, png()), ("9" * 5000 + ".png", png()), ("a.png", png()))
    found = images(path)
    assert list(found)[:2] == ["a.png", longest]
    with pytest.raises(ImageError, match="names of more than"):
        found["(1 with long names)"].read()


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", png(), b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 18]
)
def test_what_is_no_archive_of_pictures(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"p\.zip"):
        images(path)
    with pytest.raises(ImageError, match="contains no pictures"):
        images(archive(path, ("notes.txt", b""), ("folder.png/", b"")))


def test_every_shortened_archive_ends_in_one_line(tmp_path: Path) -> None:
    whole = archive(
        tmp_path / "p.zip", ("a.png", png()), ("b.png", png()), method=zipfile.ZIP_DEFLATED
    ).read_bytes()
    path = tmp_path / "cut.zip"
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        try:
            for image in images(path).values():
                image.read()
        except ImageError as error:
            assert "\n" not in error.message


def test_several_threads_read_one_archive(tmp_path: Path) -> None:
    members = [(f"{place}.png", png(place % 256) * 50) for place in range(300)]
    found = images(archive(tmp_path / "p.zip", *members, method=zipfile.ZIP_DEFLATED))
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda image: image.read(), found.values()))
    assert read == [content for _, content in members]


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a file"):
        next(ZipMembers().images(""))
    for path in (tmp_path, tmp_path / "none.zip"):
        with pytest.raises(ImageError):
            images(path)
