"""The page of an atlas as text: its form, its table, and the files that only it loads."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tomllib
from html import unescape
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from explorer import Explorer, exploring

import filterkit
import filterkit.web
from filterkit.testing import build_model, node

STATIC = Path(filterkit.web.__file__).parent / "static"
LIBRARY = STATIC / "openseadragon"


def test_the_library_is_the_file_that_was_released() -> None:
    manifest = json.loads((LIBRARY / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == {path.name for path in LIBRARY.iterdir()} - {"manifest.json"}
    for name, stated in manifest["files"].items():
        assert hashlib.sha256((LIBRARY / name).read_bytes()).hexdigest() == stated
    code = (LIBRARY / "openseadragon.min.js").read_text(encoding="utf-8")
    assert code.startswith(f"//! openseadragon {manifest['version']}\n")
    text = (LIBRARY / "LICENSE.txt").read_text(encoding="utf-8")
    assert manifest["license"] == "BSD-3-Clause"
    assert "Redistributions in binary form must reproduce the above copyright" in text


def test_it_is_part_of_the_package() -> None:
    project = tomllib.loads((Path(filterkit.__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    assert "web/static/openseadragon/*" in project["tool"]["setuptools"]["package-data"]["filterkit"]


def test_only_the_atlas_loads_it(classic: Explorer) -> None:
    page = classic.get("/atlas/classic")
    assert page.status == 200
    scripts = re.findall(r'<script src="([^"]+)" defer></script>', page.text)
    assert scripts[-2:] == ["/static/openseadragon/openseadragon.min.js", "/static/atlas.js"]
    assert all(classic.get(each).status == 200 for each in scripts)
    assert "style=" not in page.text
    assert not re.search(r"<script(?! src)", page.text)
    for other in ("/", "/m/classic", "/m/classic/edge_sobel_x/0/0"):
        assert "openseadragon" not in classic.get(other).text


def test_pages_lead_to_their_places(classic: Explorer) -> None:
    for page, address in (
        ("/m/classic", None),
        *((f"/m/classic/edge_sobel_x{rest}", f"classic/edge_sobel_x{rest}") for rest in ("", "/0", "/0/0")),
    ):
        wanted = f"?address={quote(address, safe='')}" if address else ""
        assert f"/atlas/classic{wanted}" in classic.get(page).links
        found = classic.get(f"/atlas/classic{wanted}")
        assert found.status == 200
        assert ("data-place=" in found.text) == bool(address)


def test_the_table_is_the_data(classic: Explorer) -> None:
    rows = classic.get("/atlas/classic?format=json").json
    assert len(rows) == 13
    assert list(rows[0]) == ["address", "filters", "kernels", "kernel_shape", "x", "y", "width", "height"]
    table = [*csv.DictReader(io.StringIO(classic.get("/atlas/classic?format=csv").text))]
    assert [row["address"] for row in table] == [row["address"] for row in rows]
    page = classic.get("/atlas/classic")
    for row in rows:
        assert f'href="/m/{row["address"]}">{row["address"]}</a>' in page.text
    coloured = classic.get("/atlas/classic?colour=l2_norm&format=json").json
    [same] = [row["l2_norm"] for row in classic.get("/m/classic/edge_sobel_x?format=json").json]
    [sobel] = [row for row in coloured if row["address"] == "classic/edge_sobel_x"]
    assert (sobel["darkest"], sobel["lightest"]) == (same, same)


def test_the_place_of_an_address(classic: Explorer) -> None:
    rows = {row["address"]: row for row in classic.get("/atlas/classic?format=json").json}
    page = classic.get("/atlas/classic?address=classic/edge_sobel_x/0/0").text
    row = rows["classic/edge_sobel_x"]
    assert f'data-place="{row["x"]} {row["y"]} 3 3"' in page
    assert "is 3 × 3 pixels at" in page


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("address=classic/nothing/0", 404, "there is no layer &#39;nothing&#39; of classic in this atlas"),
        ("address=../../etc/passwd", 400, "is not the address of a layer, a filter or a kernel"),
        ("address=classic/edge_sobel_x/1", 404, "their numbers are 0 to 0"),
        ("sort=nothing", 400, "filters have no column &#39;nothing&#39;"),
        ("colour=metric", 400, "filters have no column &#39;metric&#39;"),
        ("colour=a;b", 400, "filters have no column &#39;a;b&#39;"),
        ("colour=classic_type", 400, "&#39;classic_type&#39; has no numbers to colour by"),
    ],
)
def test_what_is_wrong_is_said_below_the_form(classic: Explorer, query: str, status: int, words: str) -> None:
    page = classic.get(f"/atlas/classic?{query}")
    assert page.status == status
    assert words in page.text
    assert '<select name="colour">' in page.text
    assert ("data-tiles=" in page.text) == query.startswith("address")
    assert classic.get(f"/atlas/classic?{query}&format=json").json["error"]


def test_models_without_an_atlas(classic_catalog: Path, tmp_path: Path) -> None:
    with exploring(classic_catalog) as explorer:
        for name in ("nothing", "*", "class*", "..%2f..%2fetc"):
            assert explorer.get(f"/atlas/{name}").status == 404
    model = build_model([node("Conv", "x w", "y")], {"x": (1, 3, 8, 8), "w": (4, 3, 3, 3)})
    (tmp_path / "empty.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "empty.onnx", name="empty")
    with exploring(tmp_path / "catalog.db") as explorer:
        page = explorer.get("/atlas/empty")
        assert page.status == 200
        assert (
            "No layer of empty could be extracted: <code>filterkit layers empty --skipped</code>" in page.text
        )
        assert "/atlas/" not in explorer.get("/m/empty").text


def test_a_store_without_banks(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
    for banks in (tmp_path / "catalog.store" / "banks").iterdir():
        banks.unlink()
    with exploring(tmp_path / "catalog.db") as explorer:
        page = explorer.get("/atlas/classic")
        assert page.status == 500
        assert 'role="alert"' in page.text
        assert "data-tiles" not in page.text


def test_names_from_models_are_text(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>\"'&%23?#"
    weights = np.ones((2, 1, 3, 3), np.float32)
    model = build_model([node("Conv", "x w", "y", name=name)], {"x": (1, 1, 8, 8)}, {"w": weights})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "m.onnx", name="m")
        [address] = bench.layers("m")["address"]
    with exploring(tmp_path / "catalog.db") as explorer:
        page = explorer.get(f"/atlas/m?address={quote(address + '/1', safe='')}")
        assert page.status == 200
        assert "<img src=x" not in page.text
        assert address in unescape(page.text)
        [tiles] = re.findall(r'data-tiles="([^"]+)"', page.text)
        assert explorer.get(f"{tiles}/plan.json").json["layers"][0]["address"] == address
