"""Write named arrays to files that other tools can read."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from filterkit.atomic_writes import replacing
from filterkit.errors import UsageError
from filterkit.formats.safetensors_parts import safetensors_parts

if TYPE_CHECKING:
    from filterkit.records import FloatArray

ARRAYS = (".npy", ".npz", ".safetensors")
"""The suffixes of files that `write_arrays` writes."""


def write_arrays(arrays: Mapping[str, FloatArray], path: Path) -> None:
    """Write named arrays by `path`'s suffix: ``.npy`` (one array), ``.npz`` or ``.safetensors``.

    Raises
    ------
    UsageError
        Another suffix, or several arrays for a ``.npy``.
    """
    import numpy as np

    suffix = path.suffix.lower()
    if suffix == ".npy" and len(arrays) > 1:
        raise UsageError(
            f"cannot write {len(arrays)} layers to one .npy file", hint=f"use {path.stem}.npz instead"
        )
    if suffix not in ARRAYS:
        raise UsageError(f"cannot write arrays to '{path.name}'", hint="use .npy, .npz or .safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as file:
        if suffix == ".safetensors":
            file.writelines(safetensors_parts(arrays))
        elif suffix == ".npy":
            [array] = arrays.values()
            np.save(file, array)
        else:
            _write_npz(arrays, file)


def _write_npz(arrays: Mapping[str, FloatArray], file: BinaryIO) -> None:
    """As ``numpy.savez``, which does not accept arrays named ``file`` or ``allow_pickle``."""
    from numpy.lib import format as npy

    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)
