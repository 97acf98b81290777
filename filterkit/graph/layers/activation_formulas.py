"""Identify an activation by its values: every known one is tried, with fitted parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from filterkit.graph.layers.elementwise import gelu, sigmoid, softplus

Values = NDArray[np.float64]

LARGE = (20.0, 37.5, 80.0, 300.0, 1e3, 1e4, 1e6)
"""Inputs where activations have saturated; some formulas overflow there, and such values are ignored."""
USUAL = 12.0
"""A function must be finite for inputs up to this magnitude."""

EXACT = 1e-6
"""Tolerance for piecewise linear functions, relative to the larger of the value and 1."""
ROUNDED = 2e-3
"""Tolerance for smooth functions, whose constants may be rounded to float16. GELU by Erf and by Tanh differ
by less (0.0005) and share a name; SiLU, Mish, quick GELU and hard swish differ by more than 0.01."""


@cache
def samples() -> Values:
    """Inputs to evaluate functions on, shape (1, count): negative and positive, small and large, and 0."""
    even = np.linspace(0.0371, USUAL, 61)
    fine = np.geomspace(1e-4, 0.03, 9)
    half = np.concatenate([fine, even, [1.0, 3.0], LARGE])
    x = np.sort(np.concatenate([-half, [0.0], half]))[None]
    x.flags.writeable = False
    return x


def is_affine(values: Values) -> bool:
    """Whether every row is ``a * x + b``: bias and scale, and no activation."""
    x = samples()
    left, right = _at(values, -3.0), _at(values, 3.0)
    with np.errstate(all="ignore"):
        line = (right - left) / 6 * x + (left + right) / 2
    return _close(values, line, 1e-5)


def name_of(values: Values) -> str | None:
    """Name of the function with these values at `samples`, shape (1 or channels, count).

    None if it is unknown or affine.
    """
    if len(values) > 1 and bool((values == values[:1]).all()):
        values = values[:1]
    if len(values) == 1:
        return _name_of_row(np.ascontiguousarray(values, np.float64).tobytes())
    return _name_of(values)


@lru_cache(maxsize=256)
def _name_of_row(values: bytes) -> str | None:
    """`name_of` for one row, cached: most layers of a network have the same activation."""
    return _name_of(np.frombuffer(values)[None])


def _name_of(values: Values) -> str | None:
    if not np.isfinite(values[:, _usual()]).all() or is_affine(values):
        return None
    with np.errstate(all="ignore"):
        return next((name for name in (known(values) for known in _KNOWN) if name is not None), None)


@cache
def _usual() -> NDArray[np.bool_]:
    return np.asarray(np.abs(samples()[0]) <= USUAL)


def _at(values: Values, x: float) -> Values:
    """The function at one of the samples, shape (rows, 1)."""
    index = int(np.searchsorted(samples()[0], x - 1e-12))
    return values[:, index : index + 1]


def _close(values: Values, expected: Values, tolerance: float) -> bool:
    """Whether values agree wherever both are finite; in the usual range they must be."""
    expected = np.broadcast_to(expected, np.broadcast_shapes(expected.shape, values.shape))
    counts = np.isfinite(values) & np.isfinite(expected)
    if not counts[:, _usual()].all():
        return False
    off = np.abs(np.where(counts, values - expected, 0))
    return bool((off <= tolerance * np.maximum(1, np.abs(np.where(counts, expected, 0)))).all())


def _same_slope(values: Values, side: int) -> Values | None:
    """The slope of every row on one side of zero (1 or -1), if it is a line through zero there."""
    x = samples()
    slope = _at(values, math.copysign(3.0, side)) / math.copysign(3.0, side)
    there = np.sign(x) == side
    return slope if _close(np.where(there, values, 0), np.where(there, slope * x, 0), EXACT) else None


def _rectifier(values: Values) -> str | None:
    """ReLU and leaky variants: one slope below zero, and slope 1 above."""
    above, below = _same_slope(values, 1), _same_slope(values, -1)
    if above is None or below is None or not np.allclose(above, 1, atol=1e-3) or np.any(_at(values, 0) != 0):
        return None
    if np.all(np.abs(below) <= EXACT):
        return "relu"
    if np.all(np.abs(below + 1) <= 1e-3):
        return "abs"
    return "leaky_relu" if len(values) == 1 else "prelu"


def _clip(values: Values) -> str | None:
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    if not _close(values, np.clip(samples(), low, high), EXACT) or np.any(low >= high):
        return None
    is_relu6 = np.all(np.abs(low) <= EXACT) and np.all(np.abs(high - 6) <= EXACT)
    return "relu6" if is_relu6 else "clip"


def _ramp(values: Values) -> str | None:
    """``clip(a * x + b, 0, 1)`` with 0 < b < 1: a hard sigmoid, or for a = 1 a clip after a bias."""
    x = samples()
    inner = (values > 0.02) & (values < 0.98)
    if len(values) != 1 or inner.sum() < 2:
        return None
    chosen, outcomes = x[inner], values[inner]
    slope = (outcomes[-1] - outcomes[0]) / (chosen[-1] - chosen[0])
    base = outcomes[0] - slope * chosen[0]
    fits = slope > 0 and 0.02 < base < 0.98 and not math.isclose(slope, 1, rel_tol=1e-3)
    return "hard_sigmoid" if fits and _close(values, np.clip(slope * x + base, 0, 1), 1e-3) else None


def _hard_swish(values: Values) -> str | None:
    """``x * hard_sigmoid(x)``."""
    x = samples()
    gate = np.where(x == 0, 0.5, values / np.where(x == 0, 1, x))
    at_zero = float(np.max(np.abs(_at(values, 0))))
    near = gate[:, np.searchsorted(x[0], 0) - 1]
    gate[:, np.searchsorted(x[0], 0)] = near
    return "hard_swish" if at_zero <= EXACT and _ramp(gate) else None


def _threshold(values: Values) -> str | None:
    """Either 0 or x (thresholded ReLU, hard shrinkage), or x moved towards 0 (soft shrinkage)."""
    x = samples()
    if len(values) != 1:
        return None
    zero, kept = np.abs(values) <= EXACT, np.abs(values - x) <= EXACT * np.maximum(1, np.abs(x))
    if (zero | kept).all():
        above, below = x[kept & ~zero & (x > 0)], x[kept & ~zero & (x < 0)]
        first = above.min(initial=np.inf)
        if not len(above) or not kept[x >= first].all():
            return None
        if not len(below):
            return "thresholded_relu"
        last = below.max()
        return "hard_shrink" if kept[x <= last].all() and first == -last else None
    distance = float(_at(values, 1e6)[0, 0]) - 1e6
    if distance < 0 and _close(values, np.sign(x) * np.maximum(np.abs(x) + distance, 0), EXACT):
        return "soft_shrink"
    return None


def _exponential(values: Values) -> str | None:
    """ELU, CELU and SELU: exponential below zero, linear above."""
    x = samples()
    if len(values) != 1:
        return None
    scale = float(_at(values, 3.0)[0, 0]) / 3
    limit = -float(_at(values, -20.0)[0, 0])
    if scale <= 0 or limit <= 0:
        return None
    straight = np.abs(scale - 1) < 1e-3
    below = np.minimum(x, 0)
    if _close(values, np.where(x > 0, scale * x, limit * np.expm1(below)), ROUNDED / 2):
        return "elu" if straight else "selu"
    if straight:  # the parameter of CELU also sets its decay: the limit may not be reached
        alpha = -float(np.nanmin(np.where(np.isfinite(values), values, np.nan)))
        if _close(values, np.where(x > 0, x, alpha * np.expm1(below / alpha)), ROUNDED / 2):
            return "celu"
    return None


def _gated(values: Values) -> str | None:
    """``x * sigmoid(b * x)``: SiLU, quick GELU with b = 1.702, and Swish, whose b may differ by channel."""
    gate = _at(values, 1.0)
    if not np.all((gate > 0) & (gate < 1)):
        return None
    factor = np.log(gate / (1 - gate))
    if len(values) == 1 and factor <= 0:
        return None
    if not _close(values, samples() * sigmoid(factor * samples()), ROUNDED):
        return None
    usual = {"silu": 1.0, "quick_gelu": 1.702}
    return next((name for name, known in usual.items() if np.all(np.abs(factor - known) < 0.005)), "swish")


def _softplus(values: Values) -> str | None:
    """``log(1 + exp(b * x)) / b``."""
    zero = float(_at(values, 0)[0, 0])
    if len(values) != 1 or zero <= 0:
        return None
    factor = math.log(2) / zero
    return "softplus" if _close(values, softplus(factor * samples()) / factor, ROUNDED / 2) else None


def _fixed(name: str, function: Callable[[Values], Values]) -> Callable[[Values], str | None]:
    @cache
    def expected() -> Values:
        with np.errstate(all="ignore"):
            return function(samples())

    def known(values: Values) -> str | None:
        return name if len(values) == 1 and _close(values, expected(), ROUNDED / 2) else None

    return known


_KNOWN: tuple[Callable[[Values], str | None], ...] = (
    _rectifier,
    _clip,
    _threshold,
    _ramp,
    _hard_swish,
    _fixed("gelu", gelu),
    _gated,
    _fixed("mish", lambda x: x * np.tanh(softplus(x))),
    _exponential,
    _fixed("sigmoid", sigmoid),
    _fixed("tanh", np.tanh),
    _softplus,
    _fixed("softsign", lambda x: x / (1 + np.abs(x))),
    _fixed("log_sigmoid", lambda x: -softplus(-x)),
    _fixed("tanh_shrink", lambda x: x - np.tanh(x)),
)
