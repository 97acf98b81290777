"""The inputs of a session, and validation of arrays for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from filterkit.errors import RuntimeFailure
from filterkit.graph.loading.names import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMPY_NAMES = {"float": "float32", "double": "float64"}
_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
PIXELS = frozenset(("float16", "float32", "float64", "bool", *_INTEGERS))
"""Dtypes of pictures that ONNX Runtime accepts from NumPy."""


class Input(NamedTuple):
    """One input: name, NumPy name of its dtype, and axes (a name or None for dynamic axes)."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        axes = " × ".join("?" if axis is None else shown(str(axis)) for axis in self.shape)
        return f"'{shown(self.name)}' ({self.dtype} {axes or 'scalar'})"


def inputs_of(session: Any) -> tuple[Input, ...]:
    """The inputs of an ONNX Runtime session."""
    found = []
    for given in session.get_inputs():
        kind = given.type.removeprefix("tensor(").removesuffix(")")
        found.append(Input(given.name, _NUMPY_NAMES.get(kind, kind), tuple(given.shape)))
    return tuple(found)


def check_type(entry: Input, taken: Collection[str] = PIXELS) -> None:
    """Raise RuntimeFailure if ONNX Runtime accepts no array for an input, e.g. for bfloat16."""
    if entry.dtype not in taken:
        raise RuntimeFailure(
            f"cannot feed input {entry}: ONNX Runtime does not accept {shown(entry.dtype)} arrays from NumPy",
            hint="export the network with float32 inputs; its filters can be listed, drawn and exported",
        )


def fitting(
    given: Mapping[str, NDArray[Any]], needed: Sequence[Input], known: Iterable[str]
) -> dict[str, NDArray[Any]]:
    """Validate the arrays `given` and return those that are `needed`.

    Parameters
    ----------
    known
        Names of all inputs of the whole network, of which an excerpt may need only some.

    Raises
    ------
    RuntimeFailure
        If a name is unknown or missing, or the dtype or shape of an array does not match.
    """
    takes = f"the network takes {', '.join(map(str, needed))}"
    names = {*known, *(entry.name for entry in needed)}
    for name in given:
        if name not in names:
            raise RuntimeFailure(f"the network has no input '{shown(name)}'", hint=takes)
    for entry in needed:
        if entry.name not in given:
            raise RuntimeFailure(f"missing input {entry}", hint=takes)
        check_type(entry, {*PIXELS, "string"})
        array = given[entry.name]
        if array.dtype.name != entry.dtype and not (entry.dtype == "string" and array.dtype.kind in "OU"):
            raise RuntimeFailure(f"input {entry} does not accept {array.dtype.name}", hint=takes)
        fits = len(array.shape) == len(entry.shape) and all(
            not isinstance(axis, int) or axis == size
            for axis, size in zip(entry.shape, array.shape, strict=True)
        )
        if not fits:
            shape = " × ".join(map(str, array.shape)) or "a scalar"
            raise RuntimeFailure(f"input {entry} does not accept shape {shape}", hint=takes)
    return {entry.name: given[entry.name] for entry in needed}


def cast(values: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Cast prepared pixels to the dtype of an input; integers are rounded and clipped."""
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        bounds = np.iinfo(kind)
        return np.clip(np.rint(values), bounds.min, bounds.max).astype(kind)
    return values.astype(kind, copy=False)
