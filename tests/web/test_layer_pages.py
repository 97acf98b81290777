"""The graph and the charts on the page of a model; facets and histograms on that of a layer."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import numpy as np
import onnx
import pytest
from explorer import Explorer, exploring
from onnx_graphs import build, node, random
from safetensors.numpy import save_file

import filterkit


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A residual network of three layers, of which one has weights that are no numbers; and loose weights."""
    folder = tmp_path_factory.mktemp("layers")
    middle = random(80, 4, 3, 3, seed=2)
    middle[3, 0, 0, 0], middle[5, 1, 1, 1] = np.nan, -np.inf
    model = build(
        [
            node("Conv", "x w", "p", name="first", pads=[1] * 4),
            node("Relu", "p", "r"),
            node("Conv", "r v", "q", name="middle", pads=[1] * 4),
            node("Conv", "q u", "s", name="last", pads=[1] * 4),
            node("Add", "s r", "y"),
        ],
        {"x": [1, 3, 8, 8]},
        {"w": random(4, 3, 3, 3), "v": middle, "u": random(4, 80, 3, 3, seed=3)},
    )
    onnx.save(model, folder / "net.onnx")
    save_file({"conv.weight": random(4, 3, 3, 3)}, folder / "loose.safetensors")
    with filterkit.open(folder / "catalog.db", progress=False) as bench:
        bench.add(folder / "net.onnx")
        bench.add(f"weights:{folder / 'loose.safetensors'}", name="loose")
    return folder / "catalog.db"


@pytest.fixture(scope="module")
def explorer(catalog: Path) -> Iterator[Explorer]:
    with exploring(catalog) as explorer:
        yield explorer


def section(page: str, name: str) -> str:
    """The panel of a page."""
    found = re.search(rf'aria-labelledby="panel-{name}".*?</section>', page, re.S)
    assert found, page
    return unescape(found[0])


def filters_of(page: str) -> list[int]:
    """The numbers of the filters that a layer's page shows."""
    grid = re.search(r'<ul class="grid">.*?</ul>', page, re.S)
    assert grid
    return [int(number) for number in re.findall(r'<a href="/m/net/middle/(\d+)"', grid[0])]


def test_the_graph_has_all_layers_as_links_and_all_lines(explorer: Explorer) -> None:
    graph = section(explorer.get("/m/net").text, "graph")
    assert re.findall(r'<a href="(/m/net/\w+)" aria-label="(\w+): sparsity', graph) == [
        ("/m/net/first", "first"),
        ("/m/net/middle", "middle"),
        ("/m/net/last", "last"),
    ]
    titles = re.findall(r"<title>([^<]* → [^<]*)</title>", graph)
    assert "net/first → net/middle via Relu" in titles and "net/first → output y via Relu, Add" in titles
    assert "tabindex" not in re.sub('tabindex="0" role="region"', "", graph), "layers are reached by keys"
    rows = explorer.get("/m/net?panel=graph&format=json").json
    assert len(rows) == len(titles) == 5


def test_the_metric_of_the_colours_is_chosen(explorer: Explorer) -> None:
    graph = section(explorer.get("/m/net?metric=parameters").text, "graph")
    assert "<option selected>parameters</option>" in graph
    assert re.findall(r'class="(step\d)" x="[\d.]+" y="[\d.]+" width="11" height="11"/><text', graph) == [
        "step0",
        "step6",
        "step6",
    ]
    assert "first: parameters 108" in graph
    assert "sparsity" in section(explorer.get("/m/net?metric=nothing").text, "graph")


def test_nothing_is_styled_inline(explorer: Explorer) -> None:
    for path in ("/m/net", "/m/net/middle?sort=l2_norm"):
        page = explorer.get(path).text
        assert " style=" not in page and "<style" not in page and "onclick" not in page


def test_charts_over_depth_explain_their_metric(explorer: Explorer) -> None:
    depth = section(explorer.get("/m/net").text, "depth")
    assert "of the filters to each other, 0 to 1" in depth
    points = re.findall(r'<a href="/m/net/(\w+)" tabindex="-1" aria-label="\w+: orthogonality', depth)
    assert set(points) <= {"first", "middle", "last"} and len(points) >= 2
    assert "The same in all layers" in depth


def test_weights_without_a_network_have_no_graph_and_say_so(explorer: Explorer) -> None:
    page = explorer.get("/m/loose")
    assert page.status == 200
    assert "it consists of weights without a network" in section(page.text, "graph")
    assert "conv" in section(page.text, "layers")


def test_an_older_catalog_gets_its_edges_on_the_first_look(catalog: Path, tmp_path: Path) -> None:
    older = Path(shutil.copy(catalog, tmp_path / "catalog.db"))
    shutil.copytree(catalog.with_name("catalog.store"), tmp_path / "catalog.store")
    with closing(sqlite3.connect(older)) as connection, connection:
        connection.execute("DELETE FROM edge")
        connection.execute("UPDATE model SET edges = NULL")
    with exploring(older) as explorer:
        assert "net/first → net/middle" in section(explorer.get("/m/net").text, "graph")
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute("SELECT count(*) FROM edge").fetchone() == (5,)


def test_facets_lead_to_the_filters_that_they_count_and_back(explorer: Explorer) -> None:
    page = explorer.get("/m/net/middle").text
    links = re.findall(r'<a href="([^"]+)">(\w+) <span>(\d+)</span></a>', page)
    assert {value for _, value, _ in links} >= {"no"}
    for link, value, count in links:
        narrowed = explorer.get(unescape(link)).text
        assert f"<p>{count} filter" in narrowed
        assert f'aria-current="true">{value} <span>{count}</span>' in narrowed
        [back] = re.findall(r'<a href="([^"]+)" aria-current="true">', narrowed)
        assert "<p>80 filters</p>" in explorer.get(unescape(back)).text


def test_bars_lead_to_the_filters_that_they_count(explorer: Explorer) -> None:
    panel = section(explorer.get("/m/net/middle?where=mean%20%3E%200&sort=std").text, "histograms")
    assert [*dict.fromkeys(re.findall(r"<code>(\w+)</code>", panel))][:2] == ["std", "l2_norm"]
    bars = re.findall(r'<a href="([^"]+)" aria-label="(\d+) filters? with (\w+) ', panel)
    assert {column for _, _, column in bars} >= {"std", "l2_norm", "redundancy"}
    for link, count, column in [*bars[:4], *bars[-3:]]:
        narrowed = explorer.get(link.replace(" ", "%20")).text
        assert f"<p>{count} filter" in narrowed
        assert f"mean &gt; 0 and {column} &gt;= " in narrowed
    rows = explorer.get("/m/net/middle?panel=histograms&format=json").json
    assert sum(row["filters"] for row in rows if row["column"] == "l2_norm") == 78


def test_weights_that_are_no_numbers_are_marked(explorer: Explorer) -> None:
    page = explorer.get("/m/net/middle").text
    marks = dict(re.findall(r'<a href="/m/net/middle/(\d+)">(?:(?!</a>).)*contains (\w+)', page, re.S))
    assert marks == {"3": "NaN", "5": "infinity"}
    panel = section(page, "histograms")
    [link] = {link for link in re.findall(r'<a href="([^"]+)">2 without a value', panel) if "l2_norm" in link}
    assert filters_of(explorer.get(link.replace(" ", "%20")).text) == [3, 5]


def test_a_wrong_condition_is_one_error_and_no_facets(explorer: Explorer) -> None:
    answer = explorer.get("/m/net/middle?where=l2_norm+%3E")
    assert answer.status == 400
    assert answer.text.count('role="alert"') == 1
    assert 'class="facets"' not in answer.text and "panel-histograms" not in answer.text


def test_pages_of_a_narrowed_layer_stay_narrowed(explorer: Explorer) -> None:
    first = explorer.get("/m/net/middle?where=filter+%3E%3D+5&sort=filter&order=down").text
    assert filters_of(first) == [*range(79, 19, -1)]
    [following] = re.findall(r'rel="next" href="([^"]+)"', first)
    assert filters_of(explorer.get(unescape(following)).text) == [*range(19, 4, -1)]


def test_facets_of_the_whole_catalog(explorer: Explorer) -> None:
    page = explorer.get("/filters").text
    [(link, count)] = re.findall(r'<a href="([^"]+)">no <span>(\d+)</span></a>', page)
    assert f"{count} filters</caption>" in explorer.get(unescape(link)).text
