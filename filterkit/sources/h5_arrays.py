"""The arrays in an HDF5 file, as Keras writes them. Only what lies in the file itself is read."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import SourceError
from filterkit.sources.stored_arrays import FLOATS, StoredArray, natural

if TYPE_CHECKING:
    from numpy.typing import NDArray


@contextmanager
def h5_arrays(path: Path) -> Iterator[Sequence[StoredArray]]:
    """The arrays of the file, in the order of its layers: the one that Keras notes, else by their numbers.

    Links, which may lead to other files, are not followed.

    Raises
    ------
    SourceError
        Where h5py is missing, or weights lie in other files.
    """
    check_installed(path.name)
    import h5py

    arrays: list[StoredArray] = []
    layers: list[str] = []
    """The layers' names in order, as old files have them."""

    def note(name: str, item: Any) -> None:
        """Visited are the things in the file, each once, but no links."""
        if isinstance(item, h5py.Dataset):
            if item.dtype.name not in FLOATS or item.shape is None:
                return
            if item.external or item.is_virtual:
                raise SourceError(
                    f"{path.name} keeps '{name}' in another file, and no other file is read",
                    hint="save the weights again, into one file",
                )
            arrays.append(StoredArray(name, item.dtype.name, item.shape, _reader(item), _layer(item)))
        elif name == "model_weights":
            layers.extend(_texts(item.attrs.get("layer_names")))

    with h5py.File(path, "r") as file:
        layers.extend(_texts(file.attrs.get("layer_names")))
        file.visititems(note)
        places = {layer: place for place, layer in enumerate(layers)}

        def order(array: StoredArray) -> tuple[int, list[str | int]]:
            first = array.name.removeprefix("model_weights/").partition("/")[0]
            return places.get(first, -1), natural(array.name)

        yield sorted(arrays, key=order)


def check_installed(name: str) -> None:
    """Raise SourceError where h5py is missing, without which the file `name` cannot be read."""
    if importlib.util.find_spec("h5py") is None:
        raise SourceError(
            f"{name} needs more than is installed: h5py", hint="pip install 'cnn-filterkit[h5]'"
        )


def _reader(item: Any) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        numbers: NDArray[Any] = item[()]
        return numbers

    return read


def _layer(item: Any) -> str:
    """What Keras 3 notes beside a layer's variables; a name that Keras made up tells nothing."""
    group = item.parent
    if not group.name.endswith("/vars"):
        return ""
    [name] = _texts([group.attrs.get("name", "")]) or [""]
    return "" if re.fullmatch(r"([a-z]+_)*conv[123]d(_transpose)?(_\d+)?", name) else name


def _texts(values: Any) -> list[str]:
    """Those of an attribute's values that are texts."""
    found = [] if values is None else list(values)
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in found]
    return [text for text in texts if isinstance(text, str)]
