"""Normalizers against numpy by hand, and their promises on any input at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from normalizer_banks import KINDS, PERS, anything, assert_line_between, every_kind, float32_banks

from filterkit.errors import UsageError
from filterkit.normalizers.minmax import MinMax
from filterkit.normalizers.percentile import Percentile
from filterkit.normalizers.symmetric import Symmetric
from filterkit.normalizers.zscore import ZScore
from filterkit.plugins.protocols import Normalizer
from filterkit.records import Normalized

every_per = pytest.mark.parametrize("per", PERS)


def by_hand(bank: np.ndarray[Any, Any], per: str, ends: Callable[..., tuple[float, float]]) -> Any:
    """The straight line between `ends` of each group, one group after the other, in float64."""
    out = np.empty(bank.shape)
    count = {"layer": 0, "filter": 1, "kernel": 2}[per]
    for index in np.ndindex(bank.shape[:count]):
        values = bank[index].astype(np.float64)
        low, high = ends(values)
        out[index] = np.clip((values - low) / (high - low), 0, 1)
    return out


@every_per
@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        (MinMax, lambda v: (v.min(), v.max())),
        (Symmetric, lambda v: (-abs(v).max(), abs(v).max())),
        (Percentile, lambda v: tuple(np.percentile(v, [1, 99]))),
        (ZScore, lambda v: (v.mean() - 3 * v.std(), v.mean() + 3 * v.std())),
    ],
)
def test_agrees_with_the_formula(bank: Any, kind: Any, per: str, ends: Any) -> None:
    made = kind(per=per).normalize(bank)
    np.testing.assert_allclose(made.values, by_hand(bank, per, ends), atol=2e-6)
    if per == "layer":
        assert (made.vmin, made.vmax) == pytest.approx(ends(bank.astype(np.float64)), rel=1e-5)
        assert made.centre == pytest.approx(-made.vmin / (made.vmax - made.vmin), abs=1e-6)
    else:
        assert made.vmin is None and made.vmax is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: MinMax(per="layers"),
        lambda: Symmetric(per=""),
        lambda: Symmetric(percentile=0),
        lambda: Symmetric(percentile=100.5),
        lambda: Symmetric(percentile=math.nan),
        lambda: Percentile(low=50, high=50),
        lambda: Percentile(low=-1),
        lambda: Percentile(high=100.5),
        lambda: Percentile(low=math.nan),
        lambda: ZScore(limit=0),
        lambda: ZScore(limit=math.inf),
        lambda: ZScore(limit=math.nan),
    ],
)
def test_options_out_of_range_are_wrong_use(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert caught.value.hint


@every_kind
def test_fits_the_protocol(kind: Any) -> None:
    assert isinstance(kind(), Normalizer)


@every_kind
@every_per
def test_a_constant_is_defined(kind: Any, per: str) -> None:
    for value in (0.0, -2.5, 1e-45, 3e38):
        made = kind(per=per).normalize(np.full((3, 2, 3, 3), value, np.float32))
        expected = 0.5 if value == 0 or kind is not Symmetric else float(value > 0)
        np.testing.assert_array_equal(made.values, np.float32(expected), err_msg=str(value))
        assert ("constant" in made.summary) == (expected == 0.5), value
        assert made.centre == (0.5 if value == 0 or kind is Symmetric else None), value


@every_kind
def test_nan_is_drawn_as_zero_and_infinities_at_the_ends(kind: Any) -> None:
    bank = np.linspace(-1, 3, 90, dtype=np.float32).reshape(10, 1, 3, 3)
    bank[0, 0, 0] = [np.nan, np.inf, -np.inf]
    made = kind().normalize(bank)
    clean = kind().normalize(bank.ravel()[3:].reshape(1, 1, -1))
    assert made.centre == pytest.approx(clean.centre)
    assert made.values[0, 0, 0].tolist() == [pytest.approx(made.centre), 1, 0]
    assert (made.vmin, made.vmax) == pytest.approx((clean.vmin, clean.vmax), rel=1e-14)
    np.testing.assert_allclose(made.values.ravel()[3:], clean.values.ravel(), rtol=1e-6)
    assert made.non_finite == 3
    assert made.summary.endswith("; 3 NaN or infinite")


@every_kind
@every_per
def test_nothing_finite_at_all(kind: Any, per: str) -> None:
    made = kind(per=per).normalize(np.array([[[np.nan, np.inf, -np.inf]]], np.float32))
    assert made.values.tolist() == [[[0.5, 1, 0]]]
    assert (made.vmin, made.vmax, made.centre, made.non_finite) == (None, None, None, 3)


@every_kind
@every_per
def test_empty_stays_empty(kind: Any, per: str) -> None:
    for shape in ((0, 3, 3, 3), (3, 0, 3, 3), (2, 2, 0)):
        made = kind(per=per).normalize(np.empty(shape, np.float32))
        assert made.values.shape == shape
        assert (made.vmin, made.vmax, made.centre, made.non_finite) == (None, None, None, 0), shape


@every_kind
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_any_float_dtype_becomes_float32(bank: Any, kind: Any, dtype: Any) -> None:
    made = kind().normalize(bank.astype(dtype))
    assert made.values.dtype == np.float32
    np.testing.assert_allclose(made.values, kind().normalize(bank).values, atol=5e-3)


@every_kind
def test_reads_a_read_only_memory_map(bank: Any, kind: Any, tmp_path: Any) -> None:
    np.save(tmp_path / "bank.npy", bank)
    mapped = np.load(tmp_path / "bank.npy", mmap_mode="r")
    made = kind().normalize(mapped)
    np.testing.assert_array_equal(made.values, kind().normalize(bank).values)
    assert type(made.values) is np.ndarray and made.values.flags.writeable


@given(
    anything,
    st.sampled_from(PERS),
    st.sampled_from([*KINDS, lambda per: Percentile(0, 100, per), lambda per: ZScore(0.1, per)]),
)
def test_promises_on_any_input(values: Any, per: str, kind: Any) -> None:
    before = values.copy()
    values.flags.writeable = False
    made: Normalized = kind(per=per).normalize(values)
    np.testing.assert_array_equal(values, before)
    assert made.values.shape == values.shape
    assert made.values.dtype == np.float32
    assert np.isfinite(made.values).all()
    assert made.values.min() >= 0 and made.values.max() <= 1
    assert made.non_finite == np.count_nonzero(~np.isfinite(values))
    for number in (made.vmin, made.vmax, made.centre):
        assert number is None or math.isfinite(number)
    if per == "layer":
        order = np.argsort(values, axis=None)
        ordered = made.values.ravel()[order][np.isfinite(values.ravel()[order])]
        assert (np.diff(ordered) >= 0).all()


@given(float32_banks(), st.sampled_from(PERS), st.sampled_from([MinMax, Symmetric]))
def test_the_others_are_lines_in_float64_too(values: Any, per: str, kind: Any) -> None:
    made = kind(per=per).normalize(values)

    def ends(group: Any) -> Any:
        reach = np.abs(group).max()
        return np.array([group.min(), group.max()] if kind is MinMax else [-reach, reach])

    assert_line_between(values, per, made, ends)


@every_kind
def test_a_weak_group_beside_a_huge_one_keeps_its_structure(kind: Any) -> None:
    bank = np.array([[[-3e38, 0, 3e38]], [[-1e-45, 0, 1e-45]], [[-1, 0, 1]]], np.float32)
    made = kind(per="filter").normalize(bank)
    assert (made.values[:, 0, 0] < 0.3).all()
    np.testing.assert_array_equal(made.values[:, 0, 1], np.float32(0.5))
    assert (made.values[:, 0, 2] > 0.7).all()


@pytest.mark.parametrize("kind", [Percentile, ZScore])
def test_bounds_beyond_float32_are_float64(kind: Any) -> None:
    top = np.float32(np.finfo(np.float32).max)
    bank = np.array([[[top, -top, top, -top, top]]], np.float32)
    made = kind().normalize(bank)
    double = bank.astype(np.float64)
    if kind is ZScore:
        expected = double.mean() - 3 * double.std(), double.mean() + 3 * double.std()
    else:
        expected = tuple(np.percentile(double, [1, 99]))
    assert (made.vmin, made.vmax) == pytest.approx(expected, rel=1e-13)


@pytest.mark.zoo
@every_kind
def test_a_filter_of_vgg16_by_hand(kind: Any, zoo_model: Any) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(zoo_model("vgg16"))
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    weights = numpy_helper.to_array(next(w for w in model.graph.initializer if w.name == conv.input[1]))
    made = kind().normalize(weights)
    drawn = made.vmin + made.values[0, 0].astype(np.float64) * (made.vmax - made.vmin)
    np.testing.assert_allclose(drawn, np.clip(weights[0, 0], made.vmin, made.vmax), atol=1e-6)
    assert made.summary.endswith("over the layer")
