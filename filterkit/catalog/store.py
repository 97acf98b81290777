"""The store: models and filter banks in a folder beside the catalog, each under the hash of its content.

::

    catalog.store/models/<sha256>/model.onnx    and its external data, under the names the model gives it
    catalog.store/banks/<sha256>.safetensors    key: a layer's name; its bias: that name and "/bias"
    catalog.store/cuts/<model's sha256>/        graphs cut out of the model; their weights are in model.onnx
    catalog.store/visualizations/<same>/        optimized pictures, see `visualization_files`
    catalog.store/observations/<random>/        responses to pictures, by a layer's position
    catalog.store/staging/                      what is being written, renamed once it is complete

A process that writes or sweeps has the catalog's write lock, so one staging folder is enough, and files that
no row of the catalog names are leftovers. A store may be untrusted: no link in it is followed, nothing but a
hash is used as a path, and only files with such names are ever deleted.
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

MODEL_FILE = "model.onnx"

ROOMS = ("models", "banks", "cuts", "visualizations", "observations", "staging")
HASH = re.compile(r"[0-9a-f]{64}")
BANKS = re.compile(r"([0-9a-f]{64})\.safetensors")
CUT = re.compile(r"[0-9a-f]{32}\.(onnx|part)")
VISUALIZATION = re.compile(r"[0-9a-f]{32}\.bin")
PART = re.compile(r"\.[0-9a-f]{32}\.part")
OBSERVED = re.compile(r"[0-9]{1,9}\.(safetensors|part|f32)|[0-9a-f]{64}\.(picture|part)")
KEPT_PICTURE = re.compile(r"[0-9a-f]{64}\.picture")
STAGED = re.compile(r"[0-9a-f]{64}|banks|replaced")
"""Names that filterkit writes in the store; nothing else is deleted."""

MOST_FILES = 100_000
"""Per model: its ONNX file and its external data."""


class Store:
    """Models and banks by content.

    Attributes
    ----------
    folder
        Created when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, BankFile] = {}

    def __repr__(self) -> str:
        return f"<Store {str(self.folder)!r}>"

    def model_path(self, sha256: str) -> Path:
        """The path of the ONNX file of that hash, whether it exists or not; raises as `path` does."""
        return self.path("models", _hash(sha256), MODEL_FILE)

    def banks_path(self, banks_sha256: str) -> Path:
        """The path of the banks of that hash, whether they exist or not; raises as `path` does."""
        return self.path("banks", f"{_hash(banks_sha256)}.safetensors")

    def cuts_path(self, sha256: str) -> Path:
        """Folder of graphs cut out of the model of that hash; every process that runs it writes there."""
        return self.path("cuts", _hash(sha256))

    def visualizations_path(self, sha256: str, name: str) -> Path:
        """A picture of the model of that hash, whether it exists or not; raises as `path` does."""
        return self.path("visualizations", _hash(sha256), name)

    def visualizations(self, sha256: str) -> list[Path]:
        """The optimized pictures of the model of that hash; raises as `path` does."""
        return sorted(_entries(self.path("visualizations", _hash(sha256)), VISUALIZATION))

    def observation_path(self, folder: str, name: str = "") -> Path:
        """The folder of an observation, or a file in it; raises as `path` does."""
        return self.path("observations", _hash(folder), *([name] if name else []))

    def kept_pictures(self, folder: str) -> list[Path]:
        """The copies of pictures of an observation; raises as `path` does."""
        return sorted(_entries(self.observation_path(folder), KEPT_PICTURE))

    def path(self, *parts: str) -> Path:
        """A path in the store, checked for links.

        Raises
        ------
        CatalogError
            The store, or something on the path, is a link.
        """
        path = self.folder
        for part in ("", *parts):
            path = path / part
            if path.is_symlink():
                raise CatalogError(
                    f"{path} is a symbolic link, and links in a store are not followed",
                    hint="filterkit never creates links there; replace it with the folder or file itself",
                )
        return path

    def check_rooms(self) -> None:
        """Raise CatalogError if the store or one of its folders is a link; called before writing."""
        for room in ROOMS:
            self.path(room)

    def check_model(self, sha256: str) -> None:
        """Raise CatalogError if a file of the model of that hash is a link, or there are too many."""
        folder = self.model_path(sha256).parent
        for number, entry in enumerate(_below(folder)):
            if entry.is_symlink() or number >= MOST_FILES:
                what = (
                    "is a symbolic link"
                    if entry.is_symlink()
                    else f"is one of more than {MOST_FILES:,} files"
                )
                raise CatalogError(
                    f"{entry.path} {what}, and is not used", hint="`filterkit doctor` shows how to repair it"
                )

    def links(self) -> list[Path]:
        """Every link in the store, or the store itself if it is one: filterkit makes and follows none."""
        if self.folder.is_symlink():
            return [self.folder]
        return [Path(entry.path) for entry in _below(self.folder) if entry.is_symlink()]

    def holds(self, sha256: str, banks_sha256: str, external: Sequence[str] = ()) -> bool:
        """Whether the files of the model, its `external` data and its banks exist, corrupted or not."""
        return self._holds_model(sha256, external) and self.banks_path(banks_sha256).is_file()

    def model_files(self, sha256: str) -> list[str]:
        """Names of the files of the model of that hash, relative to its folder; raises as `path` does."""
        folder = self.model_path(sha256).parent
        files = (Path(each.path) for each in _below(folder) if each.is_file(follow_symlinks=False))
        return [file.relative_to(folder).as_posix() for file in files]

    def _holds_model(self, sha256: str, external: Sequence[str]) -> bool:
        names = (MODEL_FILE, *external)
        paths = (self.path("models", _hash(sha256), *PurePosixPath(name).parts) for name in names)
        return all(path.is_file() for path in paths)

    def banks(self, banks_sha256: str) -> BankFile:
        """The banks of that hash, opened once.

        Raises
        ------
        CatalogError
            They are corrupted or cannot be read.
        FileNotFoundError
            They are missing.
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
        banks: Path,
        banks_sha256: str,
        *,
        rewrite: bool,
    ) -> None:
        """Put a model and its banks into the store, side by side; see `put_model` and `put_banks`."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as aside:
            copying = aside.submit(self.put_model, source, external, sha256, rewrite=rewrite)
            self.put_banks(banks, banks_sha256, rewrite=rewrite)
        copying.result()

    def put_model(self, source: Path, external: Sequence[str], sha256: str, *, rewrite: bool) -> None:
        """Copy the ONNX file `source` with its `external` data (names relative to it) into the store.

        Parameters
        ----------
        rewrite
            Hash a model that is there already, and replace it if it is corrupted.
        """
        target = self.model_path(sha256).parent
        # An intact one is never moved away: if the process is killed then, its rows would have no model.
        if self._holds_model(sha256, external) and not (
            rewrite and model_sha256(target / MODEL_FILE, external) != sha256
        ):
            return
        staged = self._stage(sha256)
        staged.mkdir()
        if any(Path(name) == Path(MODEL_FILE) for name in external):  # ./model.onnx as well
            raise CatalogError(
                f"external data named {MODEL_FILE} cannot be stored", hint="give it another name"
            )
        for original, copy in [
            (source, staged / MODEL_FILE),
            *((source.parent / name, staged / name) for name in external),
        ]:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, copy)
            sync(copy)
        sync(staged)
        if target.exists():
            target.rename(self._stage("replaced"))
        self._finish(staged, target)

    def put_banks(self, banks: Path, banks_sha256: str, *, rewrite: bool) -> None:
        """Move a file of banks, as `write_banks` writes it, into the store.

        Parameters
        ----------
        rewrite
            Replace the file of that hash, if there is one.
        """
        target = self.banks_path(banks_sha256)
        if target.exists() and not rewrite:
            return
        staged = self._stage("banks")
        shutil.move(banks, staged)  # from another file system, a copy
        sync(staged)
        self._open.pop(banks_sha256, None)
        self._finish(staged, target)

    def sweep(
        self, models: Collection[str], banks: Collection[str], observations: Collection[str] = ()
    ) -> int:
        """Delete everything but the models and banks of these hashes, and the folders of these observations.

        Returns the number of bytes freed.

        Only files with names that filterkit writes are deleted, and never through a link: anything else in
        the store belongs to the user.
        """
        self.check_rooms()
        freed = sum(_remove(path) for path in _entries(self.folder / "staging", STAGED))
        for path in _entries(self.folder / "models", HASH):
            if path.name not in models:
                freed += _remove(path)
        for path in _entries(self.folder / "cuts", HASH):
            if path.name not in models:
                freed += sum(_remove(cut) for cut in _files(path, CUT))
                _remove_if_empty(path)
        for path in _entries(self.folder / "visualizations", HASH):
            left = _files(path, PART)  # by killed processes
            left += [] if path.name in models else _files(path, VISUALIZATION)
            freed += sum(map(_remove, left))
            _remove_if_empty(path)
        for path in _entries(self.folder / "observations", HASH):
            if path.name not in observations:
                freed += sum(_remove(each) for each in _files(path, OBSERVED))
                _remove_if_empty(path)
        for path in _files(self.folder / "banks", BANKS):
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
        """Rename what is staged to its final name, durably."""
        target.parent.mkdir(exist_ok=True)
        staged.replace(target)
        for folder in (target.parent, self.folder, self.folder.parent):
            sync(folder)


def model_sha256(path: Path, external: Sequence[str], whole: str | None = None) -> str:
    """Hash of an ONNX file; if it has external data, of the hashes and names of all its files.

    `whole` is the hash of the file itself, if it is known.
    """
    whole = whole or file_sha256(path)
    if not external:
        return whole
    names = {posixpath.normpath(name) for name in external}
    return combined_sha256(whole, {name: file_sha256(path.parent / name) for name in names})


def combined_sha256(whole: str, external: Mapping[str, str]) -> str:
    """Hash of a model by the hashes of its files: of the ONNX file, and by name of its external data."""
    if not external:
        return whole
    lines = [whole, *(f"{external[name]} {name}" for name in sorted(external))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def stored_model_sha256(path: Path) -> str:
    """Hash of the ONNX file at `path` in a store; the other files of its folder are its external data."""
    folder = path.parent
    files = (file for file in folder.rglob("*") if file.is_file() and file != path)
    return model_sha256(path, [file.relative_to(folder).as_posix() for file in files])


def sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, survive a power failure."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hash(sha256: str) -> str:
    """`sha256` if it is one: an untrusted catalog may have any text in its place."""
    if not isinstance(sha256, str) or not HASH.fullmatch(sha256):
        raise CatalogError(
            f"the catalog is corrupted: {sha256!r:.80} is not a SHA-256 hash",
            hint="restore it from a backup, or move it away and create a new one with `filterkit add`",
        )
    return sha256


def _entries(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """Entries of a folder of the store with such names, except links; none if there is no folder."""
    try:
        with os.scandir(folder) as entries:
            found = [each for each in entries if names.fullmatch(each.name) and not each.is_symlink()]
            return [Path(each.path) for each in found]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """As `_entries`, without folders, which filterkit does not create under such names."""
    return [path for path in _entries(folder, names) if not path.is_dir()]


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder, links included, which are not followed."""
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
    """Delete a file or a folder with its contents, unless it is missing or a link; returns its bytes."""
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
    shutil.rmtree(path)  # deletes links in it without following them
    return freed


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it is missing, not empty, or not ours to delete
        folder.rmdir()
