"""Pictures of every kind, through ``filterkit maps``: read rightly, or refused in one line with a hint."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from isolated import Run
from onnx_graphs import build, node, random
from PIL import Image

import filterkit

RGB = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
GRAY = np.repeat(RGB[..., :1], 3, axis=2)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of a network whose first layer passes R, G and B on; its second looks at 7 x 7 pixels."""
    folder = tmp_path_factory.mktemp("network")
    eye = np.eye(3, dtype=np.float32)[:, :, None, None]
    nodes = [node("Conv", "x w", "y", name="eye"), node("Conv", "y v", "z", name="wide")]
    model = build(nodes, {"x": ["N", 3, "H", "W"]}, {"w": eye, "v": random(2, 3, 7, 7)}, outputs=["y", "z"])
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "net.onnx", preprocessing="unit")
    return folder / "catalog.db"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A PNG of side x side pixels in a few kilobytes."""
    data = zlib.compress(bytes(min(side * (1 + side // 8), 50_000_000)), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.fromarray(RGB), "PNG", exif=exif)


def animated() -> bytes:
    frames = [Image.new("RGB", (16, 12), colour) for colour in ("blue", "red", "lime")]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0)


def with_alpha() -> tuple[bytes, np.ndarray]:
    alpha = np.zeros((12, 16), np.uint8)
    alpha[:, :8] = 255
    expected = np.where(alpha[..., None] == 255, RGB, 255)
    return saved(Image.fromarray(np.dstack([RGB, alpha])), "PNG"), expected


def palette() -> tuple[bytes, np.ndarray]:
    image = Image.fromarray(RGB).quantize(16)
    return saved(image, "PNG"), np.asarray(image.convert("RGB"))


UNIT = (GRAY[..., 0] / np.float32(255)).astype(np.float32)
DEEP = GRAY[..., 0].astype(np.uint16) * 257
READ: dict[str, tuple[bytes, np.ndarray]] = {
    "plain.png": (saved(Image.fromarray(RGB), "PNG"), RGB),
    "animated.gif": (animated(), np.full_like(RGB, [0, 0, 255])),
    "sixteen.png": (saved(Image.fromarray(DEEP), "PNG"), GRAY),
    "sixteen.tiff": (saved(Image.fromarray(DEEP), "TIFF"), GRAY),
    "float.tiff": (saved(Image.fromarray(UNIT), "TIFF"), GRAY),
    "float255.tiff": (saved(Image.fromarray(UNIT * 255), "TIFF"), GRAY),
    "cmyk.tiff": (saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"), RGB),
    "palette.png": palette(),
    "alpha.png": with_alpha(),
    "gray.png": (saved(Image.fromarray(GRAY[..., 0]), "PNG"), GRAY),
    "one.png": (saved(Image.fromarray(RGB[:1, :1]), "PNG"), RGB[:1, :1]),
    "flat.png": (saved(Image.fromarray(RGB[:1]), "PNG"), RGB[:1]),
    "upside down.png": (turned(3), RGB[::-1, ::-1]),
    "on its side.png": (turned(6), np.rot90(RGB, -1)),
    "mirrored.png": (turned(2), RGB[:, ::-1]),
    "wrong suffix.jpg": (saved(Image.fromarray(RGB), "PNG"), RGB),
    "turned by nonsense.png": (turned(77), RGB),
}


def test_what_is_read(run: Run, network: Path, tmp_path: Path) -> None:
    """The network's first layer gives back the pixels, as everybody else reads them."""
    for name, (data, _) in READ.items():
        (tmp_path / name).write_bytes(data)
    for name, (_, pixels) in READ.items():
        run("maps", "net/eye", name, "--size", "original", "-o", "out.npy", "--catalog", network).fine  # noqa: B018
        maps = np.load(tmp_path / "out.npy")
        np.testing.assert_allclose(
            maps.squeeze(), pixels.transpose(2, 0, 1).squeeze() / 255, atol=2e-3, err_msg=name
        )
        (tmp_path / "out.npy").unlink()


def nan_tiff() -> bytes:
    return saved(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.png": (lambda path: None, "does not exist"),
    "folder": (lambda path: path.mkdir(), "contains no pictures"),
    "empty.png": (lambda path: path.write_bytes(b""), "not a picture"),
    "text.png": (lambda path: path.write_text("no picture\n" * 100), "not a picture"),
    "garbage.jpg": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)), "not a picture"),
    "bomb.png": (lambda path: path.write_bytes(bomb(20_000)), "more pixels"),
    "claim.png": (lambda path: path.write_bytes(bomb(2**31 - 8)), "more pixels"),
    "nan.tiff": (lambda path: path.write_bytes(nan_tiff()), "NaN or infinite"),
    "negative.tiff": (
        lambda path: path.write_bytes(saved(Image.fromarray(UNIT - 2), "TIFF")),
        "has pixels from",
    ),
    "pipe.png": (os.mkfifo, "not a file"),
    "device.png": (lambda path: path.symlink_to("/dev/zero"), "not a file"),
    "model.onnx": (lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch"), "not a picture"),
    "vector.svg": (
        lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "not a picture",
    ),
    "script.eps": (
        lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "not a picture",
    ),
}


@pytest.mark.skipif(os.name == "nt", reason="needs pipes and devices")
@pytest.mark.parametrize("name", REFUSED)
def test_refused(run: Run, network: Path, tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    make(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    error, _ = run("maps", "net/eye", name, "-o", "out.npy", "--catalog", network).refusal()
    assert words in error and name in error
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF"])
def test_truncated(run: Run, network: Path, tmp_path: Path, kind: str) -> None:
    """At every sixteenth: refused. Half a photo would be drawn and believed."""
    whole = saved(Image.fromarray(RGB).resize((64, 48)), kind)
    for part in range(1, 16):
        (tmp_path / f"{part}.{kind.lower()}").write_bytes(whole[: len(whole) * part // 16])
    for part in (1, 8, 15):
        run("maps", "net/eye", f"{part}.{kind.lower()}", "-o", "out.npy", "--catalog", network).refusal()
    for path in tmp_path.iterdir():
        with filterkit.open(network) as bench, pytest.raises(filterkit.FilterkitError) as caught:
            bench.feature_maps("net/eye", path)
        assert caught.value.hint and "\n" not in caught.value.message
    assert not (tmp_path / "out.npy").exists()


def test_smaller_than_the_network_allows(run: Run, network: Path, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(READ["one.png"][0])
    (tmp_path / "six.png").write_bytes(saved(Image.fromarray(RGB[:6, :6]), "PNG"))
    for name, size in (("one.png", "1 × 1"), ("six.png", "6 × 6")):
        error, hint = run("maps", "net/wide", name, "-o", "out.npy", "--catalog", network).refusal()
        assert f"{size} pixels is too small" in error and "7×7" in error and "larger picture" in hint
    assert run("maps", "net/wide", "one.png", "--size", "7", "-o", "out.npy", "--catalog", network).fine


def test_one_bad_picture_among_good_ones(run: Run, network: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.png"):
        (tmp_path / "in" / name).write_bytes(READ["plain.png"][0])
    (tmp_path / "in" / "b.png").write_bytes(READ["plain.png"][0][:100])
    ran = run("maps", "net/eye", "in", "-o", "out", "--catalog", network, "--format", "json")
    assert ran.code == 1 and "Traceback" not in ran.stderr
    assert [Path(row["image"]).name for row in json.loads(ran.stdout)] == ["a.png", "c.png"]
    assert ran.stderr.startswith(f"error: cannot read {Path('in', 'b.png')} as a picture")
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/*.png")) == ["a", "c"]


@pytest.mark.parametrize("size", ["0", "-1", "1x", "axb", "99999999999", "1e9", "0x0", "30000x30000"])
def test_sizes_that_are_none(run: Run, network: Path, tmp_path: Path, size: str) -> None:
    (tmp_path / "p.png").write_bytes(READ["plain.png"][0])
    run("maps", "net/eye", "p.png", "--size", size, "-o", "out.npy", "--catalog", network).refusal(2)
