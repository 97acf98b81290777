"""What the store holds of a model, what is removed from it with the model, and what is swept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_models import bank_of, put, state, stored_weights, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog, listings, weights
from filterkit.catalog.addresses import resolve
from filterkit.errors import CatalogError, NotFoundError
from filterkit.ingest.commit import remove, sweep


def test_external_data_comes_along(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    path = write_model(folder / "big.onnx", external=True)
    put(catalog, path, "big")
    [match] = resolve(catalog, parse_address("big/conv1"))
    copy = weights.model_file(catalog, match.model)
    np.testing.assert_array_equal(stored_weights(copy)["conv1.weight"], bank_of(catalog, "big/conv1"))
    for file in folder.iterdir():
        file.unlink()
    assert onnx.load(copy).graph.initializer[0].raw_data


@pytest.mark.parametrize("name", ["model.onnx", "./model.onnx"])
def test_external_data_never_takes_the_models_place(catalog: Catalog, tmp_path: Path, name: str) -> None:
    path = write_model(tmp_path / "net.onnx", external=True)
    (tmp_path / "weights.bin").rename(tmp_path / "model.onnx")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        [place] = [entry for entry in tensor.external_data if entry.key == "location"]
        place.value = name
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CatalogError, match=r"external data named model\.onnx"):
        put(catalog, path)
    assert not list(catalog.store.folder.rglob("*.onnx"))


def test_removing_frees_what_no_other_model_needs(catalog: Catalog, tiny: Path, tmp_path: Path) -> None:
    put(catalog, tiny)
    put(catalog, tiny, "twin")
    put(catalog, write_model(tmp_path / "other.onnx", seed=7), "other")
    assert remove(catalog, "tiny") == 0
    np.testing.assert_array_equal(bank_of(catalog, "twin/conv1"), stored_weights(tiny)["conv1.weight"])
    assert remove(catalog, "twin") > tiny.stat().st_size
    assert [row["model"] for row in listings.models(catalog)] == ["other"]
    with pytest.raises(NotFoundError) as caught:
        remove(catalog, "othr")
    assert caught.value.hint == "did you mean 'other'?"
    remove(catalog, "other")
    rows, files = state(catalog)
    assert (rows, files) == ([[], [], []], set())
    assert not catalog.store.folder.exists()


def test_a_store_that_cannot_be_written_is_said(catalog: Catalog, tiny: Path) -> None:
    catalog.store.folder.write_text("in the way")
    with pytest.raises(CatalogError, match="cannot be written"):
        put(catalog, tiny)
    assert listings.models(catalog) == []


def test_leftovers_of_a_killed_process_are_swept(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    before = state(catalog)
    for left in ("staging/banks", f"banks/{'0' * 64}.safetensors", f"models/{'1' * 64}/model.onnx"):
        path = catalog.store.folder / left
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    assert sweep(catalog) == 12
    assert state(catalog) == before
