"""The store: models and filter banks in a folder beside the catalog, each under the hash of its content.

::

    catalog.store/models/<sha256>/model.onnx    and its external data, under the names the model gives it
    catalog.store/banks/<sha256>.safetensors    key: a layer's name; its bias: that name and "/bias"
    catalog.store/cuts/<model's sha256>/        graphs cut out of the model; their weights are in model.onnx
    catalog.store/staging/                      what is being written, renamed once it is whole

Whoever writes or sweeps holds the catalog's write lock, so there is one staging folder, and what no row of
the catalog names is a leftover. A store may come from somebody else: no link in it is followed, nothing but a
hash is used as a path, and only what has a name of this form is ever deleted.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from filterkit.errors import CatalogError
from filterkit.hashing import file_sha256

if TYPE_CHECKING:
    from filterkit.catalog.bank_files import BankFile
    from filterkit.records import FilterBank

MODEL_FILE = "model.onnx"

ROOMS = ("models", "banks", "cuts", "staging")
HASH = re.compile(r"[0-9a-f]{64}")
BANKS = re.compile(r"([0-9a-f]{64})\.safetensors")
CUT = re.compile(r"[0-9a-f]{32}\.(onnx|part)")
STAGED = re.compile(r"[0-9a-f]{64}|banks|replaced")
"""Names that are written in the store; no other is deleted."""

MOST_FILES = 100_000
"""Of one model: its ONNX file and its external data."""


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
        """Where the ONNX file of that hash is, or would be; raises CatalogError as `path` does."""
        return self.path("models", _hash(sha256), MODEL_FILE)

    def banks_path(self, banks_sha256: str) -> Path:
        """Where the banks of that hash are, or would be; raises CatalogError as `path` does."""
        return self.path("banks", f"{_hash(banks_sha256)}.safetensors")

    def cuts_path(self, sha256: str) -> Path:
        """Folder of what was cut out of the model of that hash; who runs it writes there, whoever it is."""
        return self.path("cuts", _hash(sha256))

    def path(self, *parts: str) -> Path:
        """A path in the store, on which nothing is a link.

        Raises
        ------
        CatalogError
            Something on it is a link, the store itself included.
        """
        path = self.folder
        for part in ("", *parts):
            path = path / part
            if path.is_symlink():
                raise CatalogError(
                    f"{path} is a link, and no link is followed in a store",
                    hint="filterkit makes none; if it is yours, put the folder or file itself there",
                )
        return path

    def check_rooms(self) -> None:
        """Raise CatalogError where the store or one of its folders is a link, before anything is written."""
        for room in ROOMS:
            self.path(room)

    def check_model(self, sha256: str) -> None:
        """Raise CatalogError where a file of the model of that hash is a link, or there are too many."""
        folder = self.model_path(sha256).parent
        for number, entry in enumerate(_below(folder)):
            if entry.is_symlink() or number >= MOST_FILES:
                what = "is a link" if entry.is_symlink() else f"is one of more than {MOST_FILES:,} files"
                raise CatalogError(
                    f"{entry.path} {what}, and is not used", hint="`filterkit doctor` says what mends it"
                )

    def links(self) -> list[Path]:
        """Every link in the store, the store itself included: filterkit makes none, and follows none."""
        if self.folder.is_symlink():
            return [self.folder]
        return [Path(entry.path) for entry in _below(self.folder) if entry.is_symlink()]

    def holds(self, sha256: str, banks_sha256: str, external: Sequence[str] = ()) -> bool:
        """Whether the model with its `external` data and its banks are here, whatever is in them."""
        return self._holds_model(sha256, external) and self.banks_path(banks_sha256).is_file()

    def _holds_model(self, sha256: str, external: Sequence[str]) -> bool:
        names = (MODEL_FILE, *external)
        paths = (self.path("models", _hash(sha256), *PurePosixPath(name).parts) for name in names)
        return all(path.is_file() for path in paths)

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
            from filterkit.catalog.bank_files import BankFile

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
        from filterkit.catalog.bank_files import write_banks

        staged = self._stage("banks")
        banks_sha256 = write_banks(staged, banks)
        _sync(staged)
        target = self.banks_path(banks_sha256)
        if anew or not target.exists():
            self._open.pop(banks_sha256, None)
            self._finish(staged, target)
        return banks_sha256

    def sweep(self, models: Collection[str], banks: Collection[str]) -> int:
        """Delete everything but the models and banks of these hashes; returns how many bytes that frees.

        Only what has a name that is written here is deleted, and never through a link: what else lies in the
        store is somebody's own.
        """
        self.check_rooms()
        freed = sum(_remove(path) for path in _entries(self.folder / "staging", STAGED))
        for path in _entries(self.folder / "models", HASH):
            if path.name not in models:
                freed += _remove(path)
        for path in _entries(self.folder / "cuts", HASH):
            if path.name not in models:
                freed += sum(_remove(cut) for cut in _entries(path, CUT))
                _remove_if_empty(path)
        for path in _entries(self.folder / "banks", BANKS):
            if path.stem not in banks:
                self._open.pop(path.stem, None)
                freed += _remove(path)
        for room in ROOMS:
            _remove_if_empty(self.folder / room)
        _remove_if_empty(self.folder)
        return freed

    def _stage(self, name: str) -> Path:
        path = self.path("staging", name)
        path.parent.mkdir(parents=True, exist_ok=True)
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


def _hash(sha256: str) -> str:
    """`sha256`, if it is one: whoever writes a catalog can write any text in its place."""
    if not isinstance(sha256, str) or not HASH.fullmatch(sha256):
        raise CatalogError(
            f"the catalog is damaged: {sha256!r:.80} is no SHA-256",
            hint="put a copy back, or move it away and make it anew with `filterkit add`",
        )
    return sha256


def _entries(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """What lies in a folder of the store under such names, but links; nothing where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            found = [each for each in entries if names.fullmatch(each.name) and not each.is_symlink()]
            return [Path(each.path) for each in found]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder; links are among it, and not followed."""
    pending: list[str | Path] = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    yield entry
        except (FileNotFoundError, NotADirectoryError):
            continue


def _remove(path: Path) -> int:
    """Delete a file, or a folder with all in it, where there is one and it is no link; returns its bytes."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    if stat.S_ISLNK(status.st_mode):
        return 0
    if not stat.S_ISDIR(status.st_mode):
        path.unlink()
        return status.st_size
    freed = sum(entry.stat(follow_symlinks=False).st_size for entry in _below(path) if entry.is_file())
    shutil.rmtree(path)  # which deletes links in it, and follows none
    return freed


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not there, or not empty, or somebody else's
        folder.rmdir()
