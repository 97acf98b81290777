"""The panels of filters and kernels: histograms, connections, relatives, frequency responses."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from explorer import Answer, Explorer, exploring
from observed import write_pictures
from PIL import Image

import filterkit
from filterkit.testing import build_model, node


def network(path: Path, seed: int) -> None:
    """Three layers, of which the first has kernels of 3×3, the second of 5×5."""
    random = np.random.default_rng(seed)
    shapes = {"a": (6, 3, 3, 3), "b": (4, 6, 5, 5), "c": (5, 4, 1, 1)}
    weights = {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    weights["a"][5] = -1  # it never fires
    nodes = [
        *(node("Conv", "x a", "p", "first"), node("Relu", "p", "q")),
        *(node("Conv", "q b", "r", "second"), node("Relu", "r", "s")),
        node("Conv", "s c", "y", "third"),
    ]
    onnx.save(build_model(nodes, {"x": ["N", 3, "H", "W"]}, weights), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a catalog of two observed networks, one for signals, one for volumes, and the classic kernels."""
    folder = tmp_path_factory.mktemp("panels")
    random = np.random.default_rng(0)
    with filterkit.open(folder / "catalog.db") as bench:
        photos = write_pictures(folder / "photos", 40)
        for seed, name in enumerate(("net", "other")):
            network(folder / f"{name}.onnx", seed)
            bench.add(folder / f"{name}.onnx", preprocessing="unit")
            bench.observe(name, [photos], name="photos")
        bench.add("classic")
        for name, kernel in (("signal", (9,)), ("volume", (3, 4, 5))):
            sizes = ["N", 2, *(f"S{axis}" for axis in range(len(kernel)))]
            weights = {"w": random.standard_normal((2, 2, *kernel), np.float32)}
            model = build_model([node("Conv", "x w", "y", "conv")], {"x": sizes}, weights)
            onnx.save(model, folder / f"{name}.onnx")
            bench.add(folder / f"{name}.onnx")
    return folder


@pytest.fixture(scope="module")
def explorer(folder: Path) -> Iterator[Explorer]:
    with exploring(folder / "catalog.db") as explorer:
        yield explorer


@pytest.fixture
def bench(folder: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(folder / "catalog.db") as bench:
        yield bench


def panel(explorer: Explorer, address: str, name: str, **options: str) -> Answer:
    more = "".join(f"&{key}={value}" for key, value in options.items())
    return explorer.get(f"/m/{address}?panel={name}{more}")


def test_bars_are_as_high_and_wide_as_their_rows(explorer: Explorer, bench: filterkit.Workbench) -> None:
    rows = bench.response_histogram("net/first/0", observation="photos")
    page = panel(explorer, "net/first/0", "responses", fragment="1").text
    found = re.findall(r'class="bar" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', page)
    bars = [tuple(map(float, each)) for each in found]
    assert len(bars) == len(rows)
    most = max(row["pictures"] for row in rows)
    for (x, y, width, height), row in zip(bars, rows, strict=True):
        assert height == pytest.approx(150 * row["pictures"] / most, abs=0.1)
        assert y + height == pytest.approx(150, abs=0.1)
        assert 0 <= x <= x + width <= 601
    for (x, _, width, _), (after, *_) in pairwise(bars):
        assert x + width <= after + 1
    median, high = (float(x) for x in re.findall(r'class="mark" d="M(\S+) ', page))
    assert 0 <= median <= high <= 600
    assert page.count("<title>") == len(rows)
    assert panel(explorer, "net/first/0", "responses", format="json").json == list(rows)


def test_a_filter_that_never_fires_has_no_bars(explorer: Explorer) -> None:
    page = panel(explorer, "net/first/5", "responses", fragment="1").text
    assert "It is zero for each of the 40 pictures" in page
    assert "<svg" not in page
    assert explorer.get("/m/net/first/5").status == 200


def test_nothing_is_said_of_responses_that_are_unknown(explorer: Explorer) -> None:
    page = explorer.get("/m/classic/edge_sobel_x/0").text
    assert "How strongly it responds" not in page
    assert "has not been observed" in page


def test_connections_in_both_directions(explorer: Explorer, bench: filterkit.Workbench) -> None:
    rows = panel(explorer, "net/second/1", "connections", format="json").json
    for direction in ("from", "to"):
        expected = bench.connections("net/second/1", top=8, direction=direction)  # type: ignore[arg-type]
        found = [row for row in rows if row["direction"] == direction]
        assert [row["address"] for row in found] == expected[f"{direction}_address"]
        assert [row["weight_norm"] for row in found] == expected["weight_norm"]
        words = {1: "+ excites", -1: "− inhibits"}
        assert [row["effect"] for row in found] == [words[sign] for sign in expected["sign"]]
    page = panel(explorer, "net/second/1", "connections", fragment="1").text
    links = re.findall(r'class="address" href="/m/([^"]+)"', page)
    assert links == [row["address"] for row in rows]


@pytest.mark.parametrize(
    ("address", "said", "links"),
    [
        ("net/first/0", "reads the input of the network", 4),
        ("net/third/0", "no layer reads its output", 4),
        ("classic/edge_sobel_x/0", "has no connections", 0),
    ],
)
def test_first_and_last_layers(explorer: Explorer, address: str, said: str, links: int) -> None:
    page = panel(explorer, address, "connections", fragment="1")
    assert page.status == 200
    assert said in unescape(page.text) or links == 0
    assert len(re.findall(r'class="address" href=', page.text)) == links


def test_relatives_in_all_networks(explorer: Explorer, bench: filterkit.Workbench) -> None:
    rows = panel(explorer, "net/first/2", "relatives", format="json").json
    expected = bench.similar("net/first/2", "*", limit=12)
    assert [row["address"] for row in rows[: len(expected)]] == expected["address"]
    [twin] = bench.similar("net/first/2", "other", limit=1)
    page = panel(explorer, "net/first/2", "relatives", fragment="1").text
    part = page.partition("The twin in each other network")[2].partition("</table>")[0]
    assert re.findall(r'class="address" href="/m/([^"]+)"', part) == [twin["address"]]
    page = panel(explorer, "volume/conv/0", "relatives", fragment="1").text
    assert "No other network has filters of this size." in page


def test_what_responds_alike(explorer: Explorer, bench: filterkit.Workbench) -> None:
    rows = panel(explorer, "net/second/2", "alike", format="json").json
    expected = bench.similar("net/second/2", "*", by="response", limit=12)
    assert [row["address"] for row in rows] == expected["address"]
    assert any(row["address"].startswith("other/") for row in rows)
    page = panel(explorer, "classic/edge_sobel_x/0", "alike", fragment="1").text
    assert "has not been observed" in page


def test_the_lowest_exemplars(explorer: Explorer, bench: filterkit.Workbench) -> None:
    page = panel(explorer, "net/third/0", "exemplars", fragment="1").text
    assert "Lowest responses" in page
    lowest = bench.exemplars("net/third/0", lowest=True, top=9)
    part = page[page.index("<details>") :]
    assert re.findall(r"image=([0-9a-f]{64})", part) == lowest["sha256"]
    assert "all 0, as after a ReLU" in panel(explorer, "net/first/5", "exemplars", fragment="1").text


def image(explorer: Explorer, page: str, style: str) -> np.ndarray:
    [url] = set(re.findall(rf'(/pictures/[^/"]+/{style}/[^"]+)"', page))
    return np.array(Image.open(io.BytesIO(explorer.get(url).body)))


def test_the_frequency_response_of_a_picture_kernel(explorer: Explorer, bench: filterkit.Workbench) -> None:
    page = explorer.get("/m/net/second/1/3").text
    drawn = image(explorer, page, "frequency")
    expected = bench.frequency_response("net/second/1/3")[0, 0]
    assert np.abs(drawn[..., 0] - 255 * expected / expected.max()).max() <= 1
    rows = panel(explorer, "net/second/1/3", "frequency", format="json").json
    assert len(rows) == 64 * 64
    strongest = max(rows, key=lambda row: row["magnitude"])
    y, x = np.unravel_index(expected.argmax(), expected.shape)
    assert (strongest["frequency_y"], strongest["frequency_x"]) == ((y - 32) / 64, (x - 32) / 64)


def test_that_of_a_signal_is_a_curve(explorer: Explorer, bench: filterkit.Workbench) -> None:
    page = explorer.get("/m/signal/conv/1/0").text
    [points] = re.findall(r'<polyline class="curve" points="([^"]+)"', page)
    found = np.array([[float(value) for value in each.split(",")] for each in points.split()])
    expected = bench.frequency_response("signal/conv/1/0")[0, 0][128:]
    assert np.allclose(found[:, 1], 120 * (1 - expected / expected.max()), atol=0.1)


def test_that_of_a_volume_are_slices(explorer: Explorer, bench: filterkit.Workbench) -> None:
    drawn = image(explorer, explorer.get("/m/volume/conv/1/0").text, "frequency")
    expected = bench.frequency_response("volume/conv/1/0")[0, 0]
    assert drawn.shape[:2] == (32, 3 * 32 + 2)
    for number, part in enumerate((expected[16], expected[:, 16], expected[:, :, 16])):
        own = drawn[:, 33 * number : 33 * number + 32, 0]
        assert np.abs(own - 255 * part / expected.max()).max() <= 1


def test_classic_kernels_are_drawn_as_they_are_mapped(explorer: Explorer, bench: filterkit.Workbench) -> None:
    """Each drawn one correlates with the drawn kernel as much as the table says."""
    page = explorer.get("/m/net/first/1/1").text
    drawn = image(explorer, page, "classic")[..., 0].astype(float)
    tiles = [drawn[2::4, 13 * number + 2 : 13 * number + 14 : 4] - 127.5 for number in range(4)]
    found = bench.similar("net/first/1/1", "classic", invariant="scale,sign,flip,rotate", limit=3)
    for tile, row in zip(tiles[1:], found, strict=True):
        cosine = (tiles[0] * tile).sum() / np.linalg.norm(tiles[0]) / np.linalg.norm(tile)
        assert cosine == pytest.approx(row["similarity"], abs=0.01)
        mapped = found.mapped(list(found).index(row))
        assert np.allclose(tile / 127.5, mapped / np.abs(mapped).max(), atol=0.01)


@pytest.mark.parametrize("style", ["frequency", "classic"])
def test_only_single_kernels_have_such_pictures(explorer: Explorer, style: str) -> None:
    [url] = set(re.findall(r'(/pictures/[^"]+/frequency/[^"]+)"', explorer.get("/m/net/first/1/1").text))
    for wrong in ("net/first/1", "net/first/1/0:2", "net/first", "net/first/1/9"):
        answer = explorer.get(url.replace("/frequency/", f"/{style}/").replace("net/first/1/1", wrong))
        assert answer.status in (400, 404)
