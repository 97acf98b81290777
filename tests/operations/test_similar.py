"""Search the catalog for similar kernels and filters, and for duplicates."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random
from PIL import Image

import filterkit
from filterkit.errors import CatalogError, FilterkitError, NotFoundError, UsageError
from filterkit.workbench import Workbench

Array = np.ndarray[Any, Any]

SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def write_model(path: Path, **banks: Array) -> Path:
    """One convolution per bank, side by side; a bank named ``NAME_bias`` is the bias of NAME."""
    inputs: dict[str, list[Any]] = {}
    nodes = []
    for name, bank in banks.items():
        if name.endswith("_bias"):
            continue
        inputs[f"to_{name}"] = ["N", bank.shape[1], *[24] * (bank.ndim - 2)]
        bias = f" {name}_bias" if f"{name}_bias" in banks else ""
        nodes.append(node("Conv", f"to_{name} {name}{bias}", f"{name}_out", name=name))
    onnx.save(build(nodes, inputs, banks, [one.output[0] for one in nodes]), path)
    return path


def make(folder: Path, models: Mapping[str, Mapping[str, Array]]) -> Path:
    catalog = folder / "catalog.db"
    with filterkit.open(catalog) as bench:
        for name, banks in models.items():
            bench.add(write_model(folder / f"{name}.onnx", **banks), name=name)
    return catalog


FIRST, SECOND = random(6, 3, 3, 3), random(5, 6, 3, 3, seed=1)
FIRST[4] = 2 * FIRST[1]
SECOND[2, 5] = -np.rot90(FIRST[0, 0])
DEPTHWISE, LINE, CUBE = random(4, 1, 3, 3, seed=2), random(3, 2, 5, seed=3), random(3, 2, 2, 3, 3, seed=4)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(
        tmp_path_factory.mktemp("finding"),
        {
            "net": {"first": FIRST, "second": SECOND},
            "other": {"depth": DEPTHWISE, "line": LINE, "cube": CUBE, "again": FIRST[:, ::-1] * 4},
        },
    )


@pytest.fixture
def bench(catalog: Path) -> Iterator[Workbench]:
    with filterkit.open(catalog) as opened:
        yield opened


def test_kernels_of_all_layers_and_models_take_part(bench: Workbench) -> None:
    rows = bench.similar("net/first/0/0", limit=1000)
    kernels = {f"net/first/{f}/{k}": FIRST[f, k] for f in range(6) for k in range(3)}
    kernels |= {f"net/second/{f}/{k}": SECOND[f, k] for f in range(5) for k in range(6)}
    kernels |= {f"other/depth/{f}/0": DEPTHWISE[f, 0] for f in range(4)}
    kernels |= {f"other/again/{f}/{k}": FIRST[f, 2 - k] for f in range(6) for k in range(3)}
    query = kernels.pop("net/first/0/0").astype(float)
    assert {row["address"] for row in rows} == kernels.keys()
    for row in rows:
        kernel = kernels[row["address"]].astype(float)
        cosine = (kernel * query).sum() / np.linalg.norm(kernel) / np.linalg.norm(query)
        assert row["similarity"] == pytest.approx(cosine, abs=1e-11)
    assert [row["similarity"] for row in rows] == sorted((row["similarity"] for row in rows), reverse=True)
    assert rows[0] == {
        "address": "other/again/0/2",
        "similarity": 1.0,
        "transform": "identity",
        "model": "other",
        "layer": "again",
        "filter": 0,
        "kernel": 2,
    }
    assert list(rows[0].keys() - set(rows.columns)) == []


def test_what_brings_the_found_one_onto_the_query(bench: Workbench) -> None:
    [turned, copy] = bench.similar("net/first/0/0", invariant=("scale", "sign", "rotate"), limit=2)
    assert (copy["address"], copy["transform"]) == ("other/again/0/2", "identity")
    assert (turned["address"], turned["transform"], turned["similarity"]) == ("net/second/2/5", "-@270", 1.0)
    np.testing.assert_allclose(-np.rot90(SECOND[2, 5], 3), FIRST[0, 0])
    [plain] = bench.similar("net/first/0/0", invariant=(), limit=1)
    assert plain["similarity"] < 1  # four times as strong is not the same


def test_filters_are_compared_with_filters_of_the_same_shape(bench: Workbench) -> None:
    rows = bench.similar("net/first/1", limit=100)
    assert {row["address"] for row in rows} == {f"net/first/{n}" for n in (0, 2, 3, 4, 5)} | {
        f"other/again/{n}" for n in range(6)
    }
    assert (rows[0]["address"], rows[0]["similarity"], rows[0]["kernel"]) == ("net/first/4", 1.0, None)


def test_where_to_look(bench: Workbench) -> None:
    def addresses(among: str, query: str = "net/first/0/0") -> set[str]:
        return {row["address"] for row in bench.similar(query, among, limit=100)}

    assert addresses("net/second/::2/1,4") == {f"net/second/{f}/{k}" for f in (0, 2, 4) for k in (1, 4)}
    assert addresses("*/first/1:3/0") == {"net/first/1/0", "net/first/2/0"}
    assert addresses("net/first/-1,0", "net/first/0") == {"net/first/5"}


@pytest.mark.parametrize(
    ("array", "level", "best"),
    [
        (FIRST[3, 1], None, "net/first/3/1"),
        (FIRST[3, 1].tolist(), None, "net/first/3/1"),
        (str(FIRST[3, 1].tolist()), None, "net/first/3/1"),
        (FIRST[3:4, 1:2], "kernel", "net/first/3/1"),
        (FIRST[3], None, "net/first/3"),
        (FIRST[3:4], None, "net/first/3"),
        (DEPTHWISE[2], None, "other/depth/2"),
        (DEPTHWISE[2:3], "kernel", "other/depth/2/0"),
        (LINE[1, 1], None, "other/line/1/1"),
        (LINE[1], "filter", "other/line/1"),
        (LINE[1:2], None, "other/line/1"),
        (CUBE[2, 0], "kernel", "other/cube/2/0"),
        (CUBE[2], None, "other/cube/2"),
    ],
)
def test_numbers_as_the_query(bench: Workbench, tmp_path: Path, array: Any, level: Any, best: str) -> None:
    assert bench.similar(array, level=level, limit=1)[0]["address"] == best
    if isinstance(array, np.ndarray):
        np.save(tmp_path / "query.npy", array)
        assert bench.similar(tmp_path / "query.npy", level=level, limit=1)[0]["address"] == best
        [row] = bench.similar(str(tmp_path / "query.npy"), level=level, limit=1, invariant=())
        assert (row["address"], row["similarity"]) == (best, 1.0)


def test_what_export_writes_is_a_query(bench: Workbench, tmp_path: Path) -> None:
    bench.export("net/second/3", tmp_path / "filter.npy")
    assert bench.similar(tmp_path / "filter.npy", limit=1)[0]["address"] == "net/second/3"


def test_lines_and_cubes_turn_as_far_as_they_can(bench: Workbench) -> None:
    everything = ("scale", "sign", "flip", "rotate")
    [row] = bench.similar(-3 * LINE[0, 1, ::-1], invariant=everything, limit=1)
    assert (row["address"], row["similarity"], row["transform"]) == ("other/line/0/1", 1.0, "-@180")
    [row] = bench.similar(np.rot90(CUBE[1, 1], axes=(1, 2)), level="kernel", invariant=everything, limit=1)
    assert (row["address"], row["similarity"], row["transform"]) == ("other/cube/1/1", 1.0, "@90")


@pytest.mark.parametrize(
    ("query", "options", "kind", "words"),
    [
        ("net/first/0:2/0", {}, UsageError, "the query is a single one"),
        ("net/*/0", {}, UsageError, "names 2"),
        ("net/first/0", {"level": "kernel"}, UsageError, "names 3 kernels"),
        ("net/first/0/0", {"level": "filter"}, UsageError, "part of a filter"),
        ("net/first/0/9", {}, NotFoundError, "9 is out of range"),
        ("nett/first/0/0", {}, NotFoundError, "no model 'nett'"),
        ("net/first/0/0", {"level": "kernels"}, UsageError, "no level 'kernels'"),
        ("net/first/0/0", {"invariant": ("scale", "rotation")}, UsageError, "'rotation'"),
        ("net/first/0/0", {"limit": 0}, UsageError, "limit must be at least 1"),
        ("net/first/0/0", {"among": "none"}, NotFoundError, "no model 'none'"),
        ("net/first/0", {"among": "net/first/*/0"}, UsageError, "compared with filters"),
        (
            "net/first/0/0",
            {"among": "other/line"},
            NotFoundError,
            "no kernel in the searched layers has the size 3×3",
        ),
        ("[[1,2],[3]]", {}, UsageError, "not an array of numbers"),
        ("[[1,2],[3,4]]", {}, NotFoundError, "no kernel in the searched layers has the size 2×2"),
        ("[[1,NaN],[3,4]]", {}, UsageError, "NaN or infinity"),
        ("[1e999]", {}, UsageError, "NaN or infinity"),
        ("[[0,0],[0,0]]", {}, UsageError, "all zeros"),
        ("[]", {}, UsageError, "not an array of numbers"),
        ("[[true]]", {}, UsageError, "not an array of numbers"),
        ('["a"]', {}, UsageError, "not an array of numbers"),
        (f"[{10**400}]", {}, UsageError, "not an array of numbers"),
        ("[" * 100_000, {}, UsageError, "cannot parse"),
        ("[[1,2", {}, UsageError, "cannot parse"),
        (np.ones((3, 3), complex), {}, UsageError, "not an array of numbers"),
        (np.ones((2, 2, 2)), {}, NotFoundError, "no filter in the searched layers has the size 2×2×2"),
        ("missing.npy", {}, NotFoundError, "no file missing.npy"),
    ],
)
def test_wrong_queries(
    bench: Workbench, query: Any, options: Any, kind: type[FilterkitError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        bench.similar(query, **options)
    assert words in caught.value.message
    assert len(caught.value.message) < 200


def test_the_sizes_that_exist_are_listed_for_an_unknown_one(bench: Workbench) -> None:
    with pytest.raises(NotFoundError) as caught:
        bench.similar(np.ones((4, 4)))
    assert caught.value.hint == "sizes there: 5, 3×3, 2×3×3"


def bad_files(folder: Path) -> Iterator[Path]:
    names = ("empty", "pickle", "records", "archive", "short", "huge", "lies", "text")
    files = {name: folder / f"{name}.npy" for name in names}
    files["empty"].write_bytes(b"")
    np.save(files["pickle"], np.array([{"a": 1}], object), allow_pickle=True)
    np.save(files["records"], np.zeros(3, [("a", "f4")]))
    with files["archive"].open("wb") as file:
        np.savez(file, a=np.ones((3, 3)))
    np.save(files["short"], np.ones((3, 3)))
    files["short"].write_bytes(files["short"].read_bytes()[:-8])
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }"
    for name, shape in (("huge", b"10**30"), ("lies", b"999999999999, 999999999999")):
        text = (header % shape).ljust(117) + b"\n"
        files[name].write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(72))
    files["text"].write_text("[[1, 2], [3, 4]]")
    yield from files.values()


def test_untrusted_files_are_refused_in_one_line(bench: Workbench, tmp_path: Path) -> None:
    for path in bad_files(tmp_path):
        with pytest.raises(UsageError) as caught:
            bench.similar(path)
        assert path.name in caught.value.message
    np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float64, (3000, 3000)).flush()
    with pytest.raises(UsageError, match="9,000,000 values"):
        bench.similar(tmp_path / "large.npy")


def test_weights_that_are_not_finite_are_passed_over_and_counted(tmp_path: Path) -> None:
    bank = random(6, 2, 3, 3)
    bank[1, 0, 0, 0], bank[3, 1, 2, 2], bank[4, 0] = np.nan, np.inf, 0
    bank[5] = bank[0]
    with filterkit.open(make(tmp_path, {"net": {"conv": bank}})) as bench:
        kernels = bench.similar("net/conv/0/0", limit=100)
        assert (len(kernels), kernels.not_finite) == (8, 2)
        filters = bench.similar("net/conv/0", limit=100)
        assert ([row["filter"] for row in filters], filters.not_finite) == ([5, 4, 2], 2)
        copies = bench.duplicates("net")
        assert ([row["filters"] for row in copies], copies.not_finite) == ([[0, 5]], 2)
        for zero, words in (("net/conv/4/0", "all zeros"), ("net/conv/1/0", "NaN or infinity")):
            with pytest.raises(UsageError, match=words):
                bench.similar(zero)


def test_a_model_that_is_removed_while_a_search_runs(tmp_path: Path) -> None:
    catalog = make(tmp_path, {"net": {"first": FIRST}, "other": {"second": SECOND}})
    with filterkit.open(catalog) as bench, filterkit.open(catalog) as other:
        matches = bench._session.matches("*")
        other.remove("other")
        named = bench._session.matches
        # As read before it went.
        bench._session.matches = lambda text, *columns: matches if text == "*" else named(text, *columns)
        for search in (lambda: bench.similar("net/first/0/0"), bench.duplicates):
            with pytest.raises(
                CatalogError, match="other was removed or replaced by another process"
            ) as caught:
                search()
            assert caught.value.hint == "try again"
    with filterkit.open(catalog) as bench:
        assert len(bench.similar("net/first/0/0", limit=100)) == 17


def test_weights_that_are_not_in_the_store(tmp_path: Path) -> None:
    catalog = make(tmp_path, {"net": {"first": FIRST}})
    for path in (tmp_path / "catalog.store" / "banks").glob("*"):
        path.unlink()
    with filterkit.open(catalog) as bench:
        for search in (lambda: bench.similar(SOBEL), bench.duplicates):
            with pytest.raises(CatalogError, match="not in the store"):
                search()


def pixels(data: bytes) -> Array:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("L"))


def test_pictures_show_the_query_first(bench: Workbench) -> None:
    found = bench.similar("net/first/0/0", invariant=("scale", "sign", "flip", "rotate"), limit=3)
    sheet = bench.sheet(found)
    assert (sheet.rows, sheet.columns, sheet.count) == (4, 1, 4)
    assert sheet.row_labels[0] == "net/first/0/0 R"
    assert sheet.row_labels[1] == "net/second/2/5 1.000 -@270"
    assert sheet.row_labels[2] == "other/again/0/2 B 1.000"
    np.testing.assert_allclose(sheet.tiles[0, 0], sheet.tiles[2, 0], atol=1e-6)
    np.testing.assert_allclose(sheet.tiles[1, 0], 1 - np.rot90(sheet.tiles[0, 0]), atol=1e-6)
    assert pixels(bench.render(sheet)).std() > 0

    filters = bench.sheet(bench.similar("net/first/1", limit=2))
    assert (filters.rows, filters.columns) == (3, 3)
    assert filters.row_labels[:2] == ("net/first/1", "net/first/4 1.000")
    assert filters.column_labels == ("R", "G", "B")
    np.testing.assert_allclose(filters.tiles[0], filters.tiles[1], atol=1e-6)
    assert filters.values is not None and sheet.values is not None
    np.testing.assert_array_equal(filters.values[:2], bench.bank("net/first")[[1, 4]])
    assert sheet.values.shape == sheet.tiles.shape
    many = bench.sheet(bench.similar("net/first/1/0", limit=60))
    assert (many.count, len(many.tile_labels)) == (61, 61)


def test_of_filters_with_many_kernels_the_strongest_are_drawn(tmp_path: Path) -> None:
    bank = random(3, 40, 3, 3)
    bank[0, 5:21] *= 100
    with filterkit.open(make(tmp_path, {"net": {"conv": bank}})) as bench:
        sheet = bench.sheet(bench.similar("net/conv/0"))
    assert sheet.column_labels == tuple(f"band {number}" for number in range(5, 21))
    assert "16 of 40 kernels" in sheet.note


def test_duplicates_and_what_they_cost(tmp_path: Path) -> None:
    first, second = random(8, 3, 3, 3), random(6, 8, 3, 3, seed=1)
    bias = np.arange(1, 9, dtype=np.float32)
    first[5], first[6], bias[5], bias[6] = 2 * first[1], 3 * first[1], 2 * bias[1], 3 * bias[1] + 1
    second[4] = -0.5 * second[0]
    catalog = make(tmp_path, {"net": {"first": first, "first_bias": bias, "second": second}})
    with filterkit.open(catalog) as bench:
        [row] = bench.duplicates()
        macs = {row["layer"]: row["macs"] for row in bench.layers("net")}
        assert row["address"] == "net/first/1,5,6"
        assert (row["model"], row["layer"], row["filters"], row["size"]) == ("net", "first", [1, 5, 6], 3)
        assert row["min_cosine"] == 1.0
        assert row["bias_shift"] == pytest.approx(1 / np.linalg.norm(first[6]), rel=1e-5)
        assert row["parameters_saved"] == 2 * (3 * 9 + 1)
        assert row["macs_saved"] == macs["first"] * 2 // 8
        np.testing.assert_array_equal(bench.bank(row["address"]), first[[1, 5, 6]])
        assert [row["address"] for row in bench.duplicates(invariant=["sign"])] == [
            "net/first/1,5,6",
            "net/second/0,4",
        ]
        [_, negative] = bench.duplicates(invariant=("scale", "sign"))
        assert (negative["min_cosine"], negative["bias_shift"]) == (1.0, None)
        assert negative["parameters_saved"] == 8 * 9
        assert [row["filters"] for row in bench.duplicates("net/first/5:")] == [[5, 6]]
        assert bench.duplicates("net/second") == []
        everything = bench.duplicates(threshold=1e-9)
        assert sum(row["size"] for row in everything) > 9


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan"), float("inf")])
def test_thresholds_that_make_no_sense(bench: Workbench, threshold: float) -> None:
    with pytest.raises(UsageError, match="threshold"):
        bench.duplicates(threshold=threshold)


def test_duplicates_are_whole_filters_and_do_not_turn(bench: Workbench) -> None:
    with pytest.raises(UsageError, match="whole filters"):
        bench.duplicates("net/first/*/0")
    with pytest.raises(UsageError, match="'rotate'"):
        bench.duplicates(invariant=["rotate"])


@pytest.mark.zoo
def test_vgg16(vgg16_catalog: Path) -> None:
    with filterkit.open(vgg16_catalog) as bench:
        everything = ("scale", "sign", "flip", "rotate")
        rows = bench.similar(SOBEL, invariant=everything, limit=3)
        assert [(row["address"], row["similarity"], row["transform"]) for row in rows[:2]] == [
            ("classic/edge_sobel_x/0/0", 1.0, "identity"),
            ("classic/edge_sobel_y/0/0", 1.0, "@90"),
        ]
        assert rows[2]["model"] == "vgg16"
        assert rows[2]["similarity"] > 0.995
        assert [row["address"] for row in bench.duplicates("vgg16")] == ["vgg16/block1_conv1/35,60"]

        banks = [(row["address"], bench.bank(row["address"])) for row in bench.layers("vgg16")]
        query = bench.bank("vgg16/block3_conv2/17/33")[0, 0].astype(np.float64).ravel()
        best = []
        for address, bank in banks:
            kernels = bank.reshape(-1, 9).astype(np.float64)
            cosines = np.abs(kernels @ query) / np.linalg.norm(kernels, axis=1) / np.linalg.norm(query)
            top = np.argsort(-cosines)[:12]
            best += [(cosines[n], f"{address}/{n // bank.shape[1]}/{n % bank.shape[1]}") for n in top]
        expected = sorted(best, reverse=True)[1:12]
        rows = bench.similar("vgg16/block3_conv2/17/33", "vgg16", invariant=("scale", "sign"), limit=11)
        assert [row["address"] for row in rows] == [address for _, address in expected]
        np.testing.assert_allclose([row["similarity"] for row in rows], [c for c, _ in expected], atol=1e-11)
