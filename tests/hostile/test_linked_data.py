"""External data behind links: taken where a cache of models keeps it, refused wherever else links lead."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from isolated import Run
from onnx import TensorProto
from onnx_graphs import build, node, random
from PIL import Image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs links")

WEIGHT = random(4, 3, 3, 3)


def model(location: str) -> bytes:
    made = build([node("Conv", "x w", "y", name="conv")], {"x": [1, 3, 8, 8]}, {"w": WEIGHT})
    weight = made.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    return bytes(made.SerializeToString())


def cached(folder: Path, location: str = "model.onnx_data") -> Path:
    """What ``huggingface_hub`` leaves: files named by their content in one folder, and links to them."""
    repository = folder / "models--someone--net"
    snapshot, blobs = repository / "snapshots" / "0123abcd" / "onnx", repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "abc").write_bytes(model(location))
    (blobs / "def").write_bytes(WEIGHT.tobytes())
    (snapshot / "model.onnx").symlink_to("../../../blobs/abc")
    (snapshot / "model.onnx_data").symlink_to("../../../blobs/def")
    return snapshot


def test_a_model_in_a_cache_of_links_is_added_and_run(run: Run, tmp_path: Path) -> None:
    snapshot = cached(tmp_path)
    run("add", snapshot / "model.onnx").fine  # noqa: B018
    stored = [path for path in (tmp_path / "catalog.store" / "models").rglob("*") if not path.is_dir()]
    assert sorted(path.name for path in stored) == ["model.onnx", "model.onnx_data"]
    assert not any(path.is_symlink() for path in stored)
    Image.new("RGB", (8, 8), "teal").save(tmp_path / "photo.png")
    run("maps", "model", "photo.png", "-o", "maps").fine  # noqa: B018
    assert run("doctor").code == 0


def test_a_link_to_a_model_with_its_data_beside_the_link(run: Run, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "net.onnx").write_bytes(model("own.bin"))
    (tmp_path / "own.bin").write_bytes(WEIGHT.tobytes())
    (tmp_path / "net.onnx").symlink_to("kept/net.onnx")
    run("add", "net.onnx").fine  # noqa: B018


def elsewhere(snapshot: Path) -> None:
    """The data lies beside the folder of the cache's content, not in it."""
    data = snapshot / "model.onnx_data"
    secret = snapshot.parents[2] / "secret"
    data.resolve().rename(secret)
    data.unlink()
    data.symlink_to(secret)


def chained(snapshot: Path) -> None:
    """From the folder of the content on, another link leads out."""
    blob = (snapshot / "model.onnx_data").resolve()
    secret = snapshot.parents[2] / "secret"
    blob.rename(secret)
    blob.symlink_to(secret)


def twice(snapshot: Path) -> None:
    blob = (snapshot / "model.onnx_data").resolve()
    (snapshot / "other").hardlink_to(blob)


def pipe(snapshot: Path) -> None:
    blob = (snapshot / "model.onnx_data").resolve()
    blob.unlink()
    os.mkfifo(blob)


def dangling(snapshot: Path) -> None:
    (snapshot / "model.onnx_data").resolve().unlink()


def copied(snapshot: Path) -> None:
    """Where the model itself is no link, only its own folder counts."""
    content = (snapshot / "model.onnx").read_bytes()
    (snapshot / "model.onnx").unlink()
    (snapshot / "model.onnx").write_bytes(content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (elsewhere, "outside the model's folder"),
        (chained, "outside the model's folder"),
        (twice, "not a regular file with a single link"),
        (pipe, "not a regular file with a single link"),
        (dangling, "is missing"),
        (copied, "outside the model's folder"),
    ],
)
def test_other_links_are_refused(
    run: Run, tmp_path: Path, change: Callable[[Path], None], words: str
) -> None:
    snapshot = cached(tmp_path)
    change(snapshot)
    error, _ = run("add", snapshot / "model.onnx").refusal()
    assert words in error
    assert not (tmp_path / "catalog.db").exists()


@pytest.mark.parametrize("location", ["../onnx/model.onnx_data", "{blobs}/def", "../../../blobs/def"])
def test_places_that_are_written_out_are_refused_in_a_cache_too(
    run: Run, tmp_path: Path, location: str
) -> None:
    blobs = tmp_path / "models--someone--net" / "blobs"
    snapshot = cached(tmp_path, location.format(blobs=blobs))
    error, _ = run("add", snapshot / "model.onnx").refusal()
    assert "outside the model's folder" in error
