"""The pages of models, layers, filters and kernels."""

from __future__ import annotations

import re
import shlex
import sqlite3
from html import unescape
from pathlib import Path
from urllib.parse import quote

import numpy as np
import onnx
import pytest
from explorer import Explorer, exploring
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.testing import build_model, node

NASTY = "<img src=x onerror=alert(1)>\"'&%23?#\u202egnp"

PAGES = (
    "/",
    "/m/vgg16",
    "/m/classic",
    "/m/vgg16/block3_conv1",
    "/m/vgg16/block3_conv1?sort=frequency&order=down&page=2",
    "/m/vgg16/block1_conv1/7",
    "/m/vgg16/block3_conv1/70",
    "/m/vgg16/block3_conv1/70/12",
    "/m/classic/edge_sobel_x",
    "/m/classic/edge_sobel_x/0",
    "/m/classic/edge_sobel_x/0/0",
)


def shown_code(page: str) -> list[str]:
    """The blocks of commands and of Python on a page."""
    return [unescape(block) for block in re.findall(r'<pre class="copy">(.*?)</pre>', page, re.S)]


@pytest.mark.zoo
@pytest.mark.parametrize("path", PAGES)
def test_every_link_leads_somewhere(vgg16: Explorer, path: str) -> None:
    page = vgg16.get(path)
    assert page.status == 200
    assert page.text.count("<h1>") == 1
    base = path.partition("?")[0].rpartition("/")[0]
    links = [each if each.startswith("/") else f"{base}/{each}" for each in dict.fromkeys(page.links)]
    assert len(links) > 5
    for link in [*links[:8], *links[8::9]]:
        assert vgg16.get(link).status == 200, link
    for picture in re.findall(r'(?:src|image href)="([^"]+)"', page.text)[:3]:
        assert vgg16.get(picture).status == 200, picture


@pytest.mark.zoo
@pytest.mark.parametrize("path", PAGES)
def test_the_data_are_those_of_the_workbench(vgg16: Explorer, vgg16_catalog: Path, path: str) -> None:
    mark = "&" if "?" in path else "?"
    rows = vgg16.get(f"{path}{mark}format=json").json
    lines = vgg16.get(f"{path}{mark}format=csv").text.splitlines()
    assert len(lines) >= len(rows) + 1
    assert lines[0].split(",") == list(rows[0])
    parts = path.partition("?")[0].split("/")[2:]
    with filterkit.open(vgg16_catalog) as bench:
        if len(parts) < 2:
            expected = bench.layers(parts[0])["address"] if parts else bench.models()["model"]
        elif len(parts) < 4:
            sort = "-frequency" if "sort" in path else None
            expected = bench.filters("/".join(parts), sort=sort)["address"]
        else:
            [row] = rows
            assert row["values"] == bench.bank("/".join(parts))[0, 0].tolist()
            expected = ["/".join(parts)]
    assert [row["address" if parts else "model"] for row in rows] == list(expected)


@pytest.mark.zoo
def test_a_layer_is_sorted_filtered_and_paged(vgg16: Explorer, vgg16_catalog: Path) -> None:
    where = "classic_type = 'edge' and l2_norm > 0.1"
    with filterkit.open(vgg16_catalog) as bench:
        expected = bench.filters("vgg16/block4_conv2", where=where, sort="-redundancy")["address"]
    assert len(expected) > 0
    query = "?where=classic_type+%3D+%27edge%27+and+l2_norm+%3E+0.1&sort=redundancy&order=down"
    page = vgg16.get(f"/m/vgg16/block4_conv2{query}").text
    assert re.findall(r'<li><a href="/m/([^"]*)"', page) == list(expected)[:60]
    assert f"{len(expected)} filters of 512" in page or f"{len(expected)} filter of 512" in page
    numbers = []
    for number in range(1, 10):
        page = vgg16.get(f"/m/vgg16/block4_conv2?page={number}").text
        numbers += [int(each) for each in re.findall(r'<li><a href="/m/vgg16/block4_conv2/(\d+)"', page)]
        assert ('rel="next"' in page) == (number < 9)
        assert ('rel="prev"' in page) == (number > 1)
    assert numbers == list(range(512))


@pytest.mark.zoo
def test_a_wrong_condition_says_why(vgg16: Explorer) -> None:
    for query, words in (("where=l3_norm+%3E+1", "l3_norm"), ("sort=nothing", "nothing")):
        answer = vgg16.get(f"/m/vgg16/block1_conv1?{query}")
        assert answer.status == 400
        assert words in answer.text
        assert '<form class="fields"' in answer.text  # to mend it


@pytest.mark.zoo
def test_a_filter(vgg16: Explorer, vgg16_catalog: Path) -> None:
    page = vgg16.get("/m/vgg16/block3_conv1/70").text
    with filterkit.open(vgg16_catalog) as bench:
        [row] = bench.filters("vgg16/block3_conv1/70")
        similar = bench.similar("vgg16/block3_conv1/70", "vgg16", limit=12)
    assert f"{row['l2_norm']:.4g}" in page
    assert "root of the sum of the weights&#39; squares" in page
    for each in similar:
        assert f'href="/m/{each["address"]}"' in page
        assert f"{each['similarity']:.4g}" in page
    assert len(re.findall(r'<a href="70/\d+" tabindex="-1"', page)) == 128
    assert "<code>filterkit observe vgg16 FOLDER</code>" in page


@pytest.mark.zoo
def test_a_kernel(vgg16: Explorer, vgg16_catalog: Path) -> None:
    page = vgg16.get("/m/vgg16/block3_conv1/70/12").text
    with filterkit.open(vgg16_catalog) as bench:
        kernel = bench.bank("vgg16/block3_conv1/70/12")[0, 0]
    assert re.findall(r"<td>(.*?)</td>", page)[:9] == [f"{value:.4g}" for value in kernel.ravel()]
    assert 'href="/m/classic/' in page


@pytest.mark.zoo
@pytest.mark.parametrize("path", [path for path in PAGES if path != "/" and "sort" not in path])
def test_the_commands_and_the_python_run(
    vgg16: Explorer, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands, python = shown_code(vgg16.get(path).text)
    exec(python, {})
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        assert program == "filterkit"
        if words[0] in ("visualize", "connections"):  # which some networks do not allow
            continue
        done = CliRunner().invoke(build_app(), words)
        assert done.exit_code == 0, f"{line}: {done.stderr}"


@pytest.mark.parametrize(
    "path",
    [
        *("/m/nothing", "/m/*", "/m/classic/*", "/m/classic/edge_sobel_?", "/m/classic/edge_sobel_x/1"),
        *("/m/classic/edge_sobel_x/0/1", "/m/classic/edge_sobel_x/-1", "/m/classic/edge_sobel_x/x"),
        *("/m/classic/edge_sobel_x/0/0/0", "/m/", "/m", "/m/classic/", "/m/classic/edge_sobel_x/99999999999"),
    ],
)
def test_what_does_not_exist_is_not_found(classic: Explorer, path: str) -> None:
    assert classic.get(path).status in (400, 404)


def test_the_page_of_a_typed_address(classic: Explorer) -> None:
    for typed, place in (
        ("classic/edge_sobel_x/0", "/m/classic/edge_sobel_x/0"),
        ("+classic%2F", "/m/classic"),
        ("", "/"),
        ("%2F%2Fexample.org", "/m/example.org"),
    ):
        answer = classic.get(f"/go?address={typed}")
        assert (answer.status, answer.headers["Location"]) == (303, place)


def test_no_models(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
        bench.remove("classic")
    with exploring(tmp_path / "catalog.db") as explorer:
        page = explorer.get("/")
        assert page.status == 200
        assert "<code>filterkit add vgg16</code> adds one" in page.text
        assert explorer.get("/?format=json").json == []


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with kernels of one and three dimensions and large ones, and texts meant to break pages."""
    folder = tmp_path_factory.mktemp("odd")
    random = np.random.default_rng(0)
    shapes = {"signal": (4, 2, 5), "volume": (3, 1, 2, 3, 3), "wide": (2, 1, 40, 40)}
    with filterkit.open(folder / "catalog.db") as bench:
        for name, shape in shapes.items():
            size = ["N", shape[1], *"DHW"[-len(shape) + 2 :]]
            weights = {"w": random.normal(size=shape).astype(np.float32)}
            model = build_model([node("Conv", "x w", "y", "conv")], {"x": size}, weights)
            onnx.save(model, folder / f"{name}.onnx")
            bench.add(folder / f"{name}.onnx")
        model = build_model([node("Conv", "x w", "y", "observations")], {"x": ["N", 1, "H", "W"]}, weights)
        onnx.save(model, folder / "named.onnx")
        bench.add(folder / "named.onnx")
        bench.add("classic", name="odd")
    connection = sqlite3.connect(folder / "catalog.db")
    with connection:
        connection.execute("UPDATE model SET license = ?, ref = ? WHERE name = 'odd'", (NASTY, NASTY))
        connection.execute("UPDATE filter SET label = ?", (NASTY,))
    connection.close()
    return folder / "catalog.db"


def test_kernels_of_any_dimension(odd: Path) -> None:
    with exploring(odd) as explorer:
        for model, values in (("signal", 5), ("volume", 18)):
            page = explorer.get(f"/m/{model}/conv/0/0").text
            assert len(re.findall(r"<td>-?[\d.e-]+</td>", page)) == values
            for path in (f"/m/{model}", f"/m/{model}/conv", f"/m/{model}/conv/1"):
                shown = explorer.get(path)
                assert shown.status == 200
                for picture in re.findall(r'(?:src|image href)="([^"]+)"', shown.text):
                    assert explorer.get(picture).status == 200, picture


def test_a_filter_without_weights_has_its_metrics(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
    (tmp_path / "catalog.store").rename(tmp_path / "elsewhere")
    with exploring(tmp_path / "catalog.db") as explorer:
        for path in ("/", "/m/classic", "/m/classic/edge_sobel_x", "/m/classic/edge_sobel_x/0"):
            assert explorer.get(path).status == 200, path
        page = explorer.get("/m/classic/edge_sobel_x/0").text
        assert "the weights of classic are not in the store" in page
        assert "classic_score" in page
        (tmp_path / "elsewhere").rename(tmp_path / "catalog.store")
        assert "not in the store" not in explorer.get("/m/classic/edge_sobel_x/0").text


def test_a_layer_may_be_named_like_a_page(odd: Path) -> None:
    with exploring(odd) as explorer:
        assert explorer.get("/m/named/observations").status == 200
        assert "<h1>Filter 1 of observations" in explorer.get("/m/named/observations/1").text
        assert explorer.get("/m/named/observations/1/0").status == 200
        assert explorer.get("/m/named/observations/2").status == 404
        assert explorer.get("/m/signal/observations/1").status == 404


def test_texts_are_escaped_everywhere(odd: Path) -> None:
    paths = ("", "/edge_sobel_x", "/edge_sobel_x/0", "/edge_sobel_x/0/0", f"/{quote(NASTY, safe='')}")
    with exploring(odd) as explorer:
        pages = [explorer.get(f"/m/odd{path}") for path in paths]
        assert [page.status for page in pages] == [200, 200, 200, 200, 404]
        pages += [explorer.get("/"), explorer.get("/m/wide"), explorer.get(f"/go?address={quote(NASTY)}")]
        for page in pages:
            assert "<img src=x" not in page.text
            assert "\u202e" not in page.text
        assert "&lt;img src=x" in pages[0].text
        assert "&lt;img src=x" in pages[2].text
        assert NASTY in explorer.get("/m/odd/edge_sobel_x?format=json").json[0]["label"]
