"""Compare a model with several others, and select, sort and draw the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import random

import filterkit
from filterkit.errors import NotFoundError, UsageError
from filterkit.workbench import Workbench

STEM, BODY = random(6, 3, 3, 3), random(5, 6, 3, 3, seed=1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """``one``; ``near`` with noise; ``far``, of which a filter is negated and which lacks a layer."""
    far = STEM.copy()
    far[4] *= -1
    models = {
        "one": {"stem": STEM, "body": BODY},
        "near": {"stem": STEM + 0.1 * random(6, 3, 3, 3, seed=2), "body": BODY + 0.1},
        "far": {"stem": far, "tail": BODY},
    }
    with filterkit.open(tmp_path / "catalog.db") as opened:
        for name, banks in models.items():
            np.savez(tmp_path / f"{name}.npz", **banks)
            opened.add(f"weights:{tmp_path / name}.npz")
        yield opened


def test_every_further_model_is_compared_with_the_first(bench: Workbench) -> None:
    for level in ("layer", "filter"):
        both = bench.diff("one", "near", "far", level=level)  # type: ignore[arg-type]
        near, far = (bench.diff("one", other, level=level) for other in ("near", "far"))  # type: ignore[arg-type]
        assert both == [*near, *far]
        assert {row["model_b"] for row in near} == {"near"}
        assert both.columns == near.columns
    assert [(row["address_a"], row["address_b"], row["model_b"]) for row in bench.diff("one", "far")] == [
        ("one/stem", "far/stem", "far"),
        ("one/body", None, "far"),
        (None, "far/tail", "far"),
    ]
    by_position = bench.diff("one/stem", "far/stem", "near/stem", match="assignment")
    assert [row["moved"] for row in by_position] == [0, 0]


def test_rows_are_selected_as_in_filters(bench: Workbench) -> None:
    rows = bench.diff("one", "near", "far", level="filter")
    finite = [row for row in rows if row["cosine"] is not None]
    for order, key in (
        ("cosine", lambda row: row["cosine"]),
        ("-max_abs,address_b", lambda row: (-row["max_abs"], row["address_b"])),
        (["model_b", "-cosine"], lambda row: (row["model_b"], -row["cosine"])),
    ):
        found = bench.diff("one", "near", "far", level="filter", where="cosine is not null", sort=order)
        assert found == sorted(finite, key=key)
    assert (
        bench.diff("one", "near", "far", level="filter", sort="cosine", limit=3)
        == sorted(finite, key=lambda row: row["cosine"])[:3]
    )
    assert bench.diff("one", "near", "far", level="filter", sort="-cosine")[-2:] == [
        row for row in rows if row["cosine"] is None
    ]
    chosen = bench.diff(
        "one", "near", "far", level="filter", where="changed = 1 and address_a like '%/stem/%'"
    )
    assert chosen == [row for row in rows if row["changed"] and "/stem/" in row["address_a"]]
    assert chosen[0]["changed"] is True
    assert bench.diff("one", "far", where="reason like '%no layer%' and model_b in ('far')") == [
        row for row in bench.diff("one", "far") if row["reason"]
    ]
    assert bench.diff("one", "near", limit=0) == []
    assert len(bench.diff("one", "near", limit=1)) == 1


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"where": "cosin < 1"}, "there is no column 'cosin'", "'cosine'"),
        ({"where": "cosine < 'a'"}, "cannot compare a number with a text", ""),
        ({"sort": "-cosin"}, "there is no column 'cosin'", "'cosine'"),
        ({"sort": "cosine_min", "level": "filter"}, "there is no column 'cosine_min'", "'cosine'"),
        ({"limit": -1}, "limit must be 0 or more, not -1", "omit"),
    ],
)
def test_wrong_use_is_refused_before_the_comparison(
    bench: Workbench, options: dict[str, Any], message: str, hint: str
) -> None:
    reported = []
    watched = filterkit.open(bench.location, progress=lambda *words: reported.append(words))
    with watched, pytest.raises(UsageError) as caught:
        watched.diff("one", "near", **options)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)
    assert not reported


def test_a_model_without_a_common_layer_is_named(bench: Workbench) -> None:
    bench.add("classic")
    with pytest.raises(NotFoundError, match="one and classic have no layer in common"):
        bench.diff("one", "classic")
    rows = bench.diff("one", "near", "classic")
    assert set(rows["model_b"]) == {"near", "classic"}
    assert rows[:1]["reason"] == [None] and all(row["reason"] for row in rows if row["model_b"] == "classic")
    with pytest.raises(UsageError, match="'\\*' names several models") as caught:
        bench.diff("one", "near", "*")
    assert "diff A B C" in str(caught.value.hint)


def test_the_picture_shows_the_rows(bench: Workbench) -> None:
    rows = bench.diff("one", "near", "far", level="filter")
    sheet = bench.sheet(rows)
    assert sheet.title == "one (left) and near or far (right), least similar first"
    left, right = sheet.addresses[::2], sheet.addresses[1::2]
    assert (left[0].rpartition("/")[0], right[0].rpartition("/")[0]) == ("one/stem/4", "far/stem/4")
    assert [address.partition("/")[2] for address in left] == [address.partition("/")[2] for address in right]
    cosines = {(row["address_a"], row["address_b"]): row["cosine"] for row in rows}
    drawn = [cosines[a.rpartition("/")[0], b.rpartition("/")[0]] for a, b in zip(left, right, strict=True)]
    assert drawn == sorted(drawn)
    assert sheet.columns % 2 == 0
    assert [label.split()[0] for label in sheet.tile_labels[1::2]] == [
        address.partition("/")[0] for address in right
    ]

    some = bench.diff("one", "near", level="filter", where="address_a like '%body%'", sort="-cosine", limit=2)
    sheet = bench.sheet(some)
    assert [address.rpartition("/")[0] for address in sheet.addresses] == [
        row[side] for row in some for side in ("address_a", "address_b")
    ]
    assert sheet.note.startswith("2 of 2 pairs")
    with pytest.raises(UsageError, match="nothing to draw"):
        bench.sheet(bench.diff("one", "near", limit=0))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_pairs_of_addresses_stay_side_by_side(bench: Workbench, count: int) -> None:
    pairs = [(f"one/stem/{number}", f"far/stem/{number}") for number in range(count)]
    sheet = bench.sheet(pairs)
    assert sheet.count == 2 * count
    assert sheet.columns % 2 == 0
    for number, (a, b) in enumerate(pairs):
        kernel = int(np.square(STEM[number]).sum((1, 2)).argmax())  # the same one of both
        assert sheet.addresses[2 * number : 2 * number + 2] == (f"{a}/{kernel}", f"{b}/{kernel}")
    assert sheet.note.endswith("of the first filter of each pair")
    whole = bench.sheet([("one/stem", "near/stem")])
    assert [address.rpartition("/")[0] for address in whole.addresses[:4]] == [
        *("one/stem/0", "near/stem/0", "one/stem/1", "near/stem/1"),
    ]
    assert bench.sheet(pairs, channels="first").columns % 2 == 0


def test_pairs_that_are_none(bench: Workbench) -> None:
    with pytest.raises(UsageError, match="'one/stem/0' is not a pair"):
        bench.sheet(["one/stem/0", ("one/stem/0", "near/stem/0")])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="one/stem and near/body have different numbers of filters"):
        bench.sheet([("one/stem", "near/body")])
