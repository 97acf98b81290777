"""Where energy lies, against small cases worked by hand and against plain loops in float64."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metric_banks import BROKEN, EXTREMES, bank, random_weights
from numpy.typing import NDArray
from scipy import stats

from filterkit.metrics.blocks import BLOCK_NUMBERS
from filterkit.metrics.energy import EnergyMetrics

SHARES = EnergyMetrics.columns[:-1]


def measure(weights: NDArray[np.floating], channels: tuple[str, ...] = ()) -> dict[str, Any]:
    return EnergyMetrics().measure(bank(weights, channels))


def test_by_hand() -> None:
    sobel, ones = np.outer([1, 2, 1], [-1, 0, 1]), np.ones((3, 3))
    corner = np.zeros((3, 3))
    corner[0, 0] = 1
    found = measure(np.stack([[sobel, 0 * sobel], [ones, ones], [corner, corner]]).astype(np.float32))
    assert found["dc_share"] == pytest.approx([0, 1, 1 / 9])
    assert found["separability"] == pytest.approx([1, 1, 1])
    assert found["even_share"] == pytest.approx([0, 1, 1 / 2])
    assert found["channel_entropy"] == pytest.approx([0, 1, 1])
    assert found["dead"].tolist() == [False, False, False]


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        st.sampled_from((np.float64, np.float32, np.float16)),
        hnp.array_shapes(min_dims=4, max_dims=4, max_side=6),
        elements=st.floats(-100, 100, width=16),
    )
)
def test_against_plain_loops(weights: NDArray[np.floating]) -> None:
    found = measure(weights)
    for number, kernels in enumerate(weights.astype(np.float64)):
        energies = [(kernel**2).sum() for kernel in kernels]
        if not (energy := sum(energies)):
            assert all(np.isnan(found[name][number]) for name in SHARES)
            continue
        turned = [(kernel + np.rot90(kernel, 2)) / 2 for kernel in kernels]
        ranks = [np.linalg.svd(kernel, compute_uv=False)[0] ** 2 for kernel in kernels]
        means = [kernel.size * kernel.mean() ** 2 for kernel in kernels]
        assert found["dc_share"][number] == pytest.approx(sum(means) / energy, abs=1e-9)
        assert found["even_share"][number] == pytest.approx(np.sum(np.square(turned)) / energy, abs=1e-9)
        assert found["separability"][number] == pytest.approx(sum(ranks) / energy, abs=1e-7)
        if len(kernels) > 1:
            entropy = stats.entropy(np.array(energies)) / np.log(len(kernels))
            assert found["channel_entropy"][number] == pytest.approx(entropy, abs=1e-9)


@pytest.mark.parametrize("size", [(1, 4), (2, 2), (2, 5), (3, 3), (3, 7), (7, 3), (4, 4), (7, 7)])
def test_separability_of_every_size_is_that_of_the_decomposition(size: tuple[int, int]) -> None:
    weights = random_weights(20, 3, *size)
    squares = np.linalg.svd(weights.astype(np.float64), compute_uv=False) ** 2
    expected = squares[..., 0].sum(axis=1) / squares.sum(axis=(1, 2))
    np.testing.assert_allclose(measure(weights)["separability"], expected, rtol=1e-9)


@pytest.mark.parametrize(
    "kernel",
    [np.eye(3), np.eye(3)[::-1], np.diag([1, 1, 0]), np.diag([2, 2, 1]), np.diag([2, 1, 1]), np.ones((3, 3))],
)
def test_separability_where_singular_values_are_equal(kernel: NDArray[np.floating]) -> None:
    squares = np.linalg.svd(kernel, compute_uv=False) ** 2
    found = measure(kernel[np.newaxis, np.newaxis])["separability"]
    assert found == pytest.approx(squares[0] / squares.sum(), abs=1e-7)


def test_opponency_is_of_three_colours_only() -> None:
    gray, red_green = np.ones((1, 3, 3, 3)), np.ones((1, 3, 3, 3))
    red_green[:, 1], red_green[:, 2] = -1, 0
    single = np.zeros((1, 3, 3, 3))
    single[:, 0] = 1
    weights = np.concatenate([gray, red_green, single]).astype(np.float32)
    for order in ("RGB", "BGR"):
        assert measure(weights, tuple(order))["opponency"] == pytest.approx([0, 1, 2 / 3], abs=1e-12)
    for others in ((), ("gray",), ("a", "b", "c")):
        assert np.isnan(measure(weights, others)["opponency"]).all()
    assert np.isnan(measure(weights[:, :1], tuple("RGB"))["opponency"]).all()  # a group sees one of them


def test_dead_is_a_thousandth_of_the_median() -> None:
    weights = np.ones((7, 2, 3, 3), np.float32)
    weights[0] *= 0.00099
    weights[1] *= 0.00101
    weights[2] = 0
    assert measure(weights)["dead"].tolist() == [True, False, True, False, False, False, False]


def test_dead_where_most_or_all_are_zero() -> None:
    weights = np.zeros((5, 2, 3, 3), np.float32)
    assert measure(weights)["dead"].all()
    weights[3] = 1e-6
    assert measure(weights)["dead"].tolist() == [True, True, True, False, True]
    assert measure(weights[3:4])["dead"].tolist() == [False]


def test_zeros_have_no_shares() -> None:
    found = measure(np.zeros((2, 3, 3, 3), np.float32), tuple("RGB"))
    assert all(np.isnan(found[name]).all() for name in SHARES)


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_not_finite_spoils_its_own_filter_only(value: float) -> None:
    weights = random_weights(4, 3, 3, 3)
    whole = measure(weights, tuple("RGB"))
    weights[1, 2, 0, 1] = value
    found = measure(weights, tuple("RGB"))
    others = [0, 2, 3]
    for name in SHARES:
        assert np.isnan(found[name][1])
        np.testing.assert_array_equal(found[name][others], whole[name][others])
    assert not found["dead"].any()
    assert not measure(np.full((2, 1, 1, 1), value, np.float32))["dead"].any()


@pytest.mark.parametrize(
    ("shape", "separability"), [((2, 4, 1, 1), 1), ((2, 4, 7), 1), ((2, 4, 1, 7), 1), ((2, 4, 3, 3, 3), None)]
)
def test_other_ranks(shape: tuple[int, ...], separability: float | None) -> None:
    found = measure(random_weights(*shape))
    if separability is None:
        assert np.isnan(found["separability"]).all()
    else:
        assert found["separability"].tolist() == [separability, separability]
    if shape[2:] == (1, 1):
        assert found["dc_share"] == pytest.approx([1, 1])
        assert found["even_share"] == pytest.approx([1, 1])
    assert ((found["channel_entropy"] > 0) & (found["channel_entropy"] < 1)).all()


def test_one_plane_of_a_volume_is_a_picture() -> None:
    weights = random_weights(3, 2, 3, 1, 3)
    np.testing.assert_array_equal(
        measure(weights)["separability"], measure(weights.reshape(3, 2, 3, 3))["separability"]
    )


def test_one_channel_has_no_entropy() -> None:
    assert np.isnan(measure(random_weights(3, 1, 3, 3))["channel_entropy"]).all()


@pytest.mark.parametrize("scale", EXTREMES)
def test_extreme_weights(scale: np.floating) -> None:
    weights = np.round(random_weights(3, 2, 3, 3), 1).astype(scale.dtype)
    weights /= np.abs(weights).max()
    found, expected = measure(weights * scale), measure(weights)
    for name in EnergyMetrics.columns:
        np.testing.assert_allclose(found[name], expected[name], atol=0.01, err_msg=name)


def test_layers_larger_than_a_block() -> None:
    weights = random_weights(5, BLOCK_NUMBERS // 18, 3, 3)
    found = measure(weights)
    for name in SHARES[:4]:
        single = [measure(weights[[number]])[name][0] for number in range(5)]
        np.testing.assert_allclose(found[name], single, rtol=1e-12)


def test_the_norms_of_huge_weights_are_compared_without_overflow() -> None:
    weights = np.full((3, 1, 3, 3), 1.5e308)
    weights[1] *= 1e-5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert EnergyMetrics().measure(bank(weights))["dead"].tolist() == [False, True, False]
