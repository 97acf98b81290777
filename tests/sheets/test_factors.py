"""Filters of many channels as three non-negative factors."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

import filterkit
from filterkit.sheets.factors import factored, factorize


def groups_of_kernels() -> tuple[np.ndarray, np.ndarray]:
    """Two filters whose 40 kernels have three patterns in different places, with both signs."""
    made = np.random.default_rng(0)
    patterns = np.zeros((3, 3, 3), np.float32)
    patterns[0, 0], patterns[1, :, 2], patterns[2, 2, :2] = [1, 2, 1], [2, 1, 0.5], [1, 3]
    group = made.integers(0, 3, (2, 40))
    strength = (made.normal(size=(2, 40)) * np.array([3.0, 2.0, 1.0])[group]).astype(np.float32)
    return patterns[group] * strength[:, :, None, None], patterns


def test_patterns_are_found_the_strongest_first() -> None:
    bank, patterns = groups_of_kernels()
    found = factored(bank)
    assert found.shape == (2, 3, 3, 3)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    norms = np.linalg.norm(found.reshape(2, 3, -1), axis=2)
    assert (np.diff(norms, axis=1) <= 0).all()
    shapes = patterns.reshape(3, 9) / np.linalg.norm(patterns.reshape(3, 9), axis=1, keepdims=True)
    for each in found.reshape(2, 3, 9) / norms[:, :, None]:
        likeness = each @ shapes.T
        assert sorted(likeness.argmax(axis=1)) == [0, 1, 2]
        assert likeness.max(axis=1).min() > 0.99
    # The three groups are disjoint: a pattern has the norm of the weights of its group.
    np.testing.assert_allclose((norms**2).sum(axis=1), np.square(bank).sum(axis=(1, 2, 3)), rtol=1e-3)


def test_it_is_deterministic_and_the_same_for_each_filter_alone() -> None:
    bank = np.random.default_rng(1).normal(size=(5, 30, 3, 3)).astype(np.float32)
    both = factored(bank)
    np.testing.assert_array_equal(both, factored(bank))
    np.testing.assert_allclose(both[3:4], factored(bank[3:4]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 7, 1, 1), (2, 1, 3, 3), (2, 5, 2), (1, 4, 2, 3, 3), (2, 1, 1, 1)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    bank = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    found = factored(bank)
    assert found.shape == (shape[0], 3, *shape[2:])
    assert np.isfinite(found).all()
    rank = min(3, int(np.prod(shape[2:])), 2 * shape[1])
    assert not found[:, rank:].any(), "there are no more patterns"
    assert found[:, 0].any()
    if rank == 1:
        np.testing.assert_allclose(
            found[:, 0].ravel(), np.linalg.norm(bank.reshape(shape[0], -1), axis=1), rtol=1e-5
        )


def test_zeros_and_what_is_no_number() -> None:
    bank = np.zeros((2, 4, 3, 3), np.float32)
    bank[1, 0, 0, 0], bank[1, 1, 1, 1], bank[1, 2, 2, 2] = np.nan, np.inf, 2
    found = factored(bank)
    assert not found[0].any()
    np.testing.assert_allclose(found[1, 0], [[0, 0, 0], [0, 0, 0], [0, 0, 2]], atol=1e-5)


@pytest.mark.zoo
@pytest.mark.keras
def test_it_approximates_as_well_as_scikit_learn(vgg16_catalog: Path) -> None:
    find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    NMF = find("sklearn.decomposition").NMF
    with filterkit.open(vgg16_catalog) as bench:
        bank = bench.bank("vgg16/block3_conv1/0:8").reshape(8, -1, 9)
    matrices = np.concatenate([np.maximum(bank, 0), np.maximum(-bank, 0)], axis=1).transpose(0, 2, 1)
    patterns, groups = factorize(matrices, 3)
    for matrix, own in zip(matrices, patterns @ groups, strict=True):
        other = NMF(3, init="nndsvd", max_iter=2000).fit(matrix.astype(np.float64))
        assert np.linalg.norm(matrix - own) <= 1.05 * other.reconstruction_err_
