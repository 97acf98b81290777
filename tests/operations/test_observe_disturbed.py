"""Pictures change, other processes observe and remove, and runs end, while a network is observed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from observed import contents, picture, write_pictures
from onnx_graphs import build, node, random
from small_network import write_network

import filterkit
from filterkit.errors import CatalogError, FilterkitError, ImageError, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos", 12, classes=1)


@pytest.fixture
def net(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    bench.add(write_network(tmp_path / "net.onnx"))
    return bench


def disturbed(location: Path, what: str, at: int, disturb: Callable[[], object]) -> filterkit.Workbench:
    """A workbench that calls `disturb` when its progress is as given."""

    def progress(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == (what, at):
            disturb()

    return filterkit.open(location, progress=progress)


class _Stop(Exception):
    pass


def stop() -> None:
    raise _Stop


def test_an_extended_observation_whose_rows_were_not_written(
    net: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    """All of its pictures were observed, but the process ended before it wrote the rows."""
    net.observe("net", [photos], name="all")
    more = write_pictures(tmp_path / "more", 5, classes=1, start=12)
    with disturbed(tmp_path / "catalog.db", "observing pictures", 5, stop) as bench, pytest.raises(_Stop):
        bench.observe("net", [photos, more], name="all")
    assert net.query("SELECT count(*) AS n FROM image")["n"] == [17]
    found = net.observe("net", [photos, more], name="all")
    assert (found.status, found.pictures, found.added) == ("continued", 17, 0)
    continued = contents(net)
    net.remove("net", observation="all")
    net.observe("net", [photos, more], name="all")
    assert contents(net) == continued
    assert net.observe("net", [photos, more], name="all").status == "unchanged"


def test_a_picture_that_changes_after_it_was_hashed(
    net: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    changing = photos / "class0" / "p3.png"

    def change() -> None:
        picture(99).save(changing)

    errors: list[FilterkitError] = []
    with disturbed(tmp_path / "catalog.db", "hashing pictures", 11, change) as bench:
        found = bench.observe("net/conv1", [photos], unreadable=errors.append)
    assert (found.pictures, found.left_out) == (11, 1)
    assert [error.message for error in errors] == [f"{changing} changed while it was observed"]
    found = net.observe("net/conv1", [photos])
    assert (found.status, found.pictures, found.added) == ("continued", 12, 1)
    assert str(changing.absolute()) in net.query("SELECT path FROM image WHERE position = 11")["path"]


def test_an_observed_picture_that_changes_while_layers_join(
    net: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    changing = photos / "class0" / "p3.png"
    original = changing.read_bytes()
    net.observe("net/conv1", [photos])
    before = contents(net)

    def change() -> None:
        picture(99).save(changing)

    with (
        disturbed(tmp_path / "catalog.db", "hashing pictures", 11, change) as bench,
        pytest.raises(ImageError, match=r"p3\.png changed while it was observed"),
    ):
        bench.observe("net", [photos])
    with pytest.raises(UsageError, match=r"p3\.png changed since it was observed"):
        net.observe("net", [photos])
    assert contents(net) == before
    changing.write_bytes(original)
    assert net.observe("net", [photos]).layers == 2
    assert net.examine()["faults"] == []


@pytest.mark.parametrize("at", [("hashing pictures", 5), ("observing pictures", 1)])
def test_another_process_observes_the_same(
    net: filterkit.Workbench, photos: Path, tmp_path: Path, at: tuple[str, int]
) -> None:
    """The one that is later loses nothing of the other's."""

    def observe() -> None:
        net.observe("net", [photos], batch=1)

    with (
        disturbed(tmp_path / "catalog.db", *at, observe) as bench,
        pytest.raises(CatalogError, match="another process") as caught,
    ):
        bench.observe("net", [photos], batch=1)
    assert caught.value.hint == "wait for it to end, then run the same command"
    assert net.observations()["pictures"] == [12]
    assert net.observe("net", [photos]).status == "unchanged"
    assert net.examine()["faults"] == []


def test_another_process_adds_pictures_while_these_are_hashed(
    net: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    net.observe("net", [photos], name="all")
    more = write_pictures(tmp_path / "more", 5, classes=1, start=12)

    def observe() -> None:
        net.observe("net", [photos, more], name="all")

    with (
        disturbed(tmp_path / "catalog.db", "hashing pictures", 3, observe) as bench,
        pytest.raises(CatalogError, match="another process"),
    ):
        bench.observe("net", [photos, more], name="all")
    assert net.observe("net", [photos, more], name="all").status == "unchanged"


def test_it_is_removed_meanwhile(net: filterkit.Workbench, photos: Path, tmp_path: Path) -> None:

    def remove() -> None:
        net.remove("net", observation="photos")

    with (
        disturbed(tmp_path / "catalog.db", "observing pictures", 8, remove) as bench,
        pytest.raises(CatalogError, match="removed in the meantime"),
    ):
        bench.observe("net", [photos], batch=1)
    assert len(net.observations()) == 0
    assert not (tmp_path / "catalog.store" / "observations").exists()
    assert net.observe("net", [photos]).status == "observed"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("batch", [1, 5])
def test_responses_that_are_not_finite(bench: filterkit.Workbench, tmp_path: Path, batch: int) -> None:
    """NaN and both infinities, in one of several layers: left out, named, and without warnings of NumPy."""
    nodes = [
        node("Conv", "x w", "a", name="first"),
        node("Log", "a", "l"),
        node("Conv", "l v", "y", name="second"),
    ]
    constants = {"w": np.eye(3, dtype=np.float32)[..., None, None], "v": random(2, 3, 1, 1)}
    onnx.save(build(nodes, {"x": ["N", 3, 4, 4]}, constants, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    good = [np.full((4, 4, 3), 40 + n, np.uint8) for n in range(4)]
    black = np.zeros((4, 4, 3), np.uint8)  # the logarithm of 0 is infinite
    errors: list[FilterkitError] = []
    found = bench.observe(
        "net", [good[0], black, *good[1:]], name="all", batch=batch, unreadable=errors.append
    )
    assert (found.pictures, found.left_out) == (4, 1)
    assert "picture 1 causes responses that are NaN or infinite in layer 'second'" in errors[0].message
    bench.observe("net", good, name="good", batch=batch)
    columns = "layer_id, position, mean, std, max, min, active_share, fires_share, p50"
    both = [
        list(bench.query(f"SELECT {columns} FROM response WHERE observation_id = {number}"))
        for number in (1, 2)
    ]
    assert both[0] == both[1]
    bench.observe("net/first", [good[0], black], name="joined")
    with pytest.raises(ImageError, match="picture 1 causes responses that are NaN"):
        bench.observe("net", [good[0], black], name="joined")
    assert len(bench.exemplars("net/first/0", observation="joined")) == 2
