"""CNN Filter DB's metrics of layers, and redundancy, against their authors' package and cases by hand."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_banks import BROKEN, EXTREMES, bank, random_weights
from numpy.typing import NDArray

import filterkit
from filterkit.metrics.basic import BasicMetrics
from filterkit.metrics.layer_statistics import FilterDbMetrics, RedundancyMetric


def measure(weights: NDArray[np.floating]) -> dict[str, float]:
    return FilterDbMetrics().measure_layer(bank(weights))


@pytest.fixture
def authors() -> Callable[[NDArray[np.floating]], dict[str, Any]]:
    """What the package of the paper's authors says of a layer."""
    find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    package, torch = find("torchconvquality"), find("torch")

    def ask(weights: NDArray[np.floating]) -> dict[str, Any]:
        answer: dict[str, Any] = package.measure_conv_weight_quality(torch.from_numpy(weights.copy()))
        return answer

    return ask


def agree(found: dict[str, float], theirs: dict[str, Any]) -> None:
    for name in ("sparsity", "variance_entropy", "orthogonality"):
        assert found[name] == pytest.approx(theirs[name], abs=2e-5), name


@pytest.mark.keras
@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (64, 32, 3, 3), (12, 3, 5, 5), (40, 1, 3, 3)])
def test_against_the_authors_package(authors: Callable[..., dict[str, Any]], shape: tuple[int, ...]) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weights = random_weights(*shape, seed=seed) + rng.normal(size=shape[2:]).astype(np.float32)
        weights *= 10 ** rng.uniform(-4, 0, size=(*shape[:2], 1, 1)).astype(np.float32)
        found, theirs = measure(weights), authors(weights)
        agree(found, theirs)
        if shape[1:] == (1, 3, 3):  # they count kernels, which are as many as filters here
            expected = pytest.approx(theirs["variance_entropy_norm"], abs=2e-5)
            assert found["variance_entropy_normalized"] == expected


@pytest.mark.keras
@pytest.mark.zoo
def test_vgg16_against_the_authors_package(
    authors: Callable[..., dict[str, Any]], vgg16_catalog: Path
) -> None:
    with filterkit.open(vgg16_catalog) as bench:
        for layer in ("block1_conv1", "block2_conv2", "block3_conv3"):
            weights = np.array(bench.bank(f"vgg16/{layer}"))
            agree(measure(weights), authors(weights))


def test_variance_entropy_by_hand() -> None:
    kernels = np.zeros((4, 1, 3, 3), np.float32)
    kernels[0, 0, 0, 0], kernels[1, 0, 0, 0] = 1, -1
    kernels[2, 0, 1, 1], kernels[3, 0, 1, 1] = 1, -1
    assert measure(kernels)["variance_entropy"] == pytest.approx(np.log10(2))  # two patterns, alike
    assert measure(kernels[:3])["variance_entropy"] < np.log10(2)
    assert measure(kernels + 5)["variance_entropy"] == pytest.approx(np.log10(2))
    assert measure(kernels[:2])["variance_entropy"] == 0  # one pattern and its negative
    every = np.concatenate([np.eye(9), -np.eye(9)]).reshape(18, 1, 3, 3)
    assert measure(every)["variance_entropy"] == pytest.approx(np.log10(9))


def test_the_threshold_is_that_of_the_paper() -> None:
    for filters, threshold in ((3, 0.125), (64, 0.9055), (4096, 0.9511)):
        found = measure(random_weights(filters, 2, 3, 3))
        ratio = found["variance_entropy"] / found["variance_entropy_normalized"]
        assert ratio == pytest.approx(threshold, abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 4, 3, 3), (2, 4, 3, 3), (8, 4, 5, 5), (8, 4, 3), (8, 4, 1, 1)])
def test_normalized_entropy_is_for_three_filters_of_three_by_three(shape: tuple[int, ...]) -> None:
    assert np.isnan(measure(random_weights(*shape))["variance_entropy_normalized"])


def test_orthogonality_by_hand() -> None:
    axes = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
    assert measure(axes)["orthogonality"] == 1
    assert measure(-3 * np.concatenate([axes[:1]] * 3))["orthogonality"] == pytest.approx(0, abs=1e-6)
    diagonal = np.stack([axes[0], axes[0] + axes[1]])
    assert measure(diagonal)["orthogonality"] == pytest.approx(1 - np.sqrt(0.5))
    assert measure(np.concatenate([axes, 0 * axes]))["orthogonality"] == 1
    assert np.isnan(measure(axes[:1])["orthogonality"])


def test_zeros_and_constants() -> None:
    for value in (0, 0.1, 7e-20):
        found = measure(np.full((4, 2, 3, 3), value, np.float32))
        assert found["sparsity"] == 0
        assert found["orthogonality"] == pytest.approx(1 if value == 0 else 0, abs=1e-6)
        assert np.isnan(found["variance_entropy"])
        assert np.isnan(found["variance_entropy_normalized"])


def test_one_kernel_has_no_variance() -> None:
    assert np.isnan(measure(random_weights(1, 1, 3, 3))["variance_entropy"])


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_not_finite_leaves_sparsity(value: float) -> None:
    weights = random_weights(4, 2, 3, 3)
    weights[0], weights[1, 0, 0, 0] = 1e-5, value
    found = measure(weights)
    assert found.pop("sparsity") == 0.25
    assert np.isnan([*found.values()]).all()


@pytest.mark.parametrize("scale", EXTREMES)
def test_extreme_weights(scale: np.floating) -> None:
    weights = np.sign(random_weights(20, 2, 3, 3)).astype(scale.dtype)
    for name, value in measure(weights * scale).items():
        assert value == pytest.approx(measure(weights)[name], abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(5, 3, 3, 3), (4, 2, 7), (3, 2, 2, 3, 2), (6, 5, 1, 1), (3, 1, 40)]),
    factor=st.floats(1e-4, 1e4),
)
def test_against_a_decomposition_and_the_filters_metric(
    seed: int, shape: tuple[int, ...], factor: float
) -> None:
    weights = (random_weights(*shape, seed=seed) * factor).astype(np.float32)
    found = measure(weights)
    kernels = weights.reshape(shape[0] * shape[1], -1).astype(np.float64)
    squares = np.linalg.svd(kernels - kernels.mean(axis=0), compute_uv=False) ** 2
    shares = squares[squares > 0] / squares.sum()
    assert found["variance_entropy"] == pytest.approx(-(shares * np.log10(shares)).sum(), abs=1e-9)
    assert found["sparsity"] == BasicMetrics().measure(bank(weights))["sparsity"].mean()  # type: ignore[attr-defined]
    assert 0 <= found["orthogonality"] <= 1


def redundancy_of(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    return RedundancyMetric().measure(bank(weights))["redundancy"]  # type: ignore[return-value]


def test_copies_up_to_scale_and_sign() -> None:
    weights = random_weights(5, 3, 3, 3)
    weights[2], weights[4] = 3 * weights[0], -0.01 * weights[1]
    found = redundancy_of(weights)
    assert found[[0, 1, 2, 4]] == pytest.approx([1, 1, 1, 1], abs=1e-6)
    assert (found <= 1).all()
    assert found[3] < 0.8


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (30, 4, 3, 3), (3, 2, 7), (4, 2, 3, 3, 3), (2500, 1, 2, 2)])
def test_redundancy_against_every_pair(shape: tuple[int, ...]) -> None:
    weights = random_weights(*shape)
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    cosines = np.abs(flat @ flat.T)
    np.fill_diagonal(cosines, 0)
    np.testing.assert_allclose(redundancy_of(weights), cosines.max(axis=1), atol=1e-6)


def test_zeros_are_no_copies() -> None:
    weights = np.zeros((4, 2, 3, 3), np.float32)
    weights[3] = 1
    assert redundancy_of(weights).tolist() == [0, 0, 0, 0]


def test_a_filter_alone_has_none() -> None:
    assert np.isnan(redundancy_of(random_weights(1, 3, 3, 3))).all()


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_not_finite_is_left_out(value: float) -> None:
    weights = random_weights(4, 2, 3, 3)
    expected = redundancy_of(weights[[0, 2, 3]])
    weights[1, 0, 0, 0] = value
    found = redundancy_of(weights)
    assert np.isnan(found[1])
    np.testing.assert_allclose(found[[0, 2, 3]], expected)


@pytest.mark.parametrize("scale", EXTREMES)
def test_redundancy_of_extreme_weights(scale: np.floating) -> None:
    weights = np.array([[[1, 2, 3]], [[2, 4, 6]], [[3, 0, -1]]], scale.dtype) / 8
    np.testing.assert_allclose(redundancy_of(weights * scale), [1, 1, 0], atol=0.01)
