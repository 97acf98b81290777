"""The contract of weight extractors."""

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
"""String fields of a bank."""


class CheckedExtractor(Checked[WeightExtractor]):
    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        """See `WeightExtractor.extract`; checks the fields of each bank.

        A plugin gets a copy of the graph, so that modifying it, which is an error, does not affect other
        extractors.
        """
        if self.plugin.package == "filterkit":  # built-in
            yield from self._extract(graph)
            return
        own = graph.copy()
        original = own.model
        yield from self._extract(own)
        self._require(original == graph.model, "extract", "modified the graph")

    def _extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        from filterkit.records import FilterBank, Skipped

        with self._blame("extract"):
            banks = iter(self.inner.extract(graph))
        while True:
            with self._blame("extract"):  # excludes the yield, which runs the caller's code
                try:
                    found = next(banks)
                except StopIteration:
                    return
                if isinstance(found, FilterBank):
                    self._check_bank(found)
                elif not (isinstance(found, Skipped) and found.reason):
                    self._require(
                        False,
                        "extract",
                        f"yielded {kind_of(found)}, not a FilterBank or a Skipped with a reason",
                    )
            yield found

    def _check_bank(self, bank: FilterBank) -> None:
        import numpy as np

        at = f"yielded, for node '{bank.node}',"
        for name in _TEXTS:
            text = getattr(bank, name)
            fits = isinstance(text, str) or (text is None and name == "activation")
            self._require(fits, "extract", f"{at} the {name} {text!r}, which is not a string")
        weights, bias, rank = bank.weights, bank.bias, len(bank.kernel_shape)
        self._require(bank.groups >= 1, "extract", f"{at} {bank.groups} groups")
        stated = (bank.out_channels, bank.in_channels // bank.groups, *bank.kernel_shape)
        self._require(
            isinstance(weights, np.ndarray) and weights.dtype.kind == "f" and weights.ndim >= 2,
            "extract",
            f"{at} weights that are not a float array of two or more axes",
        )
        self._require(
            weights.shape == stated, "extract", f"{at} weights of shape {weights.shape}, but stated {stated}"
        )
        fits = bias is None or (isinstance(bias, np.ndarray) and bias.shape == stated[:1])
        self._require(fits, "extract", f"{at} a bias without exactly one value per filter")
        for name, values, count in (
            ("strides", bank.strides, rank),
            ("dilations", bank.dilations, rank),
            ("pads", bank.pads, 2 * rank),
        ):
            self._require(len(values) == count, "extract", f"{at} {len(values)} {name} for {rank} axes")
