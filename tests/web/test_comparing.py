"""The page that compares two models: pairs side by side, by weights and by responses."""

from __future__ import annotations

import io
import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import onnx
import pytest
from explorer import Answer, Explorer, exploring
from observed import write_pictures
from PIL import Image

import filterkit
from filterkit.testing import build_model, node


def ask(explorer: Explorer, place: str, **values: str) -> Answer:
    return explorer.get(f"{place}?{urlencode(values)}")


def addresses(answer: Answer) -> list[str]:
    return [unescape(each) for each in re.findall(r'class="address" href="/m/([^"]+)"', answer.text)]


def network(path: Path, change: float) -> Path:
    """Two layers of 3×3 and 5×5, changed by noise of some size."""
    random, noise = np.random.default_rng(0), np.random.default_rng(1)
    shapes = {"a": (30, 3, 3, 3), "b": (4, 30, 5, 5)}
    weights = {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    weights = {
        name: each + change * noise.standard_normal(each.shape, np.float32) for name, each in weights.items()
    }
    nodes = [node("Conv", "x a", "p", "first"), node("Relu", "p", "q"), node("Conv", "q b", "y", "second")]
    onnx.save(build_model(nodes, {"x": ["N", 3, "H", "W"]}, weights), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a catalog of a network and of a changed one, both observed."""
    folder = tmp_path_factory.mktemp("compared")
    photos = write_pictures(folder / "photos", 6)
    with filterkit.open(folder / "catalog.db") as bench:
        for name, change in (("base", 0.0), ("tuned", 0.3)):
            bench.add(network(folder / f"{name}.onnx", change), preprocessing="unit")
            bench.observe(name, [photos], name="photos")
    return folder


def boxes(page: str) -> list[tuple[int, ...]]:
    return [tuple(map(int, each.split())) for each in re.findall(r'class="tile" viewBox="([^"]+)"', page)]


@pytest.mark.parametrize("level", ["layer", "filter"])
def test_pairs_are_drawn_with_their_difference(level: str, folder: Path) -> None:
    with filterkit.open(folder / "catalog.db") as bench, exploring(folder / "catalog.db") as explorer:
        found = bench.diff("base", "tuned", level=level, sort="cosine")  # type: ignore[arg-type]
        page = ask(explorer, "/diff", a="base", b="tuned", level=level)
        assert addresses(page)[: 2 * len(found)] == [
            each for row in list(found)[:20] for each in (row["address_a"], row["address_b"])
        ]
        drawn = boxes(page.text)
        assert len(drawn) == 3 * min(len(found), 20)
        [url] = set(re.findall(r'image href="(/diff/pairs.png[^"]+)"', page.text))
        pixels = np.array(Image.open(io.BytesIO(explorer.get(unescape(url)).body))).astype(float)
        for number in range(0, len(drawn), 3):
            a, b, difference = (
                pixels[y : y + high, x : x + wide] for x, y, wide, high in drawn[number : number + 3]
            )
            assert np.abs(difference - (127.5 + (b - a) / 2)).max() <= 1
            sheet = bench.sheet(found[number // 3 : number // 3 + 1])
            tiles = sheet.tiles.reshape(-1, *sheet.tiles.shape[2:])
            assert np.abs(a - 255 * tiles[0]).max() <= 1
            assert np.abs(b - 255 * tiles[1]).max() <= 1


def test_further_pages_have_pictures_of_their_own(folder: Path) -> None:
    with exploring(folder / "catalog.db") as explorer:
        asked = {"a": "base/first", "b": "tuned/first", "level": "filter"}
        first, second = (ask(explorer, "/diff", **asked, page=number).text for number in "12")
        assert (len(boxes(first)), len(boxes(second))) == (60, 30)
        urls = [re.findall(r'image href="([^"]+)"', page)[0] for page in (first, second)]
        assert explorer.get(unescape(urls[0])).body != explorer.get(unescape(urls[1])).body


def test_each_layer_leads_to_its_filters(folder: Path) -> None:
    with exploring(folder / "catalog.db") as explorer:
        page = ask(explorer, "/diff", a="base", b="tuned", match="assignment")
        links = [unescape(each) for each in re.findall(r'href="(/diff\?[^"]*level=filter[^"]*)"', page.text)]
        assert len(links) == 2
        for link in links:
            assert "match=assignment" in link
            assert len(boxes(explorer.get(link).text)) in (12, 60)


def test_by_responses(folder: Path) -> None:
    with filterkit.open(folder / "catalog.db") as bench, exploring(folder / "catalog.db") as explorer:
        found = bench.diff("base", "tuned", by="response", level="filter", sort="correlation")
        page = ask(explorer, "/diff", a="base", b="tuned", by="response", level="filter")
        assert addresses(page)[:2] == [found[0]["address_a"], found[0]["address_b"]]
        assert "B − A" not in page.text
        assert ask(explorer, "/diff", a="base", b="tuned", by="response", format="json").json


def test_layers_without_a_partner_have_a_reason(folder: Path, tmp_path: Path) -> None:
    for file in ("catalog.db", "catalog.store"):
        copy = shutil.copytree if (folder / file).is_dir() else shutil.copy
        copy(folder / file, tmp_path / file)
    weights = {"a": np.ones((30, 3, 3, 3), np.float32)}
    model = build_model([node("Conv", "x a", "y", "first")], {"x": ["N", 3, "H", "W"]}, weights)
    onnx.save(model, tmp_path / "short.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "short.onnx")
    with exploring(tmp_path / "catalog.db") as explorer:
        page = ask(explorer, "/diff", a="base", b="short").text
        assert "the other model has no layer of this name" in page or 'class="note">the other' in page
        assert len(boxes(page)) == 3


@pytest.mark.zoo
def test_two_layers_compared(vgg16: Explorer, vgg16_catalog: Path) -> None:
    asked = {"a": "vgg16/block5_conv1", "b": "vgg16/block5_conv2", "level": "filter"}
    answer = ask(vgg16, "/diff", **asked)
    with filterkit.open(vgg16_catalog) as bench:
        expected = bench.diff(asked["a"], asked["b"], level="filter", sort="cosine", limit=200)
    assert addresses(answer)[::2] == list(expected["address_a"])[:20]
    assert addresses(answer)[1::2] == list(expected["address_b"])[:20]
    last = ask(vgg16, "/diff", **asked, page="10")
    assert addresses(last)[::2] == list(expected["address_a"])[180:]
    assert len(ask(vgg16, "/diff", **asked, format="json").json) == 200


def test_what_cannot_be_compared(classic: Explorer) -> None:
    for a, b, match, by in (
        ("classic", "nothing", "name", "weights"),
        ("classic/x", "classic", "name", "weights"),
        ("*", "*", "luck", "weights"),
        ("classic", "classic", "name", "luck"),
        ("classic", "classic", "name", "response"),
    ):
        answer = ask(classic, "/diff", a=a, b=b, match=match, by=by)
        assert ask(classic, "/diff/pairs.png", a=a, b=b, match=match, by=by).status == answer.status
        assert answer.status in (400, 404)
        assert 'role="alert"' in answer.text
    assert classic.get("/diff").status == 200
