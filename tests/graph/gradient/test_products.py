"""Gradients of matrix products."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError


@pytest.mark.parametrize(("flip_a", "flip_b"), list(itertools.product((0, 1), repeat=2)))
@pytest.mark.parametrize("c", [None, (), (1,), (4,), (2, 1), (2, 4)])
def test_gemm(flip_a: int, flip_b: int, c: tuple[int, ...] | None) -> None:
    inputs = {"a": random(*(3, 2) if flip_a else (2, 3)), "b": random(*(4, 3) if flip_b else (3, 4), seed=1)}
    if c is not None:
        inputs["c"] = np.asarray(random(*c, seed=2))
    given = {"transA": flip_a, "transB": flip_b, "alpha": 0.5, "beta": -2.0}
    check([node("Gemm", " ".join(inputs), "y", **given)], inputs)


@pytest.mark.parametrize("flips", [{}, {"transB": 1}])
def test_a_dense_layer(flips: dict[str, int]) -> None:
    weights = random(4, 3, seed=1) if flips else random(3, 4, seed=1)
    check([node("Gemm", "x w b", "y", **flips)], {"x": random(2, 3)}, {"w": weights, "b": random(4, seed=2)})


SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 2)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((2, 3), (1, 5, 3, 4)),
    ((1, 2, 3), (3, 4)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check([node("MatMul", "a b", "y")], {"a": random(*a), "b": random(*b, seed=1)})


@st.composite
def factors(draw: Any) -> tuple[list[int], list[int]]:
    """Shapes of two tensors that can be multiplied, either of which may be broadcast or a vector."""
    rows, inner, columns = (draw(st.integers(1, 4)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    shapes = []
    for matrix in ([rows, inner], [inner, columns]):
        kept = batch[draw(st.integers(0, len(batch))) :]
        ahead = [size if draw(st.booleans()) else 1 for size in kept]
        shapes.append([*ahead, *matrix])
    if draw(st.booleans()):
        shapes[0] = [inner]
    if draw(st.booleans()):
        shapes[1] = [inner]
    return shapes[0], shapes[1]


@pytest.mark.keras
@settings(max_examples=40, deadline=None)
@given(shapes=factors(), seed=st.integers(0, 2**31))
def test_matmul_in_torch(shapes: tuple[list[int], list[int]], seed: int) -> None:
    torch = find_torch()
    a, b = shapes
    inputs = {"a": random(*a, seed=seed), "b": random(*b, seed=seed + 1)}
    check_with_torch([node("MatMul", "a b", "y")], inputs, torch.matmul)


EQUATIONS = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "bij,bjk": [(2, 3, 4), (2, 4, 2)],
    "ij->": [(2, 3)],
    "ij->j": [(2, 3)],
    "ij->ji": [(2, 3)],
    "i,j->ij": [(2,), (3,)],
    "i,i->i": [(3,), (3,)],
    "ijk,jl->il": [(2, 3, 4), (3, 2)],
    "ab,bc,cd->ad": [(2, 3), (3, 4), (4, 2)],
    "...ij,...jk->...ik": [(5, 2, 3, 4), (5, 2, 4, 2)],
    "i...,...j->...ji": [(2, 3), (3, 4)],
    "...i->...": [(2, 3, 4)],
    "b...c, c d": [(2, 3, 4), (4, 2)],
    "nchw,kc->nkhw": [(1, 3, 2, 2), (2, 3)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation: str) -> None:
    inputs = {f"x{place}": random(*shape, seed=place) for place, shape in enumerate(EQUATIONS[equation])}
    check(
        [node("Einsum", " ".join(inputs), "y", equation=equation)],
        inputs,
        function=lambda *xs: np.einsum(equation, *xs),
    )


@pytest.mark.keras
@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_in_torch(equation: str) -> None:
    torch = find_torch()
    inputs = {f"x{place}": random(*shape, seed=place) for place, shape in enumerate(EQUATIONS[equation])}
    nodes = [node("Einsum", " ".join(inputs), "y", equation=equation)]
    check_with_torch(nodes, inputs, lambda *xs: torch.einsum(equation, *xs))


def test_a_diagonal_is_named() -> None:
    x = random(3, 3)
    with pytest.raises(ModelError, match=r"'y' \(Einsum\) has no gradient: it takes a diagonal"):
        derived(model_of([node("Einsum", "x", "y", equation="ii->i")], {"x": x}), {"x": x})
