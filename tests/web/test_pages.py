"""The pages of models, layers, filters and kernels."""

from __future__ import annotations

from pathlib import Path

from explorer import Explorer, exploring

import filterkit


def test_models(classic: Explorer) -> None:
    page = classic.get("/").text
    assert "<h1>Models</h1>" in page
    assert "classic" in page


def test_no_models(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
        bench.remove("classic")
    with exploring(tmp_path / "catalog.db") as explorer:
        page = explorer.get("/")
        assert page.status == 200
        assert "<code>filterkit add vgg16</code> adds one" in page.text
        assert explorer.get("/?format=json").json == []
