"""Bank files compared with the safetensors library, for every kind of bank."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save
from tiny_models import write_model

from filterkit.catalog.bank_files import BankFile, write_banks
from filterkit.errors import CatalogError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.loading.load import open_graph
from filterkit.records import FilterBank


@pytest.fixture
def bank(tmp_path: Path) -> FilterBank:
    found = next(iter(ConvolutionExtractor().extract(open_graph(write_model(tmp_path / "m.onnx")))))
    assert isinstance(found, FilterBank)
    return found


def test_every_kind_of_bank_comes_back_as_it_was(bank: FilterBank, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "double": random.normal(size=(2, 2, 3)),
        "half": random.normal(size=(3, 1, 5)).astype(np.float16),
        "a.b-c_ü": random.normal(size=(2, 3, 3, 3)).astype(np.float32),
        "turned": random.normal(size=(3, 3, 4, 2)).astype(np.float32).transpose(3, 2, 0, 1),
        "deep": np.array([np.nan, np.inf, -0.0, 1e-45], np.float32).reshape(1, 1, 1, 2, 2),
    }
    biases = {name: array.reshape(len(array), -1)[:, 0] for name, array in arrays.items() if name != "deep"}
    banks = {name: replace(bank, weights=array, bias=biases.get(name)) for name, array in arrays.items()}
    path = tmp_path / "banks.safetensors"
    sha256 = write_banks(path, banks)
    file, oracle = BankFile(path), load_file(path)
    for name, array in arrays.items():
        found = file.weights(name)
        assert isinstance(found, np.memmap)
        assert found.dtype == array.dtype
        assert found.tobytes() == np.ascontiguousarray(array).tobytes() == oracle[name].tobytes()
        with pytest.raises(ValueError, match="read-only"):
            found[...] = 0
    for name, bias in biases.items():
        np.testing.assert_array_equal(file.bias(name), bias)
    assert file.bias("deep") is None
    everything = {**arrays, **{f"{name}/bias": bias for name, bias in biases.items()}}
    theirs = save({name: np.ascontiguousarray(array) for name, array in everything.items()})
    assert path.read_bytes() == theirs
    assert sha256 == hashlib.sha256(theirs).hexdigest()


def test_equal_banks_make_equal_files(bank: FilterBank, tmp_path: Path) -> None:
    write_banks(tmp_path / "a", {"x": bank, "y": bank})
    write_banks(tmp_path / "b", {"y": bank, "x": bank})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_who_may_read_it_is_up_to_the_user(bank: FilterBank, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_banks(tmp_path / "banks", {"x": bank})
    assert (tmp_path / "banks").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_cut_anywhere_is_damaged(bank: FilterBank, tmp_path: Path) -> None:
    path = tmp_path / "banks.safetensors"
    write_banks(path, {"x": bank})
    whole = path.read_bytes()
    for size in range(0, len(whole), 13):
        path.write_bytes(whole[:size])
        with pytest.raises(CatalogError, match="corrupted"):
            BankFile(path)


BROKEN = [b"[]", b"{}", b'{"x":1}', b'{"x":{"data_offsets":[0]}}', b"\xff{", b"null"]


@pytest.mark.parametrize("header", BROKEN)
def test_a_table_of_contents_that_is_none(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "banks.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 16)
    with pytest.raises(CatalogError, match="corrupted"):
        BankFile(path)


def test_a_file_that_is_open_twice_is_mapped_once(bank: FilterBank, tmp_path: Path) -> None:
    path = tmp_path / "banks.safetensors"
    write_banks(path, {"first": bank})
    one, other = BankFile(path), BankFile(path)
    assert np.shares_memory(one.weights("first"), other.weights("first"))
    replaced = tmp_path / "new.safetensors"
    write_banks(replaced, {"first": replace(bank, weights=-bank.weights)})
    replaced.replace(path)
    later = BankFile(path)
    assert np.array_equal(later.weights("first"), -bank.weights)
    assert np.array_equal(one.weights("first"), bank.weights)  # still that of the file that it opened
