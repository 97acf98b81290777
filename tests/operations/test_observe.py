"""Observing: rows equal brute force over feature maps, and can be continued, extended and removed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from observed import contents, picture, write_pictures
from onnx_graphs import build, node, random
from small_network import write_network

import filterkit
from filterkit.errors import FilterkitError, ImageError, NotFoundError, RuntimeFailure, UsageError


@pytest.fixture
def net(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    bench.add(write_network(tmp_path / "net.onnx"))
    return bench


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


def test_rows_equal_brute_force_over_the_maps(net: filterkit.Workbench, photos: Path) -> None:
    found = net.observe("net", [photos], top=3, size="original", batch=4)
    assert (found.name, found.status, found.pictures, found.layers, found.filters) == (
        *("photos", "observed", 12, 2, 6),
    )
    results = list(net.iter_feature_maps("net", [photos], size="original"))
    for layer, count in (("conv1", 4), ("conv2", 2)):
        every = [result.maps[layer].reshape(count, -1).astype(np.float64) for result in results]
        whole = np.concatenate(every, axis=1)
        rows = net.query(
            f"SELECT response.* FROM response JOIN layer ON layer.id = layer_id WHERE layer.name = '{layer}' "
            "ORDER BY position"
        )
        scale = np.sqrt((whole**2).mean())
        assert np.abs(np.array(rows["mean"]) - whole.mean(1)).max() / scale < 1e-6
        assert np.abs(np.array(rows["std"]) - whole.std(1)).max() / scale < 1e-5
        assert rows["max"] == whole.max(1).tolist()
        assert rows["min"] == whole.min(1).tolist()
        assert np.abs(np.array(rows["active_share"]) - (whole > 0).mean(1)).max() < 1e-6
        assert rows["fires_share"] == np.mean([(each > 0).any(1) for each in every], axis=0).tolist()
        maxima = np.stack([each.max(1) for each in every])
        assert np.allclose(rows["p50"], np.quantile(maxima, 0.5, axis=0, method="inverted_cdf"), rtol=0.016)
        for number in range(count):
            for lowest in (False, True):
                got = net.exemplars(f"net/{layer}/{number}", lowest=lowest)
                ends = [each[number].min() if lowest else each[number].max() for each in every]
                order = sorted(range(12), key=lambda each: (ends[each] if lowest else -ends[each], each))[:3]
                assert got["value"] == [ends[each] for each in order]
                assert got["image"] == [results[each].image for each in order]
                for row, each in zip(got, order, strict=True):
                    flat = every[each][number]
                    place = int(flat.argmin() if lowest else flat.argmax())
                    assert [row["y"], row["x"]] == list(divmod(place, results[each].maps[layer].shape[2]))


def test_classes_are_folders(net: filterkit.Workbench, photos: Path) -> None:
    net.observe("net", [photos])
    results = list(net.iter_feature_maps("net/conv1", [photos]))
    means = np.stack([result.maps["conv1"].mean((1, 2)) for result in results])
    of_class = np.array([Path(result.image).parent.name == "class1" for result in results])
    each = np.stack([means[~of_class].mean(0), means[of_class].mean(0)])
    rows = net.filters("net/conv1", columns="top_class,top_class_share")
    assert rows["top_class"] == [f"class{number}" for number in each.argmax(0)]
    assert np.allclose(rows["top_class_share"], each.max(0) / each.sum(0), rtol=1e-5)
    assert net.query("SELECT DISTINCT label FROM image")["label"] == ["class0", "class1"]


def test_classes_may_join(net: filterkit.Workbench, photos: Path) -> None:
    """A single folder is no class, but becomes one when others join it."""
    net.observe("net", [photos / "class0"], name="all")
    assert net.query("SELECT DISTINCT label FROM image")["label"] == [None]
    found = net.observe("net", [photos], name="all")
    assert (found.status, found.added) == ("continued", 6)
    assert net.query("SELECT label, count(*) AS n FROM image GROUP BY 1")["n"] == [6, 6]
    classes = net.filters("net", observation="all", columns="top_class,top_class_share")
    assert {*classes["top_class"]} >= {"class0", "class1"}
    net.observe("net", [photos], name="fresh")
    fresh = net.filters("net", observation="fresh", columns="top_class,top_class_share")
    assert classes["top_class"] == fresh["top_class"]
    joined, whole = (np.array(each["top_class_share"], float) for each in (classes, fresh))
    assert np.allclose(joined, whole, equal_nan=True)


def test_other_labels(net: filterkit.Workbench, photos: Path) -> None:
    """Labels that are given later count, and those of a request without labels remain."""
    net.observe("net", [photos])
    (photos / "class0").rename(photos / "zero")
    found = net.observe("net", [photos])
    assert (found.status, found.added) == ("continued", 0)
    assert {*net.filters("net/conv1", columns="top_class")["top_class"]} <= {"zero", "class1", None}
    again = net.observe("net", [*photos.glob("*/*.png")], name="photos")
    assert again.status == "unchanged"
    assert net.query("SELECT DISTINCT label FROM image ORDER BY 1")["label"] == ["class1", "zero"]


def test_the_same_again_changes_nothing(net: filterkit.Workbench, photos: Path) -> None:
    net.observe("net", [photos])
    before = list(net.query("SELECT * FROM observation")), contents(net)
    again = net.observe("net", [photos])
    assert (again.status, again.added, again.provider) == ("unchanged", 0, None)
    assert (list(net.query("SELECT * FROM observation")), contents(net)) == before


def test_pictures_and_layers_join(net: filterkit.Workbench, tmp_path: Path) -> None:
    """In whatever order they join, the result is that of observing all at once."""
    photos = write_pictures(tmp_path / "photos", 6, classes=1)
    net.observe("net/conv2", [photos], name="all")
    write_pictures(tmp_path / "more", 5, classes=1, start=6)
    joined = net.observe("net/conv1", [photos, tmp_path / "more"], name="all")
    assert (joined.status, joined.pictures, joined.added, joined.layers) == ("continued", 11, 5, 2)
    first = contents(net)
    net.remove("net", observation="all")
    assert not contents(net)["exemplar"]
    net.observe("net", [photos, tmp_path / "more"], name="all")
    assert contents(net) == first


def test_other_options_or_pictures_are_refused(net: filterkit.Workbench, photos: Path) -> None:
    net.observe("net", [photos], top=4)
    for options, text in (({"top": 5}, "top 4, not 5"), ({"top": 4, "at": "pre"}, "at post, not pre")):
        with pytest.raises(UsageError, match=text):
            net.observe("net", [photos], **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="6 of its 12 are not among those given"):
        net.observe("net", [photos / "class0"], name="photos", top=4)
    picture(99).save(photos / "class1" / "p1.png")
    with pytest.raises(UsageError, match=r"p1\.png changed since it was observed"):
        net.observe("net", [photos], top=4)
    assert net.observe("net", [photos], name="other").status == "observed"


def test_copies(net: filterkit.Workbench, tmp_path: Path) -> None:
    """Byte-equal copies do not count; those that look the same count, but are one exemplar."""
    photos = write_pictures(tmp_path / "photos", 4, classes=1)
    shutil.copy(photos / "class0" / "p0.png", photos / "class0" / "p0-copy.png")
    picture(1).save(photos / "class0" / "p1-copy.bmp")
    found = net.observe("net", [photos])
    assert (found.pictures, found.copies) == (5, 1)
    assert [len(net.exemplars(f"net/conv1/{number}")) for number in range(4)] == [4] * 4
    net.observe("net", [photos], name="kept", duplicates="keep")
    assert len(net.exemplars("net/conv1/0", observation="kept")) == 5
    assert len(net.exemplars("net/conv1/0", observation="photos")) == 4


def test_pictures_that_cannot_be_used(net: filterkit.Workbench, photos: Path) -> None:
    (photos / "class0" / "bad.png").write_text("no picture")
    errors: list[FilterkitError] = []
    found = net.observe("net", [photos], unreadable=errors.append)
    assert (found.pictures, found.left_out) == (12, 1)
    assert ["bad.png" in error.message for error in errors] == [True]
    assert net.observe("net", [photos]).status == "unchanged"
    shutil.rmtree(photos)
    photos.mkdir()
    with pytest.raises(ImageError, match="contains no pictures"):
        net.observe("net", [photos], name="none")
    (photos / "bad.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"none of the 1 pictures can be used: \S+bad\.png is not a picture"):
        net.observe("net", [photos], name="none")
    assert net.observations()["observation"] == ["photos"]


def test_responses_that_are_not_finite(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """The logarithm of a black pixel is infinite."""
    nodes = [node("Log", "x", "l"), node("Conv", "l w", "y", name="conv")]
    onnx.save(build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(2, 3, 3, 3)}), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    white, black = np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8, 3), np.uint8)
    errors: list[FilterkitError] = []
    found = bench.observe("net", [white, black], unreadable=errors.append)
    assert (found.pictures, found.left_out) == (1, 1)
    assert errors[0].message == "picture 1 causes responses that are NaN or infinite in layer 'conv'"


class _Stop(Exception):
    pass


@pytest.fixture(params=[0, 1, 5, 11])
def interrupted(
    request: pytest.FixtureRequest, tmp_path: Path, photos: Path
) -> Iterator[filterkit.Workbench]:
    """A catalog in which an observation ended early."""

    def progress(what: str, done: int, total: int | None) -> None:
        if what == "observing pictures" and done > request.param:
            raise _Stop

    with filterkit.open(tmp_path / "other.db", progress=progress) as bench:
        bench.add(write_network(tmp_path / "net.onnx"))
        with pytest.raises(_Stop):
            bench.observe("net", [photos], batch=1)
    with filterkit.open(tmp_path / "other.db") as bench:
        yield bench


def test_an_interrupted_observation_continues(
    interrupted: filterkit.Workbench, net: filterkit.Workbench, photos: Path
) -> None:
    [row] = interrupted.observations()
    assert row["finished"] is None
    with pytest.raises(NotFoundError, match=r"has not been observed|is not finished"):
        interrupted.exemplars("net/conv1/0", observation="photos")
    done = len(interrupted.query("SELECT 1 FROM image"))
    assert done > 0
    found = interrupted.observe("net", [photos], batch=1)
    assert (found.status, found.added) == ("continued", 12 - done)
    net.observe("net", [photos], batch=1)
    assert contents(interrupted) == contents(net)


def test_models_that_cannot_be_observed(bench: filterkit.Workbench, photos: Path, tmp_path: Path) -> None:
    bench.add("classic")
    bench.add(write_network(tmp_path / "net.onnx"))
    with pytest.raises(UsageError, match="several models"):
        bench.observe("*", [photos])
    with pytest.raises(UsageError, match="not single kernels"):
        bench.observe("net/conv1/0/0", [photos])
    for name in ("", "a/b", "x" * 101):
        with pytest.raises(UsageError, match="cannot be named"):
            bench.observe("net", [photos], name=name)
    for options in ({"top": 0}, {"top": 1001}, {"batch": 0}, {"duplicates": "no"}, {"at": "middle"}):
        with pytest.raises(UsageError):
            bench.observe("net", [photos], **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no pictures"):
        bench.observe("net", [])


def test_filters_that_share_maps(bench: filterkit.Workbench, tmp_path: Path, photos: Path) -> None:
    """CReLU: two maps per filter after the activation, one before."""
    nodes = [
        node("Conv", "x w", "a", name="conv"),
        node("Relu", "a", "p"),
        node("Neg", "a", "n"),
        node("Relu", "n", "q"),
        node("Concat", "p q", "y", axis=1),
    ]
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, {"w": random(2, 3, 3, 3)}), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    if bench.feature_maps("net", picture(0)).maps["conv"].shape[0] == 4:
        with pytest.raises(RuntimeFailure, match="4 maps after its activation, but 2 filters"):
            bench.observe("net", [photos])
    assert bench.observe("net", [photos], at="pre").filters == 2


def test_removing(net: filterkit.Workbench, photos: Path, tmp_path: Path) -> None:
    net.observe("net", [photos], name="a")
    net.observe("net", [photos], name="b")
    folders = tmp_path / "catalog.store" / "observations"
    assert len(list(folders.iterdir())) == 2
    with pytest.raises(NotFoundError, match="no observation 'c'"):
        net.remove("net", observation="c")
    net.remove("net", observation="a")
    assert net.observations()["observation"] == ["b"]
    assert len(list(folders.iterdir())) == 1
    assert len(net.models()) == 1
    net.remove("net")
    assert not any(contents(net).values())
    assert not folders.exists()


def test_the_doctor_reads_the_files(net: filterkit.Workbench, photos: Path, tmp_path: Path) -> None:
    net.observe("net", [photos])
    assert net.examine()["faults"] == []
    [state, *_] = sorted((tmp_path / "catalog.store" / "observations").glob("*/*.safetensors"))
    state.write_bytes(state.read_bytes()[:-1])
    [fault] = net.examine()["faults"]
    assert str(state) in fault["what"]
    assert fault["do"].startswith("filterkit remove net --observation photos")
    write_pictures(photos, 2, start=20)
    with pytest.raises(FilterkitError, match="missing or corrupted"):
        net.observe("net", [photos])


def test_rows_are_small(vgg16_catalog: Path, tmp_path: Path, photos: Path) -> None:
    """At most 300 bytes a filter, and 60 an exemplar."""
    shutil.copy(vgg16_catalog, tmp_path / "catalog.db")
    shutil.copytree(vgg16_catalog.with_suffix(".store"), tmp_path / "catalog.store")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        found = bench.observe("vgg16", [photos], size=64)
    assert found.filters == 4224
    connection = sqlite3.connect(tmp_path / "catalog.db")
    try:
        sizes = dict(connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no dbstat")
    exemplars = connection.execute("SELECT count(*) FROM exemplar").fetchone()[0]
    assert sizes["response"] / 4224 <= 300
    assert sizes["exemplar"] / exemplars <= 60


def test_networks_that_take_no_pictures(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """A 1-D network over frames of sound, one array per row of a file."""
    nodes = [node("Conv", "x w", "a", name="conv", pads=[2, 2]), node("Relu", "a", "y")]
    onnx.save(build(nodes, {"x": [1, 2, "T"]}, {"w": random(3, 2, 5)}), tmp_path / "sound.onnx")
    bench.add(tmp_path / "sound.onnx")
    frames = random(7, 2, 50, seed=3)
    np.savez(tmp_path / "frames.npz", x=frames)
    found = bench.observe("sound", [f"npz:{tmp_path / 'frames.npz'}"], top=3)
    assert (found.name, found.pictures) == ("frames", 7)
    maps = np.concatenate(
        [bench.feature_maps("sound", inputs={"x": frames[n : n + 1]}).maps["conv"][None] for n in range(7)]
    ).reshape(7, 3, 50)
    for number in range(3):
        rows = bench.exemplars(f"sound/conv/{number}")
        order = np.argsort(-maps[:, number].max(1), kind="stable")[:3]
        assert rows["value"] == maps[order, number].max(1).tolist()
        assert rows["x"] == maps[order, number].argmax(1).tolist()
        assert rows["y"] == rows["box"] == rows["at_border"] == [None] * 3
    with pytest.raises(UsageError, match="takes no pictures"):
        bench.sheet(rows)
    with pytest.raises(ImageError, match=r"sound takes no pictures: its input is 1 × 2 × T"):
        bench.observe("sound", [picture(0)], name="p")


@pytest.mark.parametrize("preprocessing", [None, "caffe", "torch"])
def test_replacing_a_model(
    bench: filterkit.Workbench, tmp_path: Path, photos: Path, preprocessing: str | None
) -> None:
    """By itself, to restore its files, keeps what was observed; with other weights or pixels it does not."""
    network = write_network(tmp_path / "net.onnx")
    bench.add(network, preprocessing=preprocessing)
    bench.add(network, name="other")
    bench.observe("net", [photos])
    bench.observe("other/conv2", [photos], name="x")
    rows = list(bench.exemplars("net")), list(bench.filters("net")), list(bench.exemplars("other/conv2"))
    assert bench.add(network, preprocessing=preprocessing, replace=True).removed_observations == ()
    assert (list(bench.exemplars("net")), list(bench.filters("net"))) == rows[:2]
    assert bench.observe("net", [photos]).status == "unchanged"
    assert bench.examine()["faults"] == []
    added = bench.add(network, preprocessing="tf:layout=NCHW", replace=True)
    assert added.removed_observations == ("photos",)
    assert bench.observations()["model"] == ["other"]
    assert list(bench.exemplars("other/conv2")) == rows[2]
    assert bench.models()["model"] == ["other", "net"]
