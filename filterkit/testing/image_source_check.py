"""Conformance check for image sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError
from filterkit.image_sources.decoding import content_pixels
from filterkit.plugins.protocols import ImageSource
from filterkit.records import Preprocessing, SourceImage
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of

if TYPE_CHECKING:
    from filterkit.records import ImageContent

INVALID = ("no such thing", "?", "?no-such-option=1", "../" * 40, "\x00", "x" * 300)
"""Invalid specs, which may be rejected but must not break anything."""

MOST = 100
"""Maximum number of pictures per spec that are read."""

THREADS = 4

Found = list[tuple[str, str | None, str]]
"""Name, label and a hash of the content of each picture."""


def check_image_source(
    source: ImageSource | Callable[[], ImageSource], *specs: str, wrong: Iterable[str] = ()
) -> None:
    """Check an image source with `specs`, which it must accept, and invalid ones, which it may reject.

    Parameters
    ----------
    source
        The object, or a class or another factory that takes no arguments.
    specs
        Text after ``name:``; if none is given, an empty one is tried. Paths must be absolute, as the check
        runs in an empty folder. The first `MOST` pictures of each are read.
    wrong
        Specs that it must reject with one of filterkit's errors.

    Raises
    ------
    ConformanceError
        Lists all violations. Each spec must stand for pictures, with different names, that can be decoded, or
        for arrays that are inputs of a network; names, labels and content must be the same each time, in any
        order, in several threads and in another process; invalid specs must be rejected with an error
        message; no warnings, output or files; it must be picklable and its options must be valid.
    """
    subject = subject_of("image-source", source, "images")
    findings, copy = subject.findings, pickled(subject)
    tried: dict[str, tuple[str, Found]] = {}
    with writes_nothing(findings):
        for spec in specs or ("",):
            on = f"'{spec}'"
            images = findings.attempt(on, partial(_images, subject.wrapped, spec))
            if images is None:
                continue
            findings.require(bool(images), "finds no pictures", on)
            names = [image.name for image in images]
            findings.require(len(set(names)) == len(names), "gives several pictures the same name", on)
            for image in images:
                findings.attempt(f"'{image.name}'", partial(_check_content, findings, image))
            found = findings.attempt(on, partial(_found, subject.wrapped, spec))
            if found is not None:
                tried[on] = spec, found
                again = findings.attempt(on, partial(_read_in_threads, images))
                findings.require(again in (None, found), "reads something else in several threads", on)
        for spec in INVALID:
            _check_rejected(findings, subject.wrapped, spec, must=False)
        for spec in wrong:
            _check_rejected(findings, subject.wrapped, spec, must=True)
        # Bare, as filterkit keeps what a plugin prints from stdout.
        check_repeats(findings, subject.inner, copy, tried, _found, _differs)
    findings.conclude()


def _images(source: ImageSource, spec: str) -> list[SourceImage]:
    return [*islice(source.images(spec), MOST)]


def _found(source: ImageSource, spec: str) -> Found:
    return [_fingerprint(image) for image in _images(source, spec)]


def _read_in_threads(images: list[SourceImage]) -> Found:
    """In reverse order."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [*pool.map(_fingerprint, reversed(images))][::-1]


def _fingerprint(image: SourceImage) -> tuple[str, str | None, str]:
    return image.name, image.label, _hash(image.read())


def _hash(content: ImageContent) -> str:
    if isinstance(content, Mapping):
        return " ".join(f"{name} {_hash(array)}" for name, array in content.items())
    if isinstance(content, bytes):
        return sha256(content).hexdigest()
    return f"{content.dtype} {content.shape} {sha256(content.tobytes()).hexdigest()}"


def _check_content(findings: Findings, image: SourceImage) -> None:
    """A picture must be decodable, and must be the same when it is read again."""
    content = image.read()
    if not isinstance(content, Mapping):
        content_pixels(content, image.name, Preprocessing())
    same = _hash(image.read()) == _hash(content)
    findings.require(same, "reads something else the second time", f"'{image.name}'")


def _differs(one: Found, other: Found) -> str:
    for at, what in enumerate(("names", "labels", "content")):
        if [each[at] for each in one] != [each[at] for each in other]:
            return f"gives pictures other {what}"
    return ""


def _check_rejected(findings: Findings, wrapped: Any, spec: str, *, must: bool) -> None:
    shown = repr(spec if len(spec) < 40 else f"{spec[:20]}…")
    found = findings.attempt(shown, partial(_images, wrapped, spec), allowed=FilterkitError)
    findings.require(found is None or not must, f"accepts {shown}, which is invalid")
