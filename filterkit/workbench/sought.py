"""What a search looks for: one kernel or filter, by its address, from a file, or written out."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from filterkit.address import refuse_url
from filterkit.errors import NotFoundError, UsageError, closest

if TYPE_CHECKING:
    from filterkit.catalog.matches import Match
    from filterkit.records import FloatArray

Level = Literal["kernel", "filter"]

LARGEST = 1 << 22
"""Numbers of the largest filter that is looked for."""

EXAMPLES = "e.g. vgg16/block1_conv1/3, vgg16/block1_conv1/3/0, sobel.npy or '[[-1,0,1],[-2,0,2],[-1,0,1]]'"


@dataclass(frozen=True, slots=True, eq=False)
class Sought:
    """A kernel, shape ``kernel_shape``, or a filter, shape (kernels, *kernel_shape).

    Attributes
    ----------
    name
        What to call it.
    place
        Where it is in the catalog: the layer's id, the filter and, of a kernel, the kernel.
    """

    name: str
    level: Level
    values: FloatArray
    place: tuple[int, int, int | None] | None = None

    def __post_init__(self) -> None:
        import numpy as np

        if not np.isfinite(self.values).all():
            raise UsageError(f"{self.name} holds NaN or infinity, and is similar to nothing")
        if not self.values.any():
            raise UsageError(f"{self.name} is all zeros, and similar to nothing")

    def fitted(self, shapes: Collection[tuple[int, ...]]) -> FloatArray | None:
        """The values in one of these shapes, or None; an axis of length 1 in front may be one too many.

        `export` writes them: one filter is a bank of one.
        """
        values = self.values
        while values.shape not in shapes:
            if self.place or values.ndim < 2 or values.shape[0] > 1:
                return None
            values = values[0]
        return values


def check_level(level: str | None) -> None:
    """Raise UsageError unless `level` is one of `Level` or None."""
    if level not in (None, *get_args(Level)):
        raise UsageError(f"there is no level '{level}'", hint=closest(str(level), get_args(Level)))


def from_match(match: Match, bank: FloatArray, level: Level | None) -> Sought:
    """What `match` selects of the whole bank of its layer.

    Raises
    ------
    UsageError
        It is not one filter, or not one kernel.
    """
    level = level or ("filter" if match.asked.kernels is None else "kernel")
    number, several = match.filters[0], len(match.kernels) > 1
    address = f"{match.address}/{number}"
    if len(match.filters) > 1:
        raise UsageError(
            f"{match.selected_address} has {len(match.filters)} filters, and one is looked for at a time",
            hint=f"e.g. {address}",
        )
    if level == "kernel" and several:
        raise UsageError(
            f"{address} has {len(match.kernels)} kernels, and one is looked for at a time",
            hint=f"e.g. {address}/{match.kernels[0]}, or --level filter for the whole filter",
        )
    if level == "filter" and len(match.kernels) < bank.shape[1]:
        raise UsageError(
            f"{match.selected_address} is a part of a filter",
            hint=f"the whole is {address}",
        )
    if level == "filter":
        return Sought(address, level, bank[number], (match.layer["id"], number, None))
    kernel = match.kernels[0]
    return Sought(f"{address}/{kernel}", level, bank[number, kernel], (match.layer["id"], number, kernel))


def from_array(array: Any, name: str, level: Level | None) -> Sought:
    """Numbers of one or two dimensions are a kernel, of more a filter, unless `level` says otherwise.

    Raises
    ------
    UsageError
        It is no array of finite numbers, is too large, or holds zeros only.
    """
    import numpy as np

    try:
        values = np.asarray(array)
    except (ValueError, OverflowError):  # rows of different lengths
        values = np.empty(0)
    if values.dtype.kind not in "fiu" or not values.ndim or not values.size:
        raise UsageError(f"{name} is no array of numbers", hint=EXAMPLES)
    if values.size > LARGEST:
        raise UsageError(f"{name} has {values.size:,} numbers; a filter has at most {LARGEST:,}")
    with np.errstate(over="ignore"):
        return Sought(name, level or ("kernel" if values.ndim <= 2 else "filter"), values.astype(np.float64))


def from_literal(text: str, level: Level | None) -> Sought:
    """Numbers in brackets, as JSON and Python write them; raises as `from_array`."""
    name = text if len(text) <= 40 else f"{text[:39]}…"
    try:
        numbers = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{name} cannot be read as numbers in brackets", hint=EXAMPLES) from None
    return from_array(numbers, name, level)


def from_file(path: Path, level: Level | None) -> Sought:
    """The array in an ``.npy`` file; raises as `from_array`, and NotFoundError where there is none."""
    import numpy as np

    refuse_url(str(path), "a file is expected here")
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", hint=EXAMPLES)
    try:
        with np.errstate(over="ignore"):  # in the size that a header claims
            array = np.load(path, mmap_mode="r", allow_pickle=False)  # read once its size is known
    except Exception as error:  # by what is wrong with the file: its header, its length, its kind
        raise UsageError(
            f"{path} is no .npy of plain numbers",
            hint="numpy.save(FILE, array) and filterkit export write one",
        ) from error
    return from_array(array, str(path), level)
