"""Gradients of resizing: it is linear, so that differences are exact."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of, rules, run, weighted
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from onnx_graphs import node, random

from filterkit.errors import ModelError
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target

X = {"x": random(1, 2, 4, 5)}
PLACES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
SIZES = [(7, 9), (2, 3), (1, 1)]
SCALES = [(2.0, 2.0), (1.3, 2.5), (0.6, 0.7)]


def resized(
    attributes: dict[str, Any], size: tuple[int, int] | None = None, scale: tuple[float, float] | None = None
) -> None:
    constants: dict[str, Any] = {"sizes": np.array([1, 2, *size])} if size else {}
    if scale:
        constants = {"scales": np.array([1, 1, *scale], np.float32)}
    inputs = "x _ _ sizes" if size else "x _ scales"
    check([node("Resize", inputs, "y", **attributes)], X, constants, opset=19, step=1.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", [*ROUNDINGS, "linear", "cubic"])
def test_to_a_size(mode: str, place: str, size: tuple[int, int]) -> None:
    given = {"mode": "nearest", "nearest_mode": mode} if mode in ROUNDINGS else {"mode": mode}
    resized({**given, "coordinate_transformation_mode": place}, size)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_by_a_scale(mode: str, place: str, scale: tuple[float, float]) -> None:
    resized({"mode": mode, "coordinate_transformation_mode": place}, scale=scale)


@pytest.mark.parametrize(
    ("mode", "size", "more"),
    [
        *((mode, size, {"antialias": 1}) for mode, size in itertools.product(("linear", "cubic"), SIZES[1:])),
        ("cubic", (7, 9), {"exclude_outside": 1}),
        ("cubic", (7, 3), {"cubic_coeff_a": -0.5}),
        ("linear", (2, 2), {"antialias": 1, "exclude_outside": 1}),
    ],
)
def test_options(mode: str, size: tuple[int, int], more: dict[str, Any]) -> None:
    resized({"mode": mode, **more}, size)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("region", [[0.2, 0.1, 0.7, 0.8], [-0.5, 0.5, 0.5, 1.5]])
def test_regions(mode: str, region: list[float]) -> None:
    """A part of the picture, or more than it: the numbers outside are constant."""
    top, left, bottom, right = region
    constants = {
        "roi": np.array([0, 0, top, left, 1, 1, bottom, right], np.float32),
        "sizes": np.array([1, 2, 4, 7]),
    }
    given = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 3.0}
    check([node("Resize", "x roi _ sizes", "y", mode=mode, **given)], X, constants, step=1.0)


@pytest.mark.parametrize(
    ("shape", "given"),
    [((1, 2, 4, 5), {"axes": [2, 3]}), ((1, 4, 5, 2), {"axes": [1, 2]}), ((4, 5), {"axes": [-2, -1]})],
)
def test_some_axes(shape: tuple[int, ...], given: dict[str, Any]) -> None:
    """Also of pictures with channels last."""
    nodes = [node("Resize", "x _ _ sizes", "y", mode="linear", **given)]
    check(nodes, {"x": random(*shape)}, {"sizes": np.array([7, 3])}, step=1.0)


@pytest.mark.parametrize("after", [9_000, 5_000, 2_500])
def test_long_axes(after: int) -> None:
    """Those of sounds, without a matrix of as many rows and columns."""
    x = {"x": random(1, 2, 5_000)}
    sizes = {"sizes": np.array([1, 2, after])}
    model = weighted(model_of([node("Resize", "x _ _ sizes", "y")], x, sizes), x)
    places = np.arange(5_000, dtype=np.float32)[None, None].repeat(2, axis=1)
    (taken,) = run(model_of([node("Resize", "x _ _ sizes", "y")], x, sizes), {"x": places})
    weights = numpy_helper.to_array(model.graph.initializer[-1])
    expected = np.stack([np.bincount(taken[0, 0].astype(int), row, 5_000) for row in weights[0]])
    np.testing.assert_allclose(derived(model, x)[0][0], expected, rtol=1e-5)
    if after == 9_000:
        with pytest.raises(ModelError, match=rf"'y' \(Resize\) has no gradient: it resizes .* to {after:,}"):
            derived(model_of([node("Resize", "x _ _ sizes", "y", mode="linear")], x, sizes), x)


def test_three_axes() -> None:
    nodes = [node("Resize", "x _ scales", "y", mode="linear")]
    scales = {"scales": np.array([1, 1, 2, 0.5, 1.5], np.float32)}
    check(nodes, {"x": random(1, 2, 3, 4, 4)}, scales, step=1.0)


@pytest.mark.parametrize("scale", [(2.0, 3.0), (1.5, 2.5)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_old_opsets(mode: str, scale: tuple[float, float]) -> None:
    """Places were asymmetric in these."""
    scales = [1.0, 1.0, *scale]
    given = {"scales": np.array(scales, np.float32)}
    check([node("Upsample", "x", "y", mode=mode, scales=scales)], X, opset=7, step=1.0)
    check([node("Upsample", "x scales", "y", mode=mode)], X, given, opset=9, step=1.0)
    check([node("Resize", "x scales", "y", mode=mode)], X, given, opset=10, step=1.0)


def test_results_of_old_operators_keep_their_names() -> None:
    nodes = [node("Upsample", "x scales", "wide", mode="nearest"), node("Mul", "wide wide", "y")]
    scales = {"scales": np.array([1, 1, 2, 2], np.float32)}
    built = gradient(model_of(nodes, X, scales, opset=9), Target("y", "CCCC"), "wide", rules=rules())
    _, found, wide = run(built, X)
    np.testing.assert_array_equal(wide, X["x"].repeat(2, axis=2).repeat(2, axis=3))
    np.testing.assert_allclose(found, 2 * wide)


def test_old_opsets_shrink_by_rounding_up() -> None:
    nodes = [node("Resize", "x scales", "y", mode="nearest")]
    check(nodes, X, {"scales": np.array([1, 1, 0.6, 0.7], np.float32)}, opset=10, step=1.0)
    with pytest.raises(ModelError, match="enlarges one axis and shrinks another"):
        derived(model_of(nodes, X, {"scales": np.array([1, 1, 0.5, 2], np.float32)}, opset=10), X)


def test_a_kept_aspect_ratio_is_refused() -> None:
    given = {"keep_aspect_ratio_policy": "not_larger", "axes": [2, 3]}
    nodes = [node("Resize", "x _ _ sizes", "y", **given)]
    message = r"'y' \(Resize\) has no gradient: its keep_aspect_ratio_policy 'not_larger' is not supported"
    with pytest.raises(ModelError, match=message):
        derived(model_of(nodes, X, {"sizes": np.array([8, 8])}), X)


INTERPOLATE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nearest": (
        {"mode": "nearest"},
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "bilinear": (
        {"mode": "bilinear", "align_corners": False},
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    ),
    "corners": (
        {"mode": "bilinear", "align_corners": True},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    ),
    "bicubic": (
        {"mode": "bicubic", "align_corners": False},
        {"mode": "cubic", "coordinate_transformation_mode": "half_pixel"},
    ),
}


@pytest.mark.keras
@pytest.mark.parametrize("name", INTERPOLATE)
@settings(max_examples=10, deadline=None)
@given(
    before=st.tuples(*[st.integers(2, 6)] * 2),
    after=st.tuples(*[st.integers(2, 9)] * 2),
    seed=st.integers(0, 99),
)
def test_torch(name: str, before: tuple[int, int], after: tuple[int, int], seed: int) -> None:
    torch = find_torch()
    options, attributes = INTERPOLATE[name]
    check_with_torch(
        [node("Resize", "x _ _ sizes", "y", **attributes)],
        {"x": random(2, 3, *before, seed=seed)},
        lambda x: torch.nn.functional.interpolate(x, after, **options),
        {"sizes": np.array([2, 3, *after])},
    )
