"""The store: models and filter banks in a folder beside the catalog, each under the hash of its content.

::

    catalog.store/models/<sha256>/model.onnx    and its external data, under the names the model gives it
    catalog.store/banks/<sha256>.safetensors    key: a layer's name; its bias: that name and "/bias"
    catalog.store/cuts/<model's sha256>/        graphs cut out of the model; their weights are in model.onnx
    catalog.store/staging/                      what is being written, renamed once it is whole

Whoever writes or sweeps holds the catalog's write lock, so there is one staging folder, and what no row of
the catalog names is a leftover.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.errors import CatalogError
from filterkit.hashing import file_sha256

if TYPE_CHECKING:
    from filterkit.catalog.banks import BankFile
    from filterkit.records import FilterBank

MODEL_FILE = "model.onnx"


class Store:
    """Models and banks by content.

    Attributes
    ----------
    folder
        Made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, BankFile] = {}

    def model_path(self, sha256: str) -> Path:
        """Where the ONNX file of that hash is, or would be."""
        return self.folder / "models" / sha256 / MODEL_FILE

    def banks_path(self, banks_sha256: str) -> Path:
        """Where the banks of that hash are, or would be."""
        return self.folder / "banks" / f"{banks_sha256}.safetensors"

    def cuts_path(self, sha256: str) -> Path:
        """Folder of what was cut out of the model of that hash; who runs it writes there, whoever it is."""
        return self.folder / "cuts" / sha256

    def holds(self, sha256: str, banks_sha256: str, external: Sequence[str] = ()) -> bool:
        """Whether the model with its `external` data and its banks are here, whatever is in them."""
        return self._holds_model(sha256, external) and self.banks_path(banks_sha256).is_file()

    def _holds_model(self, sha256: str, external: Sequence[str]) -> bool:
        path = self.model_path(sha256)
        return path.is_file() and all((path.parent / name).is_file() for name in external)

    def banks(self, banks_sha256: str) -> BankFile:
        """The banks of that hash, opened once.

        Raises
        ------
        CatalogError
            Where they are damaged or cannot be read.
        FileNotFoundError
            Where they are not here.
        """
        if banks_sha256 not in self._open:
            from filterkit.catalog.banks import BankFile

            self._open[banks_sha256] = BankFile(self.banks_path(banks_sha256))
        return self._open[banks_sha256]

    def put(
        self,
        source: Path,
        external: Sequence[str],
        sha256: str,
        banks: Mapping[str, FilterBank],
        *,
        anew: bool,
    ) -> str:
        """Put a model and its banks into the store, side by side; see `put_model` and `put_banks`."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as aside:
            copying = aside.submit(self.put_model, source, external, sha256, anew=anew)
            banks_sha256 = self.put_banks(banks, anew=anew)
        copying.result()
        return banks_sha256

    def put_model(self, source: Path, external: Sequence[str], sha256: str, *, anew: bool) -> None:
        """Copy the ONNX file `source` with its `external` data (names relative to it) into the store.

        Parameters
        ----------
        anew
            Look whether what is there is sound, and write it again where it is not.
        """
        target = self.model_path(sha256).parent
        # A sound one is never moved out of the way: killed in between, its rows would have no model.
        if self._holds_model(sha256, external) and not (
            anew and model_sha256(target / MODEL_FILE, external) != sha256
        ):
            return
        staged = self._stage(sha256)
        staged.mkdir()
        if any(Path(name) == Path(MODEL_FILE) for name in external):  # also where it says ./model.onnx
            raise CatalogError(
                f"external data named {MODEL_FILE} cannot be kept", hint="give it another name"
            )
        for original, copy in [
            (source, staged / MODEL_FILE),
            *((source.parent / name, staged / name) for name in external),
        ]:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, copy)
            _sync(copy)
        _sync(staged)
        if target.exists():
            target.rename(self._stage("replaced"))
        self._finish(staged, target)

    def put_banks(self, banks: Mapping[str, FilterBank], *, anew: bool) -> str:
        """Write `banks`, by layer name, into the store; returns their hash."""
        from filterkit.catalog.banks import write_banks

        staged = self._stage("banks")
        banks_sha256 = write_banks(staged, banks)
        _sync(staged)
        target = self.banks_path(banks_sha256)
        if anew or not target.exists():
            self._open.pop(banks_sha256, None)
            self._finish(staged, target)
        return banks_sha256

    def sweep(self, models: Collection[str], banks: Collection[str]) -> int:
        """Delete everything but the models and banks of these hashes; returns how many bytes that frees."""
        freed = _remove(self.folder / "staging")
        for path in [*(self.folder / "models").glob("*"), *(self.folder / "cuts").glob("*")]:
            if path.name not in models:
                freed += _remove(path)
        for path in (self.folder / "banks").glob("*"):
            if path.stem not in banks:
                self._open.pop(path.stem, None)
                freed += _remove(path)
        for folder in (*(self.folder / name for name in ("models", "banks", "cuts")), self.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return freed

    def _stage(self, name: str) -> Path:
        folder = self.folder / "staging"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        _remove(path)
        return path

    def _finish(self, staged: Path, target: Path) -> None:
        """Give what is staged its final name, for good."""
        target.parent.mkdir(exist_ok=True)
        staged.replace(target)
        for folder in (target.parent, self.folder, self.folder.parent):
            _sync(folder)


def model_sha256(path: Path, external: Sequence[str], whole: str | None = None) -> str:
    """Hash of an ONNX file; where it has external data, of the hashes and names of all its files.

    `whole` is the hash of the file itself, where it is known.
    """
    whole = whole or file_sha256(path)
    if not external:
        return whole
    names = sorted({posixpath.normpath(name) for name in external})
    lines = [whole, *(f"{file_sha256(path.parent / name)} {name}" for name in names)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def stored_model_sha256(path: Path) -> str:
    """Hash of the ONNX file at `path` in a store; the files around it there are its external data."""
    folder = path.parent
    files = (file for file in folder.rglob("*") if file.is_file() and file != path)
    return model_sha256(path, [file.relative_to(folder).as_posix() for file in files])


def _sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, outlast a power cut."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> int:
    """Delete a file, or a folder with all in it, where there is one; returns its bytes."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    freed = sum(file.stat().st_size for file in files if file.is_file())
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return freed
