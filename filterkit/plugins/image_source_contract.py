"""The contract of image sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError, ImageError, one_line
from filterkit.plugins.checked import Checked
from filterkit.plugins.protocols import ImageSource
from filterkit.plugins.report import in_words, kind_of

if TYPE_CHECKING:
    from filterkit.records import ImageContent, SourceImage

LONGEST = 1 << 14
"""Maximum length of names and labels, which are shown and stored."""


class CheckedImageSource(Checked[ImageSource]):
    def images(self, spec: str) -> Iterator[SourceImage]:
        """See `ImageSource.images`; checks each picture, and what it returns when it is read."""
        from filterkit.records import SourceImage

        with self._blame("images"):
            images = iter(self.inner.images(spec))
        while True:
            with self._blame("images"):  # excludes the yield, which runs the caller's code
                try:
                    found = next(images)
                except StopIteration:
                    return
            if not isinstance(found, SourceImage):
                self._require(False, "images", f"yielded {kind_of(found)}, not a SourceImage")
            self._check(found)
            yield replace(found, read=_CheckedReader(self, found))

    def _check(self, found: SourceImage) -> None:
        for name, text in (("name", found.name), ("label", found.label)):
            is_absent = name == "label" and text is None
            fits = is_absent or (isinstance(text, str) and 0 < len(text) <= LONGEST)
            self._require(
                fits, "images", f"yielded a {name} that is not a text of 1 to {LONGEST:,} characters"
            )
        self._require(
            found.path is None or isinstance(found.path, Path),
            "images",
            f"yielded the path {found.path!r}, which is not a pathlib.Path",
        )
        self._require(callable(found.read), "images", f"yielded '{found.name}' without a function to read it")

    def read(self, image: SourceImage) -> ImageContent:
        """What `SourceImage.read` returns; an exception is an ImageError, so that others are still read."""
        import numpy as np

        try:
            content = image.read()
        except FilterkitError:
            raise
        except OSError as error:
            reason = one_line(" ".join(str(error.strerror or error).split()))
            raise ImageError(f"cannot read {image.name}: {reason or type(error).__name__}") from error
        except (Exception, SystemExit) as error:
            raise ImageError(
                f"cannot read {image.name}: plugin {self.plugin}: {in_words(error)}",
                hint="use --debug for a traceback",
            ) from error
        arrays = [*content.values()] if isinstance(content, Mapping) else [content]
        fits = bool(arrays) and all(isinstance(each, np.ndarray) for each in arrays)
        if image.inputs or not isinstance(content, bytes):
            expected = "a mapping of arrays" if image.inputs else "bytes or an array"
            self._require(
                fits and isinstance(content, Mapping) == bool(image.inputs),
                "read",
                f"returned {kind_of(content)} for '{image.name}', not {expected}",
            )
        return content


@dataclass(frozen=True, slots=True)
class _CheckedReader:
    """`CheckedImageSource.read` of one picture; a partial takes four times the memory."""

    source: CheckedImageSource
    image: SourceImage

    def __call__(self) -> ImageContent:
        return self.source.read(self.image)
