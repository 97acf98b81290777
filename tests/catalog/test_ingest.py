"""From an ONNX file to rows and banks, and back out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tiny_models import put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog, filters, listings, weights
from filterkit.catalog.addresses import resolve
from filterkit.catalog.model_input import preprocessing_from
from filterkit.errors import CatalogError, ModelError, NotFoundError, PluginContractError, UsageError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.view.view import GraphView
from filterkit.ingest.commit import remove, sweep
from filterkit.records import FetchedModel, FilterBank, Preprocessing, Skipped


@pytest.fixture
def catalog(location: Path) -> Iterator[Catalog]:
    with Catalog.open(location, write=True) as catalog:
        yield catalog


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.onnx")


def state(catalog: Catalog) -> tuple[Any, set[str]]:
    """Everything a user could see of a catalog, and every file of its store."""
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        rows = [
            connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("model", "layer", "filter")
        ]
    return rows, {str(path.relative_to(catalog.path.parent)) for path in catalog.store.folder.rglob("*")}


def bank_of(catalog: Catalog, address: str) -> NDArray[np.floating]:
    [match] = resolve(catalog, parse_address(address))
    return weights.bank(catalog, match)


def stored_weights(path: Path) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def test_all_that_is_known_of_a_model(catalog: Catalog, tiny: Path) -> None:
    result = put(catalog, tiny)
    assert (result.status, result.layers, result.filters, result.kernels) == ("added", 2, 9, 32)
    [row] = listings.models(catalog)
    assert tuple(row) == listings.MODEL_COLUMNS
    assert row["parameters"] == 9 * 32 + 4
    assert row["input_shape"] == ["N", 3, 32, 48]
    assert row["sha256"] == hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert row["added_at"].endswith("+00:00")
    first, second = listings.layers(catalog, parse_address("tiny"))
    assert tuple(first) == listings.LAYER_COLUMNS
    assert first == {
        "address": "tiny/conv1", "model": "tiny", "layer": "conv1", "position": 0, "op": "Conv",
        "kernel_shape": [3, 3], "strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1], "groups": 1,
        "in_channels": 3, "out_channels": 4, "filters": 4, "kernels": 12, "parameters": 112,
        "macs": 4 * 3 * 9 * 32 * 48, "receptive_field": 3, "jump": 1, "offset": 1,
        "output_shape": ["N", 4, 32, 48], "activation": "relu", "norm": None, "global_context": 0,
        "dtype": "float32", "node": "conv1",
    }  # fmt: skip
    assert (second["receptive_field"], second["offset"]) == (5, 2)
    assert isinstance(second["receptive_field"], int)


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


def test_the_same_again_changes_nothing(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    before = state(catalog)
    assert put(catalog, tiny).status == "unchanged"
    assert state(catalog) == before


def test_other_content_needs_replace(catalog: Catalog, tiny: Path, tmp_path: Path) -> None:
    put(catalog, tiny)
    before = state(catalog)
    other = write_model(tmp_path / "other.onnx", seed=7)
    with pytest.raises(CatalogError, match="another model named tiny") as caught:
        put(catalog, other)
    assert "--replace" in str(caught.value.hint)
    assert state(catalog) == before
    assert put(catalog, other, replace=True).status == "replaced"
    np.testing.assert_array_equal(bank_of(catalog, "tiny/conv1"), stored_weights(other)["conv1.weight"])
    assert len(list((catalog.store.folder / "models").iterdir())) == 1
    assert put(catalog, tiny, replace=True).status == "replaced"
    rows, files = state(catalog)
    assert files == before[1]
    assert len(rows[2]) == len(before[0][2])


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


def test_a_model_without_convolutions_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "none", [x], [y])
    path = tmp_path / "none.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.raises(ModelError, match="no convolutions"):
        put(catalog, path)
    assert state(catalog) == ([[], [], []], set())


class _Failing:
    """A metric that fails at its second bank, when the first has been measured."""

    columns = ("odd",)

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def measure(self, bank: FilterBank) -> dict[str, NDArray[Any]]:
        self.calls += 1
        if self.calls > 1:
            raise self.error
        return {"odd": np.zeros(bank.out_channels)}


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failure_leaves_everything_as_it_was(
    catalog: Catalog, tiny: Path, tmp_path: Path, error: Any
) -> None:
    put(catalog, tiny)
    before = state(catalog)
    with pytest.raises(type(error)):
        put(catalog, write_model(tmp_path / "b.onnx", seed=3), "b", metrics=[_Failing(error)])
    assert state(catalog) == before


@pytest.mark.parametrize("replace", [False, True])
def test_a_database_that_fails_leaves_everything_as_it_was(
    catalog: Catalog, tiny: Path, tmp_path: Path, replace: bool
) -> None:
    put(catalog, tiny)
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        connection.execute(
            "CREATE TRIGGER fails AFTER INSERT ON filter WHEN NEW.position = 3"
            " BEGIN SELECT RAISE(ABORT, 'disk full, for instance'); END"
        )
    before = state(catalog)
    with pytest.raises(CatalogError):
        put(catalog, write_model(tmp_path / "b.onnx", seed=3), "tiny" if replace else "b", replace=replace)
    assert state(catalog) == before
    np.testing.assert_array_equal(bank_of(catalog, "tiny/conv1"), stored_weights(tiny)["conv1.weight"])


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


@pytest.mark.slow
def test_processes_that_add_at_once_all_succeed(location: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tiny_models import put; from filterkit.catalog import Catalog\n"
        "with Catalog.open(sys.argv[2], write=True) as catalog:\n"
        "    print(put(catalog, Path(sys.argv[3]), sys.argv[4]).status)"
    )
    here = str(Path(__file__).parent)
    models = [str(write_model(tmp_path / f"{seed}.onnx", seed=seed)) for seed in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, here, str(location), models[n % 2], f"m{n % 3}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in (0, 1, 2, 3, 0)
    ]  # fmt: skip
    outcomes = [process.communicate() for process in processes]
    with Catalog.open(location) as catalog:
        names = sorted(row["model"] for row in listings.models(catalog))
        assert names == ["m0", "m1", "m2"]
        for name in names:
            assert bank_of(catalog, f"{name}/conv2").shape == (5, 4, 3, 3)
    # m0 was asked for with two contents: whoever came second was told, in one line.
    for out, error in outcomes:
        assert out.strip() in ("added", "unchanged") or "another model named m0" in error


def test_a_guess_at_the_preprocessing_is_marked(catalog: Catalog, tiny: Path, tmp_path: Path) -> None:
    assert put(catalog, tiny).assumed
    put(catalog, write_model(tmp_path / "gray.onnx", widths=(1, 2)), "gray")
    put(catalog, write_model(tmp_path / "wide.onnx", widths=(7, 2)), "wide")
    said = Preprocessing(channel_order="BGR", size=(32, 48), mean=(1.0, 2.0, 3.0))
    put(catalog, tiny, "said", fetched=FetchedModel(tiny, "there", preprocessing=said))
    known = {
        name: resolve(catalog, parse_address(f"{name}/conv1"))[0] for name in ("tiny", "gray", "wide", "said")
    }
    guess = preprocessing_from(known["tiny"].model["preprocessing"])
    assert guess == Preprocessing("RGB", "NCHW", (32, 48), 1 / 255, assumed=True)
    assert known["gray"].model["preprocessing"]["channel_order"] == "GRAY"
    wide = preprocessing_from(known["wide"].model["preprocessing"])
    assert wide == Preprocessing("BANDS", "NCHW", (32, 48), 1 / 255, assumed=True, bands=7)
    assert preprocessing_from(known["said"].model["preprocessing"]) == said
    assert known["said"].layer["input_channels"] == ["B", "G", "R"]


def test_labels(catalog: Catalog, tiny: Path) -> None:
    labels = {"conv1": ["up", "down", "left", "right"]}
    put(catalog, tiny, fetched=FetchedModel(tiny, "there", filter_labels=labels))
    _, rows = filters.filters(catalog, parse_address("tiny"), where="label like '%t'")
    assert [row["label"] for row in rows] == ["left", "right"]
    matches = resolve(catalog, parse_address("tiny"))
    assert filters.filter_labels(catalog, matches) == [("up", "down", "left", "right"), ()]
    with pytest.raises(PluginContractError, match="label"):
        put(catalog, tiny, "b", fetched=FetchedModel(tiny, "there", filter_labels={"conv1": ["one"]}))


class _First:
    """An extractor of somebody's own, for conv1 only."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        for found in ConvolutionExtractor().extract(graph):
            yield found if found.node == "conv1" else Skipped(found.node, found.op, "not mine")


def test_extractors_complete_each_other(catalog: Catalog, tiny: Path) -> None:
    assert put(catalog, tiny, "part", extractors=[_First()]).skipped == 1
    [row] = listings.skipped_nodes(catalog, parse_address("part"))
    assert row == {"model": "part", "node": "conv2", "op": "Conv", "reason": "not mine"}
    for extractors in ([_First(), ConvolutionExtractor()], [ConvolutionExtractor(), _First()]):
        result = put(catalog, tiny, "whole", extractors=extractors, replace=True)
        assert (result.layers, result.skipped) == (2, 0)
        assert [row["layer"] for row in listings.layers(catalog, parse_address("whole"))] == [
            "conv1",
            "conv2",
        ]


class _Nothing:
    """An extractor that can bring nothing."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        yield from (Skipped(node.name, node.op_type, "too hard") for node in graph.nodes[::2])


def test_a_model_of_which_all_was_skipped_is_there_with_the_reasons(catalog: Catalog, tiny: Path) -> None:
    result = put(catalog, tiny, extractors=[_Nothing()])
    assert (result.layers, result.skipped) == (0, 2)
    assert [row["reason"] for row in listings.skipped_nodes(catalog, parse_address("tiny"))] == [
        "too hard"
    ] * 2
    assert put(catalog, tiny, extractors=[_Nothing()]).status == "unchanged"
    for look in (listings.layers, filters.filters):
        with pytest.raises(NotFoundError) as caught:
            look(catalog, parse_address("tiny"))
        assert "--skipped" in str(caught.value.hint)
    assert list(filters.filters(catalog, parse_address("*"))[1]) == []


@pytest.mark.parametrize("name", ["", "a/b", "*", "-x", "a b", "x" * 101, "..", "é"])
def test_names_that_no_address_could_hold_are_refused(catalog: Catalog, tiny: Path, name: str) -> None:
    with pytest.raises(UsageError, match="named"):
        put(catalog, tiny, name)


@pytest.mark.zoo
def test_vgg16(catalog: Catalog, zoo_model: Callable[[str], Path]) -> None:
    result = put(catalog, zoo_model("vgg16"), "vgg16")
    assert (result.layers, result.filters, result.kernels) == (13, 4224, 1634496)
    assert result.parameters == 14714688
    known = [
        [0.42947057, 0.373467, -0.06136011],
        [0.27476987, 0.03868078, -0.36722335],
        [-0.05746817, -0.26224968, -0.35009676],
    ]
    np.testing.assert_allclose(bank_of(catalog, "vgg16/block1_conv1")[0, 0], known, rtol=1e-6)
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        connection.execute("VACUUM")
    assert catalog.path.stat().st_size / 4224 <= 250


def test_json_in_the_catalog_is_written_in_one_way(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        [(text,)] = connection.execute("SELECT DISTINCT kernel_shape FROM layer").fetchall()
    assert text == "[3,3]" == json.dumps([3, 3], separators=(",", ":"))
