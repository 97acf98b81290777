"""What picture files say about themselves, read back with Pillow and by hand."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

import filterkit
from filterkit.renderers.grid import Grid
from filterkit.renderers.metadata import LONGEST, MOST
from filterkit.renderers.mosaic import Mosaic

SOFTWARE = f"filterkit {filterkit.__version__}"


def by_hand(png: bytes) -> Iterator[tuple[str, str]]:
    """The text chunks of a PNG, as its specification describes them."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        data = png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + data)
        assert kind not in (b"tIME", b"eXIf")
        name, _, rest = data.partition(b"\0")
        if kind == b"tEXt":
            yield name.decode("latin-1"), rest.decode("latin-1")
        elif kind == b"iTXt":
            assert rest[:2] == b"\0\0", "not compressed"
            yield name.decode("latin-1"), rest[2:].split(b"\0", 2)[2].decode("utf-8")
        at += 12 + length


def by_pillow(png: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(png)) as picture:
        return dict(picture.text)  # type: ignore[attr-defined]


@pytest.mark.parametrize("renderer", ["grid", "mosaic:scale=3"])
def test_address_hash_version_and_options(classic_catalog: Path, renderer: str) -> None:
    with filterkit.open(classic_catalog) as bench:
        [row] = bench.models()
        sheet = bench.sheet("classic/edge_sobel_x", "symmetric:per=filter", channels="first")
        png = bench.render(sheet, renderer, colormap="RdBu_r", suffix=".png")
        assert png == bench.render(sheet, renderer, colormap="RdBu_r", suffix=".png")
    texts = by_pillow(png)
    made = texts.pop("filterkit renderer")
    assert texts == {
        "Title": "classic/edge_sobel_x",
        "Description": "symmetric about zero per filter",
        "Software": SOFTWARE,
        "filterkit address": "classic/edge_sobel_x",
        "filterkit model": f"classic sha256:{row['sha256']}",
        "filterkit normalizer": "filterkit.normalizers/symmetric:per=filter",
        "filterkit channels": "first",
    }
    name, _, options = renderer.partition(":")
    assert made.startswith(f"filterkit.renderers/{name}:") and "colormap=RdBu_r" in made and options in made
    assert dict(by_hand(png)) == by_pillow(png)


def test_results_name_what_they_show(vgg16_catalog: Path) -> None:
    with filterkit.open(vgg16_catalog) as bench:
        hashes = {row["model"]: f"{row['model']} sha256:{row['sha256']}" for row in bench.models()}

        def texts(result: Any) -> dict[str, str]:
            return by_pillow(bench.render(bench.sheet(result)))

        found = texts(bench.similar("vgg16/block1_conv1/3", limit=1))
        assert found["filterkit address"] == "vgg16/block1_conv1/3"
        assert found["filterkit model"] == hashes["vgg16"]
        several = [f"vgg16/block1_conv1/{number}" for number in range(30)] + ["classic/emboss/0"]
        found = texts(several)
        assert found["filterkit address"].endswith("block1_conv1/19 and 11 more")
        assert found["filterkit model"] == f"{hashes['vgg16']}, {hashes['classic']}"
        maps = bench.convolve("classic/emboss", Image.new("RGB", (8, 8)))
        found = texts(maps)
        assert (found["filterkit address"], found["filterkit at"]) == ("classic/emboss", "pre")
        assert found["filterkit model"] == hashes["classic"]
        drawn = bench.sheet(maps)
    assert "filterkit model" in by_pillow(drawn._repr_png_()), "after the catalog was closed"


def test_svg_and_pdf(classic_catalog: Path) -> None:
    with filterkit.open(classic_catalog) as bench:
        sheet = bench.sheet("classic/emboss")
        svg, pdf = (bench.render(sheet, suffix=suffix) for suffix in (".svg", ".pdf"))
    described = ElementTree.fromstring(svg).find(".//{http://purl.org/dc/elements/1.1/}description")
    assert described is not None and described.text is not None
    assert "address: classic/emboss; model: classic sha256:" in described.text
    assert SOFTWARE.encode() in svg and SOFTWARE.encode() in pdf
    assert b"address: classic/emboss; model: classic sha256:" in pdf
    assert b"CreationDate" not in pdf and b"dc:date" not in svg


@pytest.mark.parametrize("renderer", [Grid(), Mosaic()])
def test_texts_of_untrusted_catalogs_are_bounded(make_sheet: Any, renderer: Any) -> None:
    provenance = {
        "address": "層\x1b[31m\x00\n" + "x" * 10_000,
        "": "no name",
        "n" * 80: "name too long",
        "nul\0": "not a name",
        **{f"key{number}": "y" for number in range(100)},
    }
    sheet = replace(make_sheet(2, 2), title="t" * 9999, provenance=provenance)
    png = renderer.render(sheet)
    texts = by_pillow(png)
    assert dict(by_hand(png)) == texts
    assert len(texts) <= MOST
    assert max(map(len, texts.values())) <= LONGEST + 20  # escapes are longer
    assert texts["filterkit address"].startswith("層\\x1b[31m") and texts["filterkit address"].endswith("…")
    assert not {"filterkit ", f"filterkit {'n' * 80}"} & texts.keys()
    for kind in ("svg", "pdf"):
        assert Grid(format=kind).render(sheet)  # type: ignore[arg-type]
