"""Exports: complete, the same each time, without traces of this computer, and not too large."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import files_below, write_photo
from explorer import Explorer
from exported import REGISTRY, export, links, targets
from onnx_graphs import build, node

import filterkit
from filterkit.errors import UsageError
from filterkit.web import site_export
from filterkit.web.site_export import Site
from filterkit.web.site_folder import MANIFEST


def reached(folder: Path) -> set[str]:
    """All files that links lead to from the first page."""
    seen = todo = {folder.resolve() / "index.html"}
    while todo:
        pages = [each for each in todo if each.suffix == ".html"]
        todo = {target for page in pages for target in targets(page)} - seen
        assert all(target.is_file() and target.is_relative_to(folder.resolve()) for target in todo), todo
        seen = seen | todo
    return {each.relative_to(folder.resolve()).as_posix() for each in seen}


@pytest.fixture(scope="module")
def classic_site(classic_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "classic"
    export(classic_catalog, folder, "classic", kernels=True)
    return folder


def test_every_file_is_reached_and_no_link_is_broken(classic_site: Path) -> None:
    assert reached(classic_site) | {MANIFEST} == files_below(classic_site)
    pages = {each for each in files_below(classic_site) if each.endswith(".html")}
    views = {each for each in pages if ",where," in each}  # of facets and histograms
    assert len(pages - views) == 1 + 1 + 13 + 13 + 13
    assert len(views) >= 13 and all(each.startswith("m/classic/") for each in views)


def test_pages_are_those_of_the_explorer(classic_site: Path, classic: Explorer) -> None:
    """The same headings, tables and pictures."""
    page = classic.get("/m/classic/edge_sobel_x/0/0").text
    file = (classic_site / "m" / "classic" / "edge_sobel_x" / "0" / "0.html").read_text()
    assert "<h1>Kernel 0 of filter 0</h1>" in file
    cells = re.findall("<td[^>]*>[^<]*</td>", page)
    assert "<td>-1</td>" in cells or "<td>-0.25</td>" in cells
    assert set(cells) <= set(re.findall("<td[^>]*>[^<]*</td>", file))
    picture = classic_site / "pictures"
    [thumbnail] = picture.rglob("thumbnail/classic/edge_sobel_x/0/0.png")
    served = classic.get("/" + thumbnail.relative_to(classic_site).as_posix())
    assert served.body == thumbnail.read_bytes()


def test_data_is_beside_the_pages(classic_site: Path, classic: Explorer) -> None:
    name = "m/classic/edge_sobel_x"
    assert json.loads((classic_site / f"{name}.json").read_text()) == classic.get(f"/{name}?format=json").json
    assert (classic_site / f"{name}/0.csv").read_bytes() == classic.get(f"/{name}/0?format=csv").body


def test_the_manifest_lists_every_file(classic_site: Path) -> None:
    manifest = json.loads((classic_site / MANIFEST).read_text())
    assert manifest["addresses"] == ["classic"]
    assert set(manifest["files"]) | {MANIFEST} == files_below(classic_site)
    for name, digest in manifest["files"].items():
        assert sha256((classic_site / name).read_bytes()).hexdigest() == digest


def test_forms_and_searches_are_left_out(classic_site: Path) -> None:
    for page in classic_site.rglob("*.html"):
        text = page.read_text()
        assert "<form" not in text and "<input" not in text and "<button" not in text
        assert text.count("Content-Security-Policy") == 1
        assert not [link for link in links(page) if link.startswith(("/", "http:", "file:"))]


def test_the_same_catalog_gives_the_same_files(
    classic_catalog: Path, classic_site: Path, tmp_path: Path
) -> None:
    shutil.copytree(classic_catalog.parent, tmp_path / "elsewhere")
    export(tmp_path / "elsewhere" / "catalog.db", tmp_path / "site", "classic", kernels=True)
    assert files_below(tmp_path / "site") == files_below(classic_site)
    for name in files_below(classic_site):
        assert (tmp_path / "site" / name).read_bytes() == (classic_site / name).read_bytes(), name


def test_several_processes_make_the_same_files(
    classic_catalog: Path, classic_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_export, "FEW_PAGES", 0)
    monkeypatch.setattr(site_export.os, "cpu_count", lambda: 2)
    files, _ = export(classic_catalog, tmp_path / "site", "classic", kernels=True)
    assert files == len(files_below(classic_site))
    for name in files_below(classic_site):
        assert (tmp_path / "site" / name).read_bytes() == (classic_site / name).read_bytes(), name


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with hostile names, observed over pictures in a folder with a space."""
    folder = tmp_path_factory.mktemp("jane doe")
    rng = np.random.default_rng(0)
    names = ("con", "Con", "<script>alert(1)</script>", "../../x", "a'b\"c&d", "x.html", "é", "n" * 150)
    nodes, weights, source = [], {}, "x"
    for number, name in enumerate(names):
        weights[f"w{number}"] = rng.normal(size=(2, 3 if number == 0 else 2, 3, 3)).astype(np.float32)
        nodes.append(node("Conv", f"{source} w{number}", f"y{number}", name, pads=[1, 1, 1, 1]))
        source = f"y{number}"
    onnx.save(build(nodes, {"x": [1, 3, 16, 16]}, weights), folder / "Net.v2.onnx")
    for number in range(3):
        write_photo(folder / "photos" / "class" / f"{number}.png", seed=number)
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "Net.v2.onnx", name="Net.v2")
        bench.observe("Net.v2", folder / "photos", name="Photos")
    return folder / "catalog.db"


def test_hostile_names_lead_to_files_inside(observed: Path, tmp_path: Path) -> None:
    export(observed, tmp_path / "site", "Net.v2", kernels=True)
    assert reached(tmp_path / "site") | {MANIFEST} == files_below(tmp_path / "site")
    names = [name.casefold() for name in files_below(tmp_path / "site")]
    assert len(set(names)) == len(names)
    assert files_below(tmp_path) == {f"site/{name}" for name in files_below(tmp_path / "site")}
    for page in (tmp_path / "site").rglob("*.html"):
        assert "<script>alert" not in page.read_text()


def test_nothing_says_where_it_was_made(observed: Path, tmp_path: Path) -> None:
    export(observed, tmp_path / "site", "Net.v2")
    traces = {str(observed.parent), str(tmp_path), "jane doe", str(Path.home()), "Net.v2.onnx/"}
    for file in sorted(files_below(tmp_path / "site")):
        text = (tmp_path / "site" / file).read_bytes().decode("utf-8", "replace")
        assert not [each for each in traces if each in text], file
        assert "token" not in text
    assert "filterkit.open(&#39;catalog.db&#39;)" in (tmp_path / "site" / "m" / "=net.v2.html").read_text()


def test_a_part_of_a_model(observed: Path, tmp_path: Path) -> None:
    """Links beyond what was chosen become text."""
    export(observed, tmp_path / "site", "Net.v2/con/0")
    assert reached(tmp_path / "site") | {MANIFEST} == files_below(tmp_path / "site")
    pages = sorted(each for each in files_below(tmp_path / "site") if each.endswith(".html"))
    assert [each for each in pages if "," not in each] == [
        *("index.html", "m/=net.v2.html", "m/=net.v2/observations/=photos.html"),
        *("m/=net.v2/~63on.html", "m/=net.v2/~63on/0.html"),
    ]
    views = {each.partition(",")[0] for each in pages if "," in each}
    assert views == {"m/=net.v2/observations/=photos", "m/=net.v2/~63on"}
    assert 'title="not part of this export"' in (tmp_path / "site" / "m" / "=net.v2.html").read_text()


def test_the_estimate_is_close(observed: Path, tmp_path: Path) -> None:
    site = Site(observed, REGISTRY, ["Net.v2"])
    found = site.estimate()
    files, size = site.write(tmp_path / "site", lambda what, done, total: None)
    assert sum(found.files.values()) == pytest.approx(files, rel=0.3)
    assert sum(found.size.values()) == pytest.approx(size, rel=0.3)
    assert found.pages == {"models": 1, "layers": 8, "filters": 16, "kernels": 0, "tiles": 0}
    assert not found.is_large


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 10), ("MOST_BYTES", 1000)])
def test_the_limit(
    classic_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(site_export, limit, value)
    site = Site(classic_catalog, REGISTRY, ["classic"])
    with pytest.raises(UsageError, match="the export has about "):
        site.estimate().check()
    with pytest.raises(UsageError, match="the limit is"):
        site.write(tmp_path / "site", lambda what, done, total: None)
    assert files_below(tmp_path) == set()


def test_ctrl_c_leaves_nothing(classic_catalog: Path, tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Site(classic_catalog, REGISTRY, ["classic"]).write(tmp_path / "site", interrupt)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.zoo
def test_lists_have_all_their_pages(
    zoo_model: Callable[[str], Path], vgg16_catalog: Path, tmp_path: Path
) -> None:
    export(vgg16_catalog, tmp_path / "site", "vgg16/block2_conv1/0")
    assert {f"m/vgg16/block2_conv1,page,{number}.html" for number in (2, 3)} < files_below(tmp_path / "site")
    assert reached(tmp_path / "site") | {MANIFEST} == files_below(tmp_path / "site")
