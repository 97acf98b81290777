"""The page about the explorer: its command serves, its pages are there, its example finds a filter."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from explorer import exploring
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.testing import check_panel, code_blocks
from filterkit.web.application import PAGES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "explorer.md").read_text(encoding="utf-8")


@pytest.mark.zoo
def test_the_command_serves_the_pages(vgg16_catalog: Path) -> None:
    [block] = code_blocks(PAGE, "console")
    assert shlex.split(block) == ["$", "filterkit", "serve"]
    pages = re.findall(r"^\| `(/[^`]*)` \|", PAGE, re.M)
    assert len(pages) == len(PAGES) - 2  # without those that change the catalog
    with exploring(vgg16_catalog) as explorer:
        for page in pages:
            status = 404 if "/observations/" in page else 200  # the catalog has no observation
            assert explorer.get(page).status == status, page
        home = explorer.get("/").text
        [sobel] = re.findall(r'<option value="([^"]*)">Sobel, edges</option>', home)
        [among] = re.findall(r'<option value="([^"]*)">vgg16 block2</option>', home)
        query = urlencode({"query": sobel, "among": among, "invariant": ["scale", "sign", "rotate"]}, True)
        found = explorer.get(f"/similar?{query}")
        [first, *_] = re.findall(r'<a class="address" href="(/m/vgg16/block2_[^"]*)"', found.text)
        assert first.rpartition("/")[0] in found.links
        page = explorer.get(first.rpartition("/")[0]).text
        for part in ("What it responds to", "Similar in all networks", "Responds alike in all networks"):
            assert part in page
            assert f"*{part}*" in PAGE


def test_a_script_exchanges_the_token(classic_catalog: Path) -> None:
    assert "curl -L -c cookies" in PAGE
    with exploring(classic_catalog) as explorer:
        token = urlsplit(explorer.url).query
        answer = explorer.get(f"/m/classic/edge_sobel_x?{token}&format=csv&where=dead+%3D+0", Cookie=None)
        place = answer.headers["Location"]
        assert place == "/m/classic/edge_sobel_x?format=csv&where=dead+%3D+0"
        assert explorer.get(place).text.startswith("address,model,layer,filter,")


@pytest.mark.parametrize(
    ("name", "size"), [("explorer_light", 400_000), ("explorer_dark", 400_000), ("atlas", 300_000)]
)
def test_its_pictures_exist(name: str, size: int) -> None:
    assert f"images/{name}.png" in PAGE
    assert (DOCS / "images" / f"{name}.png").stat().st_size < size


@pytest.mark.zoo
def test_the_example_of_static_pages(
    vgg16_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the page, but only estimated."""
    [command] = [block for block in code_blocks(PAGE) if block.startswith("filterkit site")]
    monkeypatch.chdir(tmp_path)
    words = [*shlex.split(command)[1:], "--catalog", str(vgg16_catalog), "--dry-run", "--format", "json"]
    done = CliRunner().invoke(build_app(), words)
    counts = {row["pages"]: row["count"] for row in json.loads(done.stdout)}
    assert counts == {"models": 1, "layers": 2, "filters": 128}
    assert [*tmp_path.iterdir()] == []


def test_the_panel_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS / "examples")
    plugin = importlib.import_module("symmetry_panel")
    check_panel(plugin.Symmetry, "classic/edge_sobel_x/0/0", models=["classic"])
    host = load_plugins(discover=False, strict=True)
    host.add(plugin, name="filterkit-example")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
        content = Registry(host).create("panel", "symmetry").show(bench, "classic/edge_sobel_x/0/0", {})
    assert content is not None
    assert content.rows is not None
    cosines = {row["mirrored"]: row["cosine"] for row in content.rows}
    assert cosines == {"left and right": -1, "up and down": 1, "both": -1}
