"""Weights and biases as they are read from the store, and what is said where they are missing or damaged."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_models import bank_of, put, state, stored_weights

from filterkit.address import parse_address
from filterkit.catalog import Catalog, filters, weights
from filterkit.catalog.addresses import resolve
from filterkit.errors import CatalogError


def test_rows_and_banks_hold_what_the_file_holds(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    stored = stored_weights(tiny)
    _, rows = filters.filters(catalog, parse_address("tiny/conv1"))
    for row, kernel, bias in zip(rows, stored["conv1.weight"], stored["conv1.bias"], strict=True):
        assert row["bias"] == float(bias)
        assert row["l2_norm"] == pytest.approx(np.linalg.norm(kernel.astype(np.float64)))
    bank = bank_of(catalog, "tiny/conv1")
    np.testing.assert_array_equal(bank, stored["conv1.weight"])
    assert not bank.flags.writeable
    [match] = resolve(catalog, parse_address("tiny/conv2"))
    assert weights.bias(catalog, match) is None
    assert weights.model_file(catalog, match.model).read_bytes() == tiny.read_bytes()


def test_the_banks_are_a_safetensors_file(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    [path] = (catalog.store.folder / "banks").iterdir()
    assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    found, stored = load_file(path), stored_weights(tiny)
    assert set(found) == {"conv1", "conv1/bias", "conv2"}
    np.testing.assert_array_equal(found["conv2"], stored["conv2.weight"])
    np.testing.assert_array_equal(found["conv1/bias"], stored["conv1.bias"])


def test_weights_that_are_missing_come_back(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    before = state(catalog)
    [match] = resolve(catalog, parse_address("tiny/conv1"))
    catalog.store.banks_path(match.model["banks_sha256"]).unlink()
    with pytest.raises(CatalogError, match="not in the store") as caught:
        weights.bank(catalog, match)
    assert f"filterkit add {tiny}" in str(caught.value.hint)
    assert put(catalog, tiny).status == "restored"
    assert state(catalog) == before


def test_a_damaged_bank_is_said_and_mended(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    [path] = (catalog.store.folder / "banks").iterdir()
    for content in (b"", b"\xff" * 100, path.read_bytes()[:-8]):
        path.write_bytes(content)
        with Catalog.open(catalog.path) as fresh, pytest.raises(CatalogError, match="corrupted"):
            bank_of(fresh, "tiny/conv1")
    put(catalog, tiny, replace=True)
    np.testing.assert_array_equal(bank_of(catalog, "tiny/conv1"), stored_weights(tiny)["conv1.weight"])
