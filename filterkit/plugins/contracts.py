"""Contracts of plugins: objects that a registry creates are wrapped, and what they return is validated.

A wrapper has the methods of its protocol. Arguments are read-only, results are validated, and errors name the
plugin. Built-ins are treated the same way.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from filterkit.plugins import protocols
from filterkit.plugins.attribution_contract import CheckedAttribution
from filterkit.plugins.checked import Checked, read_only
from filterkit.plugins.gradient_contract import CheckedGradientRule
from filterkit.plugins.image_source_contract import CheckedImageSource
from filterkit.plugins.metric_contract import CheckedMetric
from filterkit.plugins.panel_contract import CheckedPanel
from filterkit.plugins.plain_rows import watched
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.protocols import Contribution, Progress, Row, WeightExtractor
from filterkit.plugins.report import blame, contract_error, kind_of, traced
from filterkit.plugins.response_metric_contract import CheckedResponseMetric

if TYPE_CHECKING:
    from filterkit.graph.view.view import GraphView
    from filterkit.records import (
        FetchedModel,
        FilterBank,
        FloatArray,
        Normalized,
        Preprocessing,
        Skipped,
        TileSheet,
    )

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


class CheckedSource(Checked[protocols.ModelSource]):
    @property
    def scheme(self) -> str:
        return self.inner.scheme

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """See `ModelSource.fetch`; checks that the file exists."""
        from filterkit.records import FetchedModel, Preprocessing

        with self._blame("fetch"):
            model = self.inner.fetch(ref, workdir, progress)
        self._require(
            isinstance(model, FetchedModel), "fetch", f"returned {kind_of(model)}, not a FetchedModel"
        )
        path, prepared = model.onnx_path, model.preprocessing
        self._require(isinstance(path, Path), "fetch", f"returned {path!r}, which is not a pathlib.Path")
        self._require(path.is_file(), "fetch", f"returned {path!r}, which is not a file")
        self._require(isinstance(model.origin, str), "fetch", "returned no origin")
        terms = model.license
        self._require(
            terms is None or isinstance(terms, str),
            "fetch",
            f"returned the license {terms!r}, which is not a string",
        )
        self._require(
            prepared is None or isinstance(prepared, Preprocessing),
            "fetch",
            "returned an invalid preprocessing",
        )
        if prepared:
            self._check_preprocessing(prepared)
        for layer, labels in (model.filter_labels or {}).items():
            words = not isinstance(labels, str) and all(isinstance(label, str) for label in labels)
            self._require(
                words, "fetch", f"returned filter labels of '{layer}' that are not a list of strings"
            )
        return model

    def _check_preprocessing(self, prepared: Preprocessing) -> None:
        for name, value, allowed in (
            ("channel_order", prepared.channel_order, ("RGB", "BGR", "GRAY", "RGBA", "BANDS")),
            ("layout", prepared.layout, ("NCHW", "NHWC")),
        ):
            self._require(
                value in allowed,
                "fetch",
                f"returned the {name} {value!r}, which is not one of {', '.join(allowed)}",
            )
        size = prepared.size
        fits = size is None or (len(size) == 2 and all(isinstance(each, int) and each > 0 for each in size))
        self._require(fits, "fetch", f"returned the size {size!r}, which is not a height and width")
        bands = prepared.bands if isinstance(prepared.bands, int) else -1
        self._require(
            0 <= bands <= 4096 and (bands > 0) == (prepared.channel_order == "BANDS"),
            "fetch",
            f"returned {prepared.bands!r} bands for the channel_order {prepared.channel_order}",
        )
        self._require(
            prepared.input is None or isinstance(prepared.input, str),
            "fetch",
            f"returned the input {prepared.input!r}, which is not a name",
        )
        self._require(
            isinstance(prepared.stated, tuple) and {*prepared.stated} <= {*prepared.__slots__},
            "fetch",
            f"returned stated={prepared.stated!r}, which are not names of fields",
        )
        count = len(prepared.channels)
        for name, values in (("mean", prepared.mean), ("std", prepared.std)):
            fits = len(values) in (0, count)
            self._require(fits, "fetch", f"returned {len(values)} {name} values for {count} channels")
        self._require(all(prepared.std), "fetch", "returned a std of 0")


class CheckedNormalizer(Checked[protocols.Normalizer]):
    def normalize(self, values: FloatArray) -> Normalized:
        """See `Normalizer.normalize`; checks that all values are finite and in [0, 1]."""
        import numpy as np

        from filterkit.records import Normalized

        with self._blame("normalize"):
            done = self.inner.normalize(read_only(values))
        self._require(isinstance(done, Normalized), "normalize", f"returned {kind_of(done)}, not Normalized")
        out = done.values
        self._require(
            isinstance(out, np.ndarray) and out.dtype.kind == "f",
            "normalize",
            "returned values that are not floats",
        )
        self._require(
            out.shape == values.shape,
            "normalize",
            f"returned shape {out.shape} for input of shape {values.shape}",
        )
        # NaN fails both comparisons, so this also detects non-finite values.
        inside = out.size == 0 or (out.min() >= 0 and out.max() <= 1)
        self._require(bool(inside), "normalize", "returned values that are not finite or outside [0, 1]")
        return done


class CheckedRenderer(Checked[protocols.Renderer]):
    @property
    def media_type(self) -> str:
        return self.inner.media_type

    @property
    def suffix(self) -> str:
        return self.inner.suffix

    def render(self, sheet: TileSheet) -> bytes:
        """See `Renderer.render`."""
        with self._blame("render"):
            values = None if sheet.values is None else read_only(sheet.values)
            picture = self.inner.render(replace(sheet, tiles=read_only(sheet.tiles), values=values))
        fits = isinstance(picture, bytes) and bool(picture)
        returned = "no data" if picture == b"" else kind_of(picture)
        self._require(fits, "render", f"returned {returned}, not the bytes of a picture")
        return picture


class CheckedFormat(Checked[protocols.OutputFormat]):
    @property
    def binary(self) -> bool:
        """Whether the format writes bytes."""
        return getattr(self.inner, "binary", False) is True

    def write(
        self,
        rows: Iterable[Row],
        columns: tuple[str, ...],
        stream: TextIO,
        types: Mapping[str, Any] | None = None,
    ) -> None:
        """See `OutputFormat.write`; errors of the stream and of the rows are not attributed to the plugin."""
        theirs: list[Exception] = []
        takes_types = "types" in inspect.signature(self.inner.write).parameters
        more = {"types": types or {}} if takes_types else {}
        try:
            # Not within `blame`: stdout may be its output, and `rows` are computed lazily by other code.
            with traced(self.plugin, self._call("write")):
                self.inner.write(watched(rows, theirs), columns, stream, **more)
        except OSError:
            raise
        except (Exception, SystemExit) as error:
            if error in theirs:
                raise
            with blame(self.plugin, self._call("write"), extra=self.contribution.extra):
                raise


_WRAPPERS: dict[str, tuple[type[Checked[Any]], tuple[Any, ...]]] = {
    "source": (CheckedSource, (protocols.ModelSource,)),
    "extractor": (CheckedExtractor, (protocols.WeightExtractor,)),
    "normalizer": (CheckedNormalizer, (protocols.Normalizer,)),
    "renderer": (CheckedRenderer, (protocols.Renderer,)),
    "metric": (CheckedMetric, (protocols.FilterMetric, protocols.LayerMetric)),
    "format": (CheckedFormat, (protocols.OutputFormat,)),
    "gradient-rule": (CheckedGradientRule, (protocols.GradientRule,)),
    "attribution": (CheckedAttribution, (protocols.AttributionMethod,)),
    "image-source": (CheckedImageSource, (protocols.ImageSource,)),
    "response-metric": (CheckedResponseMetric, (protocols.ResponseMetric,)),
    "panel": (CheckedPanel, (protocols.Panel,)),
}
"""Wrapper per kind, and the protocols of which an object must implement one."""
_ABSENT = object()


def _missing(protocol: type, made: Any) -> list[str]:
    """Members of a protocol that an object lacks, generates dynamically, or has as None."""
    return [
        name
        for name, asked in vars(protocol).items()
        if not name.startswith("_")
        and (
            not hasattr(made, name)
            or (found := inspect.getattr_static(made, name, _ABSENT)) is _ABSENT
            or (found is None and callable(asked))
        )
    ]


def checked(kind: str, plugin: Plugin, contribution: Contribution[Any], made: Any, spec: str) -> Any:
    """Wrap an object made by a factory.

    Raises
    ------
    PluginContractError
        If it does not implement the protocol of its kind.
    """
    wrapper, allowed = _WRAPPERS[kind]
    doing = f"{kind} '{contribution.name}'"
    with blame(plugin, doing):
        fits = isinstance(made, allowed)
        lacks = "" if fits else " or ".join(", ".join(_missing(protocol, made)) for protocol in allowed)
    if not fits:
        expected = " or ".join(protocol.__name__ for protocol in allowed)
        article = "an" if expected[0] in "AO" else "a"
        problem = f"is {kind_of(made)}, which is not {article} {expected}: it lacks {lacks}"
        contract_error(plugin, doing, problem)
    with blame(plugin, doing):
        misnamed = kind == "source" and made.scheme != contribution.name
    if misnamed:
        contract_error(plugin, doing, f"has the scheme {made.scheme!r}, which must equal its name")
    wrapped = wrapper(kind, plugin, contribution, made, spec)
    if isinstance(wrapped, CheckedMetric | CheckedResponseMetric) and not wrapped.well_named:
        contract_error(
            plugin, doing, "has columns that are not a tuple of names of lower-case letters, digits and _"
        )
    if isinstance(wrapped, CheckedGradientRule) and not wrapped.well_formed:
        contract_error(plugin, doing, "has operators that are not a tuple of pairs of domain and type")
    if isinstance(wrapped, CheckedPanel):
        with blame(plugin, doing):
            problem = wrapped.problem()
        if problem:
            contract_error(plugin, doing, problem)
    return wrapped
