"""Reparametrized weights: weight norm, spectral norm, pruning masks, and quantized codes with a scale.

The effective weight, which the network multiplies with, is computed when the values are read.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitWarning, one_line
from filterkit.geometry import product
from filterkit.sources.stored_array import CODES, StoredArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEIGHT_NORM = ((r"_v$", "_g"), (r"\.parametrizations\.(\w+)\.original1$", r".parametrizations.\1.original0"))
_SPECTRAL = (
    (r"_orig$", "_u", "_v"),
    (r"_bar$", "_u", "_v"),
    (r"\.parametrizations\.(\w+)\.original$", r".parametrizations.\1.0._u", r".parametrizations.\1.0._v"),
)
_PART = re.compile(r"(^|[/\\._])(weights?|kernel)_(v|orig|bar)$|\.parametrizations\.\w+\.original1?$")
"""Names of arrays that are only a part of a weight."""

MOST_NAMED = 3
"""Maximum number of arrays listed by name in a warning."""

_SCALES = (
    "{0}_scale",
    "{0}.scale",
    "{0}/scale",
    "{0}_scale_inv",
    "{1}.scale",
    "{1}/scale",
    "{1}.weight_scale",
)
_ZEROS = ("{0}_zero_point", "{0}.zero_point", "{0}/zero_point", "{1}.zero_point", "{1}/zero_point")


def with_effective_weights(arrays: Sequence[StoredArray]) -> list[StoredArray]:
    """Replace arrays that are parts of one weight by that weight, in the position of the largest part.

    Supported are PyTorch's weight_norm (``weight_g`` and ``weight_v``, or ``original0`` and ``original1``: v
    times g / |v|, with the norm taken over the axes along which g has length one), its spectral_norm
    (``weight_orig`` divided by uᵀ W v), its pruning (``weight_orig`` times ``weight_mask``), and 8-bit codes
    with a scale and an optional zero point. Incomplete weights are left out, with a warning: codes without a
    matching scale, directions without a norm. Parts of a weight that is also stored as a whole are left out,
    too.
    """
    by_name = {array.name: array for array in arrays}
    parts: set[str] = set()
    made: dict[str, StoredArray | None] = {}
    lacking: list[str] = []
    for array in arrays:
        found = _weight_norm(array, by_name) or _divided(array, by_name)
        if found is None and array.dtype in CODES:
            found = _dequantized(array, by_name)
        if found is None and _is_part(array):
            found = (
                None,
                [re.sub(*form, array.name) for form in _WEIGHT_NORM if re.search(form[0], array.name)],
            )
            whole = _weight_name(array.name)
            if len(array.shape) > 2 and (whole == array.name or whole not in by_name):
                lacking.append(array.name)
        if found is not None:
            effective, others = found
            twice = effective is not None and effective.name != array.name and effective.name in by_name
            made[array.name] = None if twice else effective
            parts.update(others)
    lacking = [name for name in lacking if name not in parts]
    if lacking:
        message = f"{named(lacking)} left out: the file contains no matching norm, mask or scale"
        warnings.warn(message, FilterkitWarning, stacklevel=3)
    results = [made.get(array.name, array) for array in arrays if array.name not in parts]
    return [_modulated(array) for array in results if array is not None]


def _modulated(array: StoredArray) -> StoredArray:
    """Remove the leading batch axis from the weight of a modulated convolution (StyleGAN).

    1 × 512 × 512 × 3 × 3 is such a weight; as a 3-D kernel, the shape would be implausible.
    """
    shape = array.shape
    if len(shape) != 5 or shape[0] != 1 or shape[3] != shape[4] or shape[3] > 7 or shape[2] < 8:
        return array
    return replace(array, shape=shape[1:], read=lambda: array.read().reshape(shape[1:]))


def _is_part(array: StoredArray) -> bool:
    return array.dtype in CODES or (len(array.shape) > 2 and _PART.search(array.name) is not None)


def named(names: Sequence[str]) -> str:
    """``'a.weight_v' is``, or the number of arrays and the first few names."""
    some = ", ".join(f"'{one_line(name)[:80]}'" for name in names[:MOST_NAMED])
    more = ", …" * (len(names) > MOST_NAMED)
    return f"{some} is" if len(names) == 1 else f"{len(names)} arrays ({some}{more}) are"


Made = tuple[StoredArray | None, Sequence[str]]
"""An array, and the names of the other arrays that it was computed from."""


def _weight_norm(array: StoredArray, by_name: Mapping[str, StoredArray]) -> Made | None:
    for ending, other in _WEIGHT_NORM:
        name, found = re.subn(ending, other, array.name)
        norm = by_name.get(name) if found else None
        if norm is not None and _scales(norm, array):
            return _made(array, lambda v, g: _scaled_directions(v, g), norm), (norm.name,)
    return None


def _divided(array: StoredArray, by_name: Mapping[str, StoredArray]) -> Made | None:
    """The weight under spectral_norm or pruning."""
    if array.name.endswith("_orig") and len(array.shape) > 2:
        mask = by_name.get(array.name.removesuffix("_orig") + "_mask")
        if mask is not None and mask.shape == array.shape:
            return _made(array, lambda w, m: w * m, mask), (mask.name,)
    for ending, left, right in _SPECTRAL:
        names = [re.sub(ending, other, array.name) for other in (left, right)]
        if not re.search(ending, array.name) or len(array.shape) < 3:
            continue
        u, v = (by_name.get(name) for name in names)
        if u is None or len(u.shape) != 1:
            continue
        # A transposed convolution has its outputs on the second axis.
        axis = 0 if u.shape[0] == array.shape[0] else 1
        rest = product(array.shape) // max(array.shape[axis], 1)
        if u.shape[0] == array.shape[axis] and v is None:
            return _made(array, lambda w, a, axis=axis: _spectral(w, axis, a), u), (u.name,)
        if u.shape[0] == array.shape[axis] and v is not None and v.shape == (rest,):
            return _made(array, lambda w, a, b, axis=axis: _spectral(w, axis, a, b), u, v), (u.name, v.name)
    return None


def _dequantized(array: StoredArray, by_name: Mapping[str, StoredArray]) -> Made | None:
    parent = re.sub(r"[./\\][^./\\]*$", "", array.name)
    scales = [by_name.get(form.format(array.name, parent)) for form in _SCALES]
    scale = next((one for one in scales if one is not None and _scales(one, array)), None)
    if scale is None:
        return None
    zeros = [by_name.get(form.format(array.name, parent)) for form in _ZEROS]
    zero = next((one for one in zeros if one is not None and _scales(one, array)), None)
    if zero is None:
        return _made(array, lambda w, s: w * _along(s, w), scale), (scale.name,)
    return _made(array, lambda w, s, z: (w - _along(z, w)) * _along(s, w), scale, zero), (
        scale.name,
        zero.name,
    )


def _made(array: StoredArray, compute: Callable[..., NDArray[Any]], *others: StoredArray) -> StoredArray:
    def read() -> NDArray[Any]:
        import numpy as np

        with np.errstate(all="ignore"):
            made = compute(*(as_float32(one) for one in (array, *others)))
        return np.asarray(made, np.float32).reshape(array.shape)

    return replace(array, name=_weight_name(array.name), dtype="float32", read=read)


def _weight_name(name: str) -> str:
    """``conv.weight_v`` and ``conv.parametrizations.weight.original1`` are ``conv.weight``."""
    return re.sub(r"\.parametrizations\.(\w+)\.original1?$", r".\1", re.sub(r"_(v|orig|bar)$", "", name))


def _scales(scale: StoredArray, weight: StoredArray) -> bool:
    """Whether `scale` is a scalar or has one value per index along some axes of `weight`."""
    shape = scale.shape
    if product(shape) == 1:
        return True
    if len(shape) == 1:
        return shape[0] in (weight.shape[:1] + weight.shape[-1:])
    return len(shape) == len(weight.shape) and all(
        one in (1, whole) for one, whole in zip(shape, weight.shape, strict=True)
    )


def _along(scale: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    if scale.size == 1:
        return scale.reshape(())
    if scale.ndim == 1:
        first = scale.shape[0] == weight.shape[0]
        return scale.reshape((-1, *(1,) * (weight.ndim - 1)) if first else (-1,))
    return scale


def _scaled_directions(directions: NDArray[Any], norms: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    norms = _along(norms, directions)
    shape = norms.shape or (1,) * directions.ndim
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1)
    if norms.ndim == 1:  # one per index of the last axis
        axes = tuple(range(directions.ndim - 1))
    lengths = np.sqrt(np.sum(directions * directions, axes, keepdims=True, dtype=np.float32))
    return directions * (norms / lengths)


def _spectral(
    weight: NDArray[Any], axis: int, u: NDArray[Any], v: NDArray[Any] | None = None
) -> NDArray[Any]:
    import numpy as np

    matrix = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    if v is None:  # older versions of PyTorch do not store v
        v = matrix.T @ u
        v = v / max(float(np.linalg.norm(v)), 1e-12)
    return weight / (u @ (matrix @ v))


def as_float32(array: StoredArray) -> NDArray[Any]:
    """The values of an array as float32, whatever the stored dtype."""
    import numpy as np

    numbers = array.read()
    if array.dtype == "bfloat16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32)
