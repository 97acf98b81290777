"""Compare models by their responses: NumPy on feature maps gives the same; permutations are found."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from compared_networks import LAYERS, WIDTHS, Weights, add, mean_responses, permuted, weights
from observed import write_pictures
from onnx import numpy_helper

import filterkit
from filterkit.errors import CatalogError, NotFoundError, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


@pytest.fixture
def nets(bench: filterkit.Workbench, photos: Path) -> filterkit.Workbench:
    """``base``, and ``tuned``, in which two filters of the last layer but one are others; both observed."""
    base = weights()
    tuned = dict(base)
    tuned["conv1.weight"] = base["conv1.weight"].copy()
    tuned["conv1.weight"][[2, 7]] = weights(seed=50)["conv1.weight"][[2, 7]]
    for name, of in (("base", base), ("tuned", tuned)):
        add(bench, name, of)
        bench.observe(name, [photos])
    return bench


def cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    k, m = x @ x.T, y @ y.T
    return float((k * m).sum() / np.linalg.norm(k) / np.linalg.norm(m))


def test_rows_equal_numpy_on_feature_maps(nets: filterkit.Workbench, photos: Path) -> None:
    pictures = sorted(photos.rglob("*.png"))
    layers = nets.diff("base", "tuned", by="response")
    assert layers.columns == (
        *("address_a", "address_b", "filters", "cka", "correlation", "correlation_min", "undefined", "moved"),
        *("not_finite", "pictures", "observation_a", "observation_b", "reason", "model_b"),
    )
    filters = nets.diff("base", "tuned", by="response", level="filter")
    assert filters.columns == (
        *("address_a", "address_b", "correlation", "response_mean_a", "response_mean_b", "moved", "pictures"),
        *("observation_a", "observation_b", "reason", "model_b"),
    )
    assert len(filters) == sum(WIDTHS[1:])
    for row, name in zip(layers, LAYERS, strict=True):
        x, y = (mean_responses(nets, f"{model}/{name}", pictures) for model in ("base", "tuned"))
        assert row["cka"] == pytest.approx(cka(x, y), abs=1e-5)
        own = [each for each in filters if each["address_a"].startswith(f"base/{name}/")]
        assert [each["address_b"] for each in own] == [f"tuned/{name}/{n}" for n in range(len(own))]
        np.testing.assert_allclose([each["response_mean_a"] for each in own], x.mean(0), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose([each["response_mean_b"] for each in own], y.mean(0), rtol=1e-5, atol=1e-7)
        known = [each["correlation"] for each in own if each["correlation"] is not None]
        for number, each in enumerate(own):
            if x[:, number].std() < 1e-6 or y[:, number].std() < 1e-6:
                assert each["correlation"] is None
            else:
                expected = np.corrcoef(x[:, number], y[:, number])[0, 1]
                assert each["correlation"] == pytest.approx(expected, abs=1e-4)
        assert row["undefined"] == len(own) - len(known)
        assert row["correlation"] == pytest.approx(np.mean(known))
        assert row["correlation_min"] == min(known)
        assert (row["pictures"], row["observation_a"], row["observation_b"]) == (12, "photos", "photos")
    assert (layers[0]["cka"], layers[0]["correlation"]) == (1, 1)
    assert repr(layers.pairs[1]).startswith("<LayerPair base/conv1 and tuned/conv1: correlations ")
    lowest = nets.diff("base", "tuned", by="response", level="filter", sort="correlation", limit=40)
    of_conv1 = [row["address_a"] for row in lowest if "/conv1/" in row["address_a"] and row["correlation"]]
    assert set(of_conv1[:2]) == {"base/conv1/2", "base/conv1/7"}
    assert json.dumps([dict(row) for row in filters], allow_nan=False)


def test_a_permutation_is_found(nets: filterkit.Workbench, photos: Path) -> None:
    turned, partners = permuted(weights())
    add(nets, "turned", turned)
    nets.observe("turned", [photos])
    rows = nets.diff("base", "turned", by="response", match="assignment")
    assert len(rows) == 3
    for row in rows:
        assert row["cka"] == pytest.approx(1, abs=1e-6)
        assert row["correlation_min"] == pytest.approx(1, abs=1e-4)
    filters = nets.diff("base", "turned", by="response", match="assignment", level="filter")
    expected = [f"turned/conv{layer}/{n}" for layer, order in enumerate(partners) for n in order]
    varying = [number for number, row in enumerate(filters) if row["correlation"] is not None]
    assert len(varying) > 20
    assert [filters[n]["address_b"] for n in varying] == [expected[n] for n in varying]
    assert [filters[n]["moved"] for n in varying] == [
        filters[n]["address_a"].rpartition("/")[2] != expected[n].rpartition("/")[2] for n in varying
    ]
    assert sum(row["moved"] for row in filters) == sum(row["moved"] for row in rows)
    by_name = nets.diff("base", "turned", by="response")
    assert [row["cka"] for row in by_name] == pytest.approx([row["cka"] for row in rows])
    assert {row["moved"] for row in by_name} == {None}


def test_layers_of_other_sizes(nets: filterkit.Workbench, photos: Path) -> None:
    """CKA compares them; correlations need equally many filters, or an assignment."""
    wide: Weights = weights((3, 8, 20, 10), seed=7)
    add(nets, "wide", wide)
    nets.observe("wide", [photos])
    rows = nets.diff("base", "wide", by="response")
    assert [row["reason"] for row in rows] == [None] * 3
    assert all(0 < row["cka"] < 1 for row in rows)
    assert (rows[1]["correlation"], rows[1]["undefined"]) == (None, 12)
    filters = nets.diff("base/conv1", "wide/conv1", by="response", level="filter")
    assert {row["address_b"] for row in filters} == {row["correlation"] for row in filters} == {None}
    assigned = nets.diff("base/conv1", "wide/conv1", by="response", level="filter", match="assignment")
    assert len({row["address_b"] for row in assigned}) == 12
    back = nets.diff("wide/conv1", "base/conv1", by="response", level="filter", match="assignment")
    assert sum(row["address_b"] is None for row in back) == 8
    assert {(row["address_a"], row["address_b"]) for row in assigned} == {
        (row["address_b"], row["address_a"]) for row in back if row["address_b"]
    }
    sheet = nets.sheet(assigned)  # filters of different shapes beside each other
    assert sheet.count == 2 * sum(row["correlation"] is not None for row in assigned)
    assert nets.sheet(nets.diff("base", "wide", by="response", level="filter", match="assignment")).group == 2


def test_pictures_in_another_order_and_under_other_names(nets: filterkit.Workbench, photos: Path) -> None:
    before = nets.diff("base", "tuned", by="response")
    nets.remove("tuned", observation="photos")
    nets.observe("tuned", sorted(photos.rglob("*.png"), reverse=True), name="again")
    after = nets.diff("base", "tuned", by="response")
    hashes = nets.observations()["pictures_sha256"]
    assert hashes[0] != hashes[1]
    assert set(after["observation_b"]) == {"again"}
    for name in ("cka", "correlation", "correlation_min"):
        assert after[name] == pytest.approx(before[name], abs=1e-9)


def test_the_observations_that_are_compared(nets: filterkit.Workbench, photos: Path) -> None:
    def compared(**options: str) -> tuple[str, str]:
        [row] = nets.diff("base/conv0", "tuned/conv0", by="response", **options)  # type: ignore[arg-type]
        return row["observation_a"], row["observation_b"]

    nets.observe("tuned", [photos / "class0"], name="half")
    assert compared() == ("photos", "photos")  # the newest of tuned has other pictures
    nets.observe("tuned", [photos], name="pre", at="pre")
    assert compared() == ("photos", "photos")
    assert compared(observation_b="pre") == ("photos", "pre")
    nets.observe("base", [photos / "class0"], name="first")
    assert compared() == ("first", "half")
    assert compared(observation="photos") == ("photos", "photos")
    with pytest.raises(NotFoundError, match="differ: 6 and 12, of which 6 are in both") as raised:
        compared(observation_b="photos")
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("filterkit observe tuned IMAGES... --name NAME")
    nets.observe("base", [photos], name="raw", at="pre")
    nets.remove("tuned", observation="pre")
    with pytest.raises(NotFoundError, match="made with --at pre, 'photos' of tuned with --at post"):
        compared()
    own = nets.diff("base/conv0", "base/conv0", by="response", observation="photos", observation_b="raw")
    assert own[0]["cka"] is not None


def test_what_cannot_be_compared(nets: filterkit.Workbench, photos: Path) -> None:
    add(nets, "new", weights(seed=9))
    with pytest.raises(NotFoundError, match="new has not been observed") as raised:
        nets.diff("base", "new", by="response")
    assert raised.value.hint == "filterkit observe new IMAGES..."
    with pytest.raises(NotFoundError, match="new has not been observed"):
        nets.diff("new", "base", by="response")
    rows = nets.diff("base", "new", "tuned", by="response")
    assert [row["reason"] for row in rows] == ["new has no observation of this layer"] * 3 + [None] * 3
    nets.observe("new/conv1", [photos])
    rows = nets.diff("base", "new", by="response", level="filter")
    assert [bool(row["reason"]) for row in rows] == [True, *[False] * 12, True]
    nets.observe("new", [photos / "class1"], name="part")
    with pytest.raises(NotFoundError, match="base has no observation 'phtos'") as raised:
        nets.diff("base", "new", by="response", observation="phtos")
    assert raised.value.hint == "did you mean 'photos'?"
    with pytest.raises(NotFoundError, match="new has no observation 'x'"):
        nets.diff("base", "new", by="response", observation_b="x")
    nets.observe("base", [photos / "class0" / "p0.png"], name="one")
    with pytest.raises(UsageError, match="has only one picture"):
        nets.diff("base", "tuned", by="response")
    assert nets.diff("base", "tuned", by="response", observation="photos")


def test_options_without_effect(nets: filterkit.Workbench) -> None:
    with pytest.raises(UsageError, match="by cannot be 'responses'"):
        nets.diff("base", "tuned", by="responses")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="tolerance has no effect"):
        nets.diff("base", "tuned", by="response", tolerance=0.1)
    for name in ("observation", "observation_b"):
        with pytest.raises(UsageError, match=f"{name} has no effect"):
            nets.diff("base", "tuned", **{name: "photos"})  # type: ignore[arg-type]
    with pytest.raises(UsageError) as raised:
        nets.diff("base", "tuned", by="response", where="l1_norm > 2")
    hint = raised.value.hint or ""
    if '"' in hint:
        nets.diff("base", "tuned", by="response", where=hint[hint.index('"') + 1 : hint.rindex('"')])
    assert [row["address_a"] for row in nets.diff("base", "tuned", by="response", where="cka < 1")]


def test_dead_filters(bench: filterkit.Workbench, photos: Path) -> None:
    """Constant responses, also where pictures have several sizes: no correlation, and none of rounding."""
    base = weights()
    base["conv0.weight"][3] = 0
    base["conv0.bias"][3] = 0.1
    base["conv0.bias"][5] = -100
    for name in ("one", "other"):
        add(bench, name, base)
        bench.observe(name, [photos], name="post")
        bench.observe(name, [photos], name="pre", at="pre")
    for observation, dead in (("post", {3, 5}), ("pre", {3})):
        rows = bench.diff("one/conv0", "other/conv0", by="response", level="filter", observation=observation)
        assert {n for n, row in enumerate(rows) if row["correlation"] is None} == dead
    [row] = bench.diff("one/conv0", "other/conv0", by="response", match="assignment", observation="post")
    assert (row["undefined"], row["moved"], row["cka"], row["correlation"]) == (2, 0, 1, 1)
    sheet = bench.sheet(bench.diff("one/conv0", "other/conv0", by="response", level="filter"))
    assert sheet.count == 2 * 7


@pytest.mark.parametrize("damage", ["short", "missing", "link", "pictures", "hash"])
def test_damaged_observations_are_refused(nets: filterkit.Workbench, tmp_path: Path, damage: str) -> None:
    if damage == "link" and os.name == "nt":
        pytest.skip("needs links")
    folder = nets.query("SELECT folder FROM observation ORDER BY id LIMIT 1")["folder"][0]
    path = tmp_path / "catalog.store" / "observations" / folder / "1.f32"
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-4])
    elif damage == "missing":
        path.unlink()
    elif damage == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        nets.close()
        with sqlite3.connect(tmp_path / "catalog.db") as connection:
            if damage == "pictures":  # more than there are
                connection.execute("UPDATE observation SET pictures = 1 << 40")
            else:
                connection.execute("UPDATE image SET sha256 = 'x' WHERE observation_id = 2")
                connection.execute(f"UPDATE observation SET pictures_sha256 = '{'0' * 64}' WHERE id = 2")
        connection.close()
    with pytest.raises(CatalogError):
        nets.diff("base", "tuned", by="response")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE observation SET pictures = -1",
        "UPDATE observation SET pictures = 'x'",
        "UPDATE observation SET pictures_sha256 = '../x'",
        "UPDATE observation SET folder = '../../x'",
        "UPDATE observation SET options = '{}'",
        "UPDATE observation SET options = 'x'",
    ],
)
def test_damaged_rows_are_refused(nets: filterkit.Workbench, tmp_path: Path, change: str) -> None:
    nets.close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(CatalogError, match="corrupted"):
        nets.diff("base", "tuned", by="response")
    with pytest.raises(CatalogError, match="corrupted"):
        nets.similar("base/conv1/4", by="response")


@pytest.mark.zoo
@pytest.mark.slow
def test_vgg16_and_copies_of_it(
    zoo_model: Callable[[str], Path], tmp_path: Path, bench: filterkit.Workbench
) -> None:
    """A copy with permuted filters is the same network; one with three other filters differs after them."""
    photos = write_pictures(tmp_path / "photos", 24)
    model = onnx.load(zoo_model("vgg16"))
    onnx.save(model, tmp_path / "vgg16.onnx")
    banks = {each.name: each for each in model.graph.initializer}
    convolutions = [each for each in model.graph.node if each.op_type == "Conv"]
    original = {name: numpy_helper.to_array(each).copy() for name, each in banks.items()}
    generator = np.random.default_rng(0)

    def write(name: str, changed: dict[str, np.ndarray]) -> None:
        for each, values in (original | changed).items():
            banks[each].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), each))
        onnx.save(model, tmp_path / f"{name}.onnx")

    order, partners = np.arange(3), []
    turned: dict[str, np.ndarray] = {}
    for each in convolutions:
        _, weight, bias = each.input
        inside, order = order, generator.permutation(len(original[weight]))
        turned |= {weight: original[weight][:, inside][order], bias: original[bias][order]}
        partners.append(np.argsort(order))
    write("turned", turned)
    weight = convolutions[7].input[1]
    some = original[weight].copy()
    some[[5, 50, 500]] = generator.permuted(some[[5, 50, 500]].reshape(3, -1), axis=1).reshape(3, 256, 3, 3)
    write("tuned", {weight: some})
    for name in ("vgg16", "turned", "tuned"):
        bench.add(tmp_path / f"{name}.onnx", name=name, preprocessing="caffe")
        bench.observe(name, [photos], size="64")
    rows = bench.diff("vgg16", "turned", by="response", match="assignment")
    assert [row["cka"] for row in rows] == pytest.approx([1] * 13, abs=1e-6)
    filters = bench.diff("vgg16", "turned", by="response", match="assignment", level="filter")
    found = np.array([int(row["address_b"].rpartition("/")[2]) for row in filters])
    alive = np.array([row["correlation"] is not None for row in filters])
    assert alive.mean() > 0.9
    assert (found == np.concatenate(partners))[alive].all()
    rows = bench.diff("vgg16", "tuned", by="response")
    assert [row["cka"] == 1 for row in rows] == [True] * 7 + [False] * 6
    lowest = bench.diff(
        "vgg16/block4_conv1", "tuned", by="response", level="filter", where="correlation < 0.9"
    )
    assert {row["address_a"] for row in lowest} <= {f"vgg16/block4_conv1/{n}" for n in (5, 50, 500)}
    assert lowest
