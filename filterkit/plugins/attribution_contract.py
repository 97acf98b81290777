"""The contract of attribution methods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from filterkit.plugins.checked import Checked, read_only
from filterkit.plugins.protocols import AttributionMethod
from filterkit.plugins.report import kind_of

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray


class CheckedAttribution(Checked[AttributionMethod]):
    @property
    def local(self) -> bool:
        return self.inner.local is True

    def attribute(self, subject: Subject) -> FloatArray:
        """See `AttributionMethod.attribute`; checks type and shape, and passes read-only pictures.

        Values may be NaN where the network's own are; the caller reports it.
        """
        import numpy as np

        given = replace(
            subject,
            whole=read_only(subject.whole),
            picture=read_only(subject.picture),
            black=read_only(subject.black),
            white=read_only(subject.white),
        )
        with self._blame("attribute"):
            found = self.inner.attribute(given)
        is_array = isinstance(found, np.ndarray)
        returned = f"an array of {found.dtype}" if is_array else kind_of(found)
        self._require(
            is_array and found.dtype.kind == "f",
            "attribute",
            f"returned {returned}, not an array of floats",
        )
        whole = subject.picture.shape
        self._require(
            found.shape in (whole, (1, *whole[1:])),
            "attribute",
            f"returned shape {found.shape} for a picture of shape {whole}",
        )
        return found
