"""What filterkit holds weight extractors to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from filterkit.plugins.checked import Checked
from filterkit.plugins.protocols import WeightExtractor
from filterkit.plugins.report import kind_of

if TYPE_CHECKING:
    from filterkit.graph.view.view import GraphView
    from filterkit.records import FilterBank, Skipped

_TEXTS = (
    *("node", "scope", "op", "activation", "auto_pad", "source_dtype", "source_layout"),
    *("input_tensor", "weight_tensor", "pre_tensor", "post_tensor", "pre_layout", "post_layout"),
)
"""Fields of a bank."""


class CheckedExtractor(Checked[WeightExtractor]):
    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        """See `WeightExtractor.extract`; each bank has the shape it states.

        A plugin reads a copy: what it does to that, no other extractor meets. It fails all the same.
        """
        if self.plugin.package == "filterkit":  # what is built in
            yield from self._extract(graph)
            return
        own = graph.copy()
        handed = own.model
        yield from self._extract(own)
        self._hold(handed == graph.model, "extract", "changed the graph")

    def _extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        from filterkit.records import FilterBank, Skipped

        with self._blame("extract"):
            banks = iter(self.inner.extract(graph))
        while True:
            with self._blame("extract"):  # not around the yield: what follows there is not the plugin's
                try:
                    found = next(banks)
                except StopIteration:
                    return
                if isinstance(found, FilterBank):
                    self._check_bank(found)
                elif not (isinstance(found, Skipped) and found.reason):
                    self._hold(
                        False, "extract", f"yielded {kind_of(found)}, not a FilterBank or a reasoned Skipped"
                    )
            yield found

    def _check_bank(self, bank: FilterBank) -> None:
        import numpy as np

        at = f"yielded, for node '{bank.node}',"
        for name in _TEXTS:
            text = getattr(bank, name)
            fits = isinstance(text, str) or (text is None and name == "activation")
            self._hold(fits, "extract", f"{at} the {name} {text!r}, which is no text")
        weights, bias, rank = bank.weights, bank.bias, len(bank.kernel_shape)
        self._hold(bank.groups >= 1, "extract", f"{at} {bank.groups} groups")
        stated = (bank.out_channels, bank.in_channels // bank.groups, *bank.kernel_shape)
        self._hold(
            isinstance(weights, np.ndarray) and weights.dtype.kind == "f" and weights.ndim >= 2,
            "extract",
            f"{at} weights that are no float array of two or more axes",
        )
        self._hold(
            weights.shape == stated, "extract", f"{at} weights of shape {weights.shape}, stated {stated}"
        )
        fits = bias is None or (isinstance(bias, np.ndarray) and bias.shape == stated[:1])
        self._hold(fits, "extract", f"{at} a bias that is not one value per filter")
        for name, values, count in (
            ("strides", bank.strides, rank),
            ("dilations", bank.dilations, rank),
            ("pads", bank.pads, 2 * rank),
        ):
            self._hold(len(values) == count, "extract", f"{at} {len(values)} {name} for {rank} axes")
