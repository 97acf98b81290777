"""``filterkit add``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import Run, files_below, write_network
from onnx_graphs import build, node

import filterkit


def test_a_file_becomes_a_model_named_after_it(run: Run, tmp_path: Path) -> None:
    ran = run("add", write_network(tmp_path / "my_model.onnx"), "--format", "json")
    [row] = ran.rows
    assert (row["model"], row["layers"], row["filters"], row["kernels"]) == ("my_model", 1, 2, 6)
    assert "added my_model" in ran.stderr
    assert "--preprocessing" in ran.stderr, "no preprocessing is known"
    assert (tmp_path / "catalog.db").is_file()


def test_adding_again_changes_nothing_and_says_so(run: Run, classic: Path) -> None:
    before = run("models", "--format", "json").rows
    store = files_below(classic.with_suffix(".store"))
    ran = run("add", "classic")
    assert ran.exit_code == 0
    assert "nothing changed" in ran.stderr
    assert run("models", "--format", "json").rows == before
    assert files_below(classic.with_suffix(".store")) == store


def test_other_content_needs_replace(run: Run, tmp_path: Path) -> None:
    run("add", write_network(tmp_path / "m.onnx", 1.0))
    before = files_below(tmp_path / "catalog.store")
    write_network(tmp_path / "m.onnx", 2.0)
    code, error, hint = run("add", tmp_path / "m.onnx").failure
    assert code == 1
    assert "'m'" in error or "m " in error
    assert "--replace" in hint
    assert files_below(tmp_path / "catalog.store") == before

    ran = run("add", tmp_path / "m.onnx", "--replace")
    assert ran.exit_code == 0
    assert "replaced m" in ran.stderr
    with filterkit.open("catalog.db") as bench:
        assert bench.bank("m/only").max() == 2
    after = files_below(tmp_path / "catalog.store")
    assert len(after) == len(before)
    assert not after & before, "what the old content needed is gone from the store"


def test_one_content_under_two_names_is_stored_once(run: Run, classic: Path) -> None:
    store = classic.with_suffix(".store")
    before = files_below(store)
    assert run("add", "classic", "--name", "again").exit_code == 0
    assert files_below(store) == before
    assert run("remove", "again").exit_code == 0
    assert files_below(store) == before
    assert run("show", "classic/emboss").exit_code == 0


@pytest.mark.zoo
def test_a_known_network_by_either_name(run: Run, zoo_model: object) -> None:
    assert run("add", "zoo:mnist-cnn").exit_code == 0
    again = run("add", "mnist-cnn")
    assert "nothing changed" in again.stderr
    [row] = run("models", "--format", "json").rows
    assert (row["model"], row["source"], row["layers"], row["filters"]) == ("mnist-cnn", "zoo", 2, 24)


@pytest.mark.parametrize(
    ("ref", "code", "close"),
    [
        ("vgg61", 2, "vgg16"),
        ("zoo:vgg61", 2, "vgg16"),
        ("clasic", 2, "classic"),
        ("kears:VGG16", 2, "keras"),
        ("missing.onnx", 1, ""),
        ("wheel:nothing", 2, ""),
        ("classic:x", 2, ""),
        ("", 2, ""),
    ],
)
def test_refs_that_lead_nowhere(run: Run, tmp_path: Path, ref: str, code: int, close: str) -> None:
    found, error, hint = run("add", ref).failure
    assert found == code, (error, hint)
    assert hint
    assert close in hint
    assert list(tmp_path.iterdir()) == [], "a failed add leaves nothing"


def test_broken_files(run: Run, tmp_path: Path) -> None:
    good = write_network(tmp_path / "good.onnx").read_bytes()
    (tmp_path / "good.onnx").unlink()
    broken = {"empty": b"", "garbage": b"\xff\x00not protobuf" * 50, "short": good[: len(good) // 2]}
    for name, content in broken.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        code, error, _ = run("add", path).failure
        assert code == 1
        assert f"{name}.onnx" in error
    onnx.save(build([node("Relu", "x", "y")], {"x": [1, 3, 8, 8]}), tmp_path / "plain.onnx")
    code, error, _ = run("add", tmp_path / "plain.onnx").failure
    assert code == 1
    assert "convolution" in error
    assert run("models", "--format", "json").exit_code in (0, 1)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("name", ["a/b", "*", "with space", "-x", "a" * 300])
def test_names_that_no_address_could_hold(run: Run, name: str) -> None:
    code, _, hint = run("add", "classic", f"--name={name}").failure
    assert code == 2
    assert hint


def test_preprocessing_is_stated(run: Run, tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.onnx")
    ran = run("add", path, "--preprocessing", "caffe:size=8/8")
    assert ran.exit_code == 0
    assert "assumed" not in ran.stderr
    run("maps", "m", write_gray(tmp_path / "p.png"), "-o", "maps.npy", "--at", "pre")
    maps = np.load("maps.npy")
    assert maps.shape == (1, 2, 6, 6)
    np.testing.assert_allclose(maps, 9 * (3 * 128 - (103.939 + 116.779 + 123.68)), rtol=1e-5)
    code, _, hint = run("add", path, "--preprocessing", "caffee").failure
    assert code == 2
    assert "'caffe'" in hint


def write_gray(path: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (20, 20), (128, 128, 128)).save(path)
    return path


def test_an_unknown_extractor_lists_the_closest(run: Run) -> None:
    code, _, hint = run("add", "classic", "--extractor", "convolutions").failure
    assert code == 2
    assert "'convolution'" in hint


def test_a_read_only_catalog_is_kept(run: Run, classic: Path) -> None:
    before = hashlib.sha256(classic.read_bytes()).hexdigest()
    example = classic.with_name("notes.db")
    example.write_text("my notes")
    code, error, _ = run("add", "classic", "--catalog", example).failure
    assert code == 1
    assert "notes.db" in error
    assert example.read_text() == "my notes"
    assert hashlib.sha256(classic.read_bytes()).hexdigest() == before


def test_offline_add_says_what_works_without(spawn: Run, tmp_path: Path) -> None:
    offline = {
        "FILTERKIT_CACHE": str(tmp_path / "empty"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": "/dev/null",
    }
    code, error, hint = spawn("add", "vgg16", **offline).failure
    assert code == 1
    assert "cannot download" in error
    assert "filterkit add classic" in hint
    assert not (tmp_path / "catalog.db").exists() or spawn("models", "--format", "json").rows == []
