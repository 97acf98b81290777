"""Inputs of networks that take no pictures, from ``.npz`` files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError
from filterkit.image_sources.files import named_file
from filterkit.records import SourceImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

AS_IT_IS = "filterkit maps --input FILE.npz passes the arrays of a file on unchanged"


class NpzInputs:
    """The inputs in an ``.npz`` file: one array per input of the graph, whose first axis counts them.

    Arrays without axes are the same for all. The network takes the arrays unchanged, without preprocessing,
    one input at a time. Arrays that are not compressed may be larger than the memory.
    """

    def images(self, spec: str) -> Iterator[SourceImage]:
        """See `ImageSource.images`.

        Raises
        ------
        ImageError
            The file does not exist.
        UsageError
            It is not an ``.npz`` file of plain arrays, or they have different numbers of inputs.
        """
        from filterkit.runtime.raw_inputs import read_inputs

        path = named_file(spec, "npz")
        arrays = read_inputs(path, mapped=True)
        counts = {name: len(array) for name, array in arrays.items() if array.ndim}
        if not counts or not all(array.size for array in arrays.values()):
            raise UsageError(f"{path} contains no inputs", hint="numpy.savez(FILE, input=array) writes them")
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count:,}" for name, count in [*counts.items()][:6])
            raise UsageError(
                f"the arrays in {path} have different numbers of inputs ({listed})",
                hint=f"the first axis of each must have the same length; {AS_IT_IS}",
            )
        for number in range(next(iter(counts.values()))):
            yield SourceImage(f"{path}!{number}", partial(_one, arrays, number), inputs=True)


def _one(arrays: Mapping[str, NDArray[Any]], number: int) -> dict[str, NDArray[Any]]:
    """One input, each array with a first axis of length 1."""
    import numpy as np

    return {
        name: np.array(array[number : number + 1] if array.ndim else array) for name, array in arrays.items()
    }
