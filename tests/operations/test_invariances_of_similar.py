"""`similar` under every invariance, for kernels and filters of one to three axes, against brute force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import build, node

import filterkit
from filterkit.workbench import Workbench

Array = np.ndarray[Any, Any]

SHAPES = ((3,), (4,), (1,), (1, 3), (3, 1), (1, 4), (2, 2), (3, 3), (2, 3), (1, 1))
SHAPES += ((1, 3, 3), (3, 1, 1), (1, 1, 3), (3, 3, 1), (2, 2, 3), (2, 2, 2))  # type: ignore[assignment]
INVARIANCES = ("scale", "sign", "flip", "rotate")
EVERY = [*chain.from_iterable(combinations(INVARIANCES, count) for count in range(5))]


def bank(shape: tuple[int, ...], seed: int) -> Array:
    """Filters of two kernels with few distinct values, so that many are equal; some are zeros."""
    numbers = np.random.default_rng(seed).integers(-2, 3, (7, 2, *shape)).astype(np.float32)
    numbers[3] = 0
    numbers[5, 1] = 0
    numbers[6] = 2 * numbers[0, :, *[slice(None, None, -1)] * len(shape)]
    if not numbers[0, 0].any():
        numbers[0, 0] = 1
    return numbers


BANKS = {f"conv_{'x'.join(map(str, shape))}": bank(shape, seed) for seed, shape in enumerate(SHAPES)}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    folder = tmp_path_factory.mktemp("invariances")
    inputs: dict[str, list[Any]] = {
        f"to_{name}": ["N", 2, *[8] * (values.ndim - 2)] for name, values in BANKS.items()
    }
    nodes = [node("Conv", f"to_{name} {name}", f"{name}_out", name=name) for name in BANKS]
    onnx.save(build(nodes, inputs, BANKS, [each.output[0] for each in nodes]), folder / "net.onnx")
    with filterkit.open(folder / "catalog.db") as opened:
        opened.add(folder / "net.onnx")
        yield opened


def ways(kernels: Array, rank: int, invariant: Iterable[str]) -> dict[str, Array]:
    """All equivalents of `kernels` by transform, as defined in docs/cli.md, computed with index loops."""
    tall = kernels.reshape(*kernels.shape[:-1], 1, kernels.shape[-1]) if rank == 1 else kernels
    height, width = tall.shape[-2:]
    quarters = [0] if "rotate" not in invariant else [0, 1, 2, 3] if height == width and rank > 1 else [0, 2]
    found = {}
    for negative in [False, True] if "sign" in invariant else [False]:
        for flipped in [False, True] if "flip" in invariant else [False]:
            for count in quarters:
                turned = tall[..., ::-1] if flipped else tall
                for _ in range(count):  # counter-clockwise: what was on the right is on top
                    turned = np.swapaxes(turned, -1, -2)[..., ::-1, :]
                turn = f"@{90 * count}{'f' * flipped}"
                name = "-" * negative + ("identity" if turn == "@0" else turn)
                found[name] = (-1 if negative else 1) * turned.reshape(kernels.shape)
    return found


def similarity(one: Array, other: Array, invariant: Iterable[str]) -> float:
    """Similarity by the formula; NaN for 0 / 0."""
    x, y = one.astype(float).ravel(), other.astype(float).ravel()
    if "scale" in invariant:
        lengths = float(np.sqrt(x @ x) * np.sqrt(y @ y))
        return float(x @ y) / lengths if lengths else float("nan")
    return float(2 * (x @ y) / (x @ x + y @ y))


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(BANKS)),
    number=st.integers(0, 6),
    kernel=st.sampled_from([None, 0, 1]),
    invariant=st.sampled_from(EVERY),
    limit=st.sampled_from([1, 3, 100]),
)
def test_against_all_of_it_by_hand(
    bench: Workbench, name: str, number: int, kernel: int | None, invariant: tuple[str, ...], limit: int
) -> None:
    values = BANKS[name]
    rank = values.ndim - 2
    things = {f"net/{name}/{n}": each for n, each in enumerate(values)}
    if kernel is not None:
        things = {f"net/{name}/{n}/{k}": values[n, k] for n in range(7) for k in range(2)}
    asked = f"net/{name}/{number}" + ("" if kernel is None else f"/{kernel}")
    query = things.pop(asked)
    if not query.any():
        with pytest.raises(filterkit.UsageError, match="all zeros"):
            bench.similar(asked, f"net/{name}", invariant=invariant)
        return
    expected: dict[str, tuple[float, str]] = {}
    for address, thing in things.items():
        each = {way: similarity(query, same, invariant) for way, same in ways(thing, rank, invariant).items()}
        each = {way: round(value, 12) for way, value in each.items() if not np.isnan(value)}
        if each:
            best = max(each.values())
            expected[address] = best, next(way for way, value in each.items() if value == best)
    order = sorted(expected, key=lambda address: -expected[address][0])  # stable, as the catalog's order is
    found = bench.similar(asked, f"net/{name}", invariant=invariant, limit=limit)
    assert [row["address"] for row in found] == order[:limit]
    for row in found:
        best, _ = expected[row["address"]]
        assert row["similarity"] == pytest.approx(best, abs=1e-11)
        brought = ways(things[row["address"]], rank, invariant)[row["transform"]]
        assert similarity(query, brought, invariant) == pytest.approx(best, abs=1e-11)
    assert {row["transform"] for row in found if not things[row["address"]].any()} <= {"identity"}


@pytest.mark.parametrize("invariant", EVERY)
def test_rows_of_one_axis_are_found_as_those_of_1_x_n(
    bench: Workbench, tmp_path: Path, invariant: tuple[str, ...]
) -> None:
    values = BANKS["conv_4"]
    nodes = [node("Conv", "x flat", "y", name="flat"), node("Conv", "a plane", "b", name="plane")]
    weights = {"flat": values, "plane": values.reshape(7, 2, 1, 4)}
    onnx.save(
        build(nodes, {"x": ["N", 2, 8], "a": ["N", 2, 8, 8]}, weights, ["y", "b"]), tmp_path / "two.onnx"
    )
    with filterkit.open(tmp_path / "catalog.db") as both:
        both.add(tmp_path / "two.onnx")
        for query in ("0/0", "6/1", "0", "6"):
            rows = [
                [
                    (row["filter"], row["kernel"], row["similarity"], row["transform"])
                    for row in both.similar(f"two/{name}/{query}", f"two/{name}", invariant=invariant)
                ]
                for name in ("flat", "plane")
            ]
            assert rows[0] == rows[1]


def test_zeros_are_named_by_the_command_as_well(bench: Workbench) -> None:
    rows = bench.similar("net/conv_3x3/0", "net/conv_3x3", invariant=(), limit=100)
    [zero] = [row for row in rows if row["filter"] == 3]
    assert (zero["similarity"], zero["transform"]) == (0.0, "identity")
    assert 3 not in [row["filter"] for row in bench.similar("net/conv_3x3/0", "net/conv_3x3", limit=100)]
    sheet = bench.sheet(rows)
    assert np.isfinite(sheet.tiles).all()
