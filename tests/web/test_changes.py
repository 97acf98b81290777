"""Adding and removing models: only where it is permitted, only what is listed, and after a question."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from explorer import Explorer, exploring
from PIL import Image

import filterkit


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
        bench.add("classic", name="other")
        photos = tmp_path / "photos"
        photos.mkdir()
        Image.new("L", (32, 32), 99).save(photos / "gray.png")
        bench.observe("other", photos, name="grays")
    return tmp_path / "catalog.db"


@pytest.fixture
def explorer(catalog: Path) -> Iterator[Explorer]:
    with exploring(catalog, "--allow-changes") as made:
        yield made


def names(catalog: Path) -> list[str]:
    with filterkit.open(catalog) as bench:
        return list(bench.models()["model"])


def contents(folder: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_without_permission_nothing_changes(catalog: Path) -> None:
    before = contents(catalog.parent)
    with exploring(catalog) as explorer:
        for path in ("/add", "/remove?model=other", "/remove?model=other&observation=grays"):
            refused = explorer.get(path)
            assert refused.status == 403
            assert "--allow-changes" in refused.text
        for path, fields in (
            ("/add", {"name": "mnist-cnn"}),
            ("/remove", {"model": "other"}),
            ("/remove", {"model": "other", "observation": "grays"}),
        ):
            assert explorer.post(path, fields).status == 403
        for path in ("/", "/m/other", "/m/classic/edge_sobel_x/0"):
            assert "/remove" not in (text := explorer.get(path).text)
            assert 'href="/add"' not in text
        explorer.stop()
    after = contents(catalog.parent)
    assert {each for each in after if after[each] != before.get(each)} <= {
        Path(f"{catalog}{suffix}") for suffix in ("-wal", "-shm")
    }


def test_a_model_is_removed_after_a_question(explorer: Explorer, catalog: Path) -> None:
    assert "/remove?model=other" in explorer.get("/m/other").links
    page = explorer.get("/remove?model=other")
    assert "13 layers, 13 filters and 13 kernels" in page.text
    assert "grays" in page.text
    assert names(catalog) == ["classic", "other"]  # a question changes nothing
    assert explorer.post("/remove", {"model": "other"}, csrf="x").status == 403
    assert names(catalog) == ["classic", "other"]
    answer = explorer.post("/remove", {"model": "other"})
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert names(catalog) == ["classic"]
    assert "other" not in explorer.get("/?format=csv").text
    assert explorer.get("/m/other").status == 404
    assert explorer.post("/remove", {"model": "other"}).status == 404


def test_an_observation_is_removed_after_a_question(explorer: Explorer, catalog: Path) -> None:
    assert "/remove?model=other&observation=grays" in explorer.get("/m/other/observations/grays").links
    assert "grays" in explorer.get("/remove?model=other&observation=grays").text
    answer = explorer.post("/remove", {"model": "other", "observation": "grays"})
    assert answer.headers["Location"] == "/m/other"
    with filterkit.open(catalog) as bench:
        assert len(bench.observations()) == 0
    assert names(catalog) == ["classic", "other"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": ""},
        {"model": "*"},
        {"model": "o*"},
        {"model": "nothing"},
        {"model": "other", "observation": "*"},
        {"model": "other", "observation": "nothing"},
        {"model": "classic", "observation": "grays"},
        {},
    ],
)
def test_only_what_there_is_can_be_removed(explorer: Explorer, catalog: Path, fields: dict[str, str]) -> None:
    assert explorer.post("/remove", fields).status in (400, 404)
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    assert explorer.get(f"/remove?{query}").status in (400, 404)
    assert names(catalog) == ["classic", "other"]
    with filterkit.open(catalog) as bench:
        assert len(bench.observations()) == 1


def test_a_model_is_added_by_its_name(explorer: Explorer, catalog: Path) -> None:
    explorer.post("/remove", {"model": "classic"})
    explorer.post("/remove", {"model": "other"})
    assert "Add classic" in explorer.get("/add").text
    answer = explorer.post("/add", {"name": "classic"})
    assert answer.headers["Location"] == "/add?name=classic"
    deadline = time.monotonic() + 60
    while "is in the catalog, with 13 filters" not in (text := explorer.get("/add?name=classic").text):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert '<a href="/m/classic">' in text
    assert names(catalog) == ["classic"]
    assert explorer.get("/m/classic").status == 200


@pytest.mark.parametrize(
    "name",
    [
        *("", "nothing", "/etc/passwd", "../catalog.db", "http://127.0.0.1/x.onnx", "keras:VGG16"),
        *("wheel:numpy", "weights:x.safetensors", "torch:os:getcwd", "zoo:classic"),
    ],
)
def test_no_other_reference_can_be_added(explorer: Explorer, catalog: Path, name: str) -> None:
    refused = explorer.post("/add", {"name": name})
    assert refused.status == 400
    assert "cannot" in refused.text or "is not a model" in refused.text
    assert names(catalog) == ["classic", "other"]
