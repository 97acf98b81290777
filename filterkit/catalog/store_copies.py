"""Copying files from the store of another catalog: nothing is believed but what was hashed or parsed here.

The catalog that is written is locked meanwhile. What is copied for rows that are not written after all is a
leftover, which sweeping the store deletes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from filterkit.atomic_writes import write_file
from filterkit.catalog.bank_files import BankFile
from filterkit.catalog.observation_files import LARGEST, ObservationFiles
from filterkit.catalog.store import HASH, MODEL_FILE, Store, combined_sha256, sync
from filterkit.catalog.visualization_files import intact
from filterkit.errors import CatalogError
from filterkit.hashing import is_sparse

PORTION = 1 << 20
"""Bytes that are read at a time."""


class StoreCopies:
    """Copies from the store `theirs` to `mine`.

    Raises
    ------
    CatalogError
        A file of theirs is a link, corrupted or cannot be read.
    OSError
        Mine cannot be written.
    """

    def __init__(self, theirs: Store, mine: Store) -> None:
        self._theirs, self._mine = theirs, mine
        self._folders: set[Path] = set()

    def sync(self) -> None:
        """Make the names of all copied files durable: called before the rows that need them are committed."""
        for folder in self._folders:
            sync(folder)
        self._folders.clear()

    def model(self, sha256: str) -> bool:
        """Copy the files of a model, unless they are missing there or present here; whether it was done."""
        target = self._mine.model_path(sha256).parent
        names = self._theirs.model_files(sha256)
        if MODEL_FILE not in names or target.exists():
            return False
        self._theirs.check_model(sha256)
        staged = self._staged(sha256)
        staged.mkdir()
        digests = {}
        for name in names:
            parts = PurePosixPath(name).parts
            copy = staged.joinpath(*parts)
            copy.parent.mkdir(parents=True, exist_ok=True)
            digests[name] = copy_file(self._theirs.path("models", sha256, *parts), copy)
        if combined_sha256(digests.pop(MODEL_FILE), digests) != sha256:
            raise altered(self._theirs.model_path(sha256))
        sync(staged)
        self._finish(staged, target)
        return True

    def banks(self, sha256: str) -> bool:
        """As `model`, for a file of banks."""
        source, target = self._theirs.banks_path(sha256), self._mine.banks_path(sha256)
        if target.exists() or not os.path.lexists(source):
            return False
        staged = self._staged("banks")
        if copy_file(source, staged) != sha256:
            raise altered(source)
        self._finish(staged, target)
        return True

    def check_banks(self, sha256: str, layers: Iterable[dict[str, Any]]) -> None:
        """Raise CatalogError if the banks here, if there are any, do not have the shapes that rows state."""
        path = self._mine.banks_path(sha256)
        if not path.is_file():
            return
        banks = BankFile(path)
        for layer in layers:
            stated = (layer["filters"], layer["kernels"] // layer["filters"], *layer["kernel_shape"])
            if banks.weights(layer["name"]).shape != stated:
                raise CatalogError(f"{layer['name']} does not have the shape of its filters in the store")

    def visualizations(self, sha256: str) -> int:
        """Copy the intact pictures that are missing here; returns how many."""
        copied = 0
        for path in self._theirs.visualizations(sha256):
            target = self._mine.visualizations_path(sha256, path.name)
            if not os.path.lexists(target) and (content := intact(path)) is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_file(target, content)
                copied += 1
        return copied

    def has_observation(self, folder: str) -> bool:
        """Whether there are files of an observation: without them it can be queried, but not continued."""
        return self._theirs.observation_path(folder).is_dir()

    def observed_layer(
        self,
        source: str,
        target: str,
        layer: tuple[int, int],
        top: int,
        specs: Sequence[str],
        pictures: int,
    ) -> None:
        """Copy the files of one layer from the observation's folder `source` to the folder `target`.

        Parameters
        ----------
        layer
            Its position and the number of its filters.
        pictures
            The least number of pictures that the files must describe.
        """
        position, filters = layer
        into = self._mine.observation_path(target)
        into.mkdir(parents=True, exist_ok=True)
        self._folders |= {into, into.parent, self._mine.folder}
        name = f"{position}.safetensors"
        copy = self._mine.observation_path(target, name)
        copy.unlink(missing_ok=True)  # of a killed process
        original = self._theirs.observation_path(source, name)
        copy_file(original, copy, LARGEST)
        files = ObservationFiles(self._mine, target)
        try:
            state, _ = files.with_metrics(position, filters, top, specs)
        except CatalogError as error:
            raise altered(original) from error
        if state is None or state.pictures < pictures:
            raise altered(original)
        name = f"{position}.f32"
        size = 4 * 2 * state.pictures * filters
        copy = self._mine.observation_path(target, name)
        copy.unlink(missing_ok=True)
        copy_file(self._theirs.observation_path(source, name), copy, only=size)

    def kept_pictures(self, folder: str) -> set[str]:
        """The hashes of the pictures that an observation of theirs has a copy of."""
        return {path.stem for path in self._theirs.kept_pictures(folder)}

    def kept_picture(self, source: str, target: str, sha256: str) -> None:
        """Copy the copy of a picture."""
        assert HASH.fullmatch(sha256)
        original = self._theirs.observation_path(source, f"{sha256}.picture")
        copy = self._mine.observation_path(target, f"{sha256}.picture")
        if copy.is_file():
            return
        part = self._mine.observation_path(target, f"{sha256}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        if copy_file(original, part, LARGEST) != sha256:
            part.unlink()
            raise altered(original)
        part.replace(copy)

    def _staged(self, name: str) -> Path:
        path = self._mine.path("staging", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def _finish(self, staged: Path, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        staged.replace(target)
        self._folders |= {target.parent, self._mine.folder, self._mine.folder.parent}


def copy_file(source: Path, target: Path, most: int | None = None, *, only: int | None = None) -> str:
    """Copy a file of unknown origin, durably; returns the SHA-256 of what was copied.

    Parameters
    ----------
    most
        Limit on its bytes.
    only
        Copy its first bytes, which it must have; ignore what follows.

    Raises
    ------
    CatalogError
        `source` is not a plain file, has other bytes than its size says, or cannot be read.
    OSError
        `target` cannot be written, or exists.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # a pipe would block
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(source, flags)
    except OSError as error:
        raise _unreadable(source, error) from error
    with os.fdopen(handle, "rb", buffering=0) as file:
        status = os.fstat(handle)
        left = status.st_size if only is None else only
        wrong = not stat.S_ISREG(status.st_mode) or left > status.st_size
        if wrong or (most is not None and left > most) or is_sparse(source):
            raise altered(source)
        free = shutil.disk_usage(target.parent).free
        if left > free:
            raise OSError(f"{left:,} bytes do not fit into {free:,} free ones")
        digest = hashlib.sha256()
        with target.open("xb", buffering=0) as copy:
            while left:
                try:
                    portion = file.read(min(left, PORTION))
                except OSError as error:
                    raise _unreadable(source, error) from error
                if not portion:
                    raise altered(source)
                digest.update(portion)
                _write(copy.fileno(), portion)
                left -= len(portion)
            os.fsync(copy.fileno())
    return digest.hexdigest()


def _write(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def altered(path: Path) -> CatalogError:
    """The error for a file that is not what its catalog says."""
    return CatalogError(f"{path} is missing or altered", hint="`filterkit doctor` examines a catalog")


def _unreadable(path: Path, error: OSError) -> CatalogError:
    return CatalogError(f"{path} cannot be read: {error.strerror or error}")
