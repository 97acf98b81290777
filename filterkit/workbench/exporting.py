"""Writing arrays to files that other tools read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.records import FloatArray


def export(arrays: Mapping[str, FloatArray], path: Path) -> None:
    """Write named arrays by `path`'s suffix: ``.npy`` (one array), ``.npz`` or ``.safetensors``.

    Raises
    ------
    UsageError
        Another suffix, or several arrays for a ``.npy``.
    """
    import numpy as np

    suffix = path.suffix.lower()
    if suffix == ".npy" and len(arrays) > 1:
        raise UsageError(f"{len(arrays)} layers do not fit into one .npy", hint=f"{path.stem}.npz holds them")
    if suffix not in (".npy", ".npz", ".safetensors"):
        raise UsageError(f"arrays are not written as '{path.name}'", hint="use .npy, .npz or .safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".npy":
        [array] = arrays.values()
        np.save(path, array)
    elif suffix == ".npz":
        np.savez(path, **arrays)  # type: ignore[arg-type]
    else:
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
