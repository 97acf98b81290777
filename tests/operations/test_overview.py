"""A workbench in a notebook: its models with strips, bounded in size, and problems reported in place."""

from __future__ import annotations

import base64
import io
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import build, node, random
from PIL import Image
from small_network import write_network

import filterkit
from filterkit.operations.overview import LARGEST_TILE, MOST_MODELS, STRIP, TILE


class Page(HTMLParser):
    """The texts and pictures of a page; fails for any element that the page should not have."""

    ALLOWED = frozenset(("p", "b", "code", "table", "thead", "tbody", "tr", "th", "td", "small", "img"))

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.pictures: dict[str, Image.Image] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.ALLOWED
        found = dict(attrs)
        if tag == "img":
            kind, _, data = str(found["src"]).partition(",")
            assert kind == "data:image/png;base64"
            self.pictures[str(found["title"])] = Image.open(io.BytesIO(base64.b64decode(data)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def save(path: Path, *shape: int) -> Path:
    """A network of one convolution with weights of this shape."""
    import onnx

    sizes = [*("N", shape[1]), *(f"S{axis}" for axis in range(len(shape) - 2))]
    onnx.save(build([node("Conv", "x w", "y", name="conv")], {"x": sizes}, {"w": random(*shape)}), path)
    return path


def test_models_with_a_strip_of_their_first_layer(small: filterkit.Workbench) -> None:
    page = Page(small._repr_html_())
    assert [page.texts[1], *page.texts[7:11]] == [": 2 models", "net", "2", "6", "184"]
    assert page.pictures.keys() == {"net/conv1", "classic/edge_sobel_x"}
    strip = page.pictures["net/conv1"]
    side = TILE // 3 * 3
    assert strip.size == (4 * (side + 1) + 1, side + 2)
    # The network reads R, G and B; every filter is scaled to its own range.
    bank = small.bank("net/conv1")
    first = (bank[0] - bank[0].min()) / np.ptp(bank[0])
    seen = np.asarray(strip.convert("RGB"))[1 : side + 1 : side // 3, 1 : side + 1 : side // 3]
    np.testing.assert_allclose(seen.transpose(2, 0, 1), first * 255, atol=0.51)


def test_without_a_catalog_it_says_how_to_make_one(tmp_path: Path) -> None:
    page = Page(filterkit.open(tmp_path / "none.db")._repr_html_())
    assert "there is no catalog" in "".join(page.texts)
    assert "filterkit add" in "".join(page.texts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((40, 1, 3, 3), True),
        ((5, 6, 9), True),
        ((5, 2, 3, 3, 3), True),
        ((4, 3, LARGEST_TILE, LARGEST_TILE), True),
        ((4, 3, LARGEST_TILE + 1, 3), False),
        ((4, 1, 3, 5, 11), False),
        ((4, 1, LARGEST_TILE + 1), False),
    ],
)
def test_kernels_of_any_shape(tmp_path: Path, shape: tuple[int, ...], drawn: bool) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(save(tmp_path / "model.onnx", *shape))
        html = bench._repr_html_()
    page = Page(html)
    assert bool(page.pictures) == drawn
    assert drawn != ("the kernels of model/conv are too large for a preview" in page.texts)
    if drawn:
        picture = page.pictures["model/conv"]
        picture.load()
        assert picture.width <= (2 * TILE + 1) * STRIP + 1
        assert len(html) < 100_000


def test_only_the_first_models_are_shown(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        for number in range(MOST_MODELS):
            bench.add(path, name=f"net{number}")
        assert "the first" not in bench._repr_html_()
        bench.add(path, name="more")
        page = Page(bench._repr_html_())
    assert len(page.pictures) == MOST_MODELS
    assert f": {MOST_MODELS + 1} models; the first {MOST_MODELS} are shown, " in page.texts
    assert "more" not in page.texts


def test_a_model_without_weights_is_reported_in_its_row(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
        bench.add(write_network(tmp_path / "net.onnx"))
        [row] = bench.query("select banks_sha256 from model where name = 'classic'")
    [banks] = (tmp_path / "catalog.store").rglob(f"*{row['banks_sha256']}*")
    shutil.rmtree(banks) if banks.is_dir() else banks.unlink()
    with filterkit.open(tmp_path / "catalog.db") as bench:
        page = Page(bench._repr_html_())
    assert page.pictures.keys() == {"net/conv1"}
    assert any("the weights of classic are not in the store" in text for text in page.texts)


def test_names_of_an_untrusted_catalog_are_escaped(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
    hostile = "<script>alert(1)</script>\x1b[2J" + "x" * 1000
    connection = sqlite3.connect(tmp_path / "catalog.db")
    with connection:
        connection.execute("update model set name = ?", (hostile,))
    connection.close()
    with filterkit.open(tmp_path / "catalog.db") as bench:
        html = bench._repr_html_()
    Page(html)
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert len(html) < 10_000
