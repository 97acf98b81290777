"""What filterkit itself contributes, through the hooks that everybody uses. One plugin per kind, so that
each can be blocked: ``FILTERKIT_PLUGINS_BLOCKED=filterkit.metrics``.
"""

from __future__ import annotations

from typing import Any

from filterkit.plugins.hookspecs import hookimpl
from filterkit.plugins.protocols import Contribution

Contributions = tuple[Contribution[Any], ...]


class Sources:
    @hookimpl
    def filterkit_model_sources(self) -> Contributions:
        return (
            Contribution("onnx", "An ONNX file", "filterkit.sources.onnx_file:OnnxFile"),
            Contribution(
                "keras",
                "A network of keras.applications, or a .keras or .h5 file",
                "filterkit.sources.keras_applications:KerasSource",
                extra="keras",
            ),
            Contribution("wheel", "A file inside a Python wheel", "filterkit.sources.wheel:WheelSource"),
            Contribution("zoo", "A trained network known by name", "filterkit.sources.zoo:ZooSource"),
            Contribution(
                "weights",
                "A checkpoint: weights without their network",
                "filterkit.sources.weights_file:WeightsFile",
            ),
            Contribution(
                "classic",
                "Edge, blur, sharpen and emboss filters of image processing",
                "filterkit.sources.classic:ClassicSource",
            ),
        )


class Extractors:
    @hookimpl
    def filterkit_weight_extractors(self) -> Contributions:
        return (
            Contribution(
                "convolution",
                "Convolutions of any rank, plain and transposed",
                "filterkit.extractors.convolution:ConvolutionExtractor",
            ),
        )


class Normalizers:
    @hookimpl
    def filterkit_normalizers(self) -> Contributions:
        return (
            Contribution("minmax", "Smallest to 0, largest to 1", "filterkit.normalizers.minmax:MinMax"),
            Contribution(
                "symmetric",
                "Zero in the middle, signs kept apart",
                "filterkit.normalizers.symmetric:Symmetric",
            ),
            Contribution(
                "percentile", "Min-max without the outliers", "filterkit.normalizers.percentile:Percentile"
            ),
            Contribution(
                "zscore", "Standard deviations from the mean", "filterkit.normalizers.zscore:ZScore"
            ),
        )


class Renderers:
    @hookimpl
    def filterkit_renderers(self) -> Contributions:
        return (
            Contribution("grid", "A labelled figure, png, svg or pdf", "filterkit.renderers.grid:Grid"),
            Contribution("mosaic", "Every tile as pixels, any number", "filterkit.renderers.mosaic:Mosaic"),
            Contribution("terminal", "Coloured text", "filterkit.renderers.terminal:Terminal"),
        )


class Metrics:
    @hookimpl
    def filterkit_metrics(self) -> Contributions:
        return (
            Contribution(
                "basic", "Mean, spread, extremes, norms, sparsity", "filterkit.metrics.basic:BasicMetrics"
            ),
            Contribution(
                "energy",
                "Where the energy lies: means, rank-1 and symmetric parts, channels, colours",
                "filterkit.metrics.energy:EnergyMetrics",
            ),
            Contribution(
                "orientation",
                "The dominant gradient and the spatial frequency",
                "filterkit.metrics.orientation:OrientationMetrics",
            ),
            Contribution(
                "redundancy",
                "The largest cosine to another filter of the layer",
                "filterkit.metrics.redundancy:RedundancyMetric",
            ),
            Contribution(
                "classic",
                "The nearest family of classic filters: edge, blur, sharpen, emboss",
                "filterkit.metrics.classic_type:ClassicType",
            ),
            Contribution(
                "filter-db",
                "Layers: sparsity, variance entropy, orthogonality",
                "filterkit.metrics.filter_db:FilterDbMetrics",
            ),
            Contribution(
                "spectral",
                "Layers: stable rank and norms, as WeightWatcher has them",
                "filterkit.metrics.spectral:SpectralMetrics",
            ),
        )


class Formats:
    @hookimpl
    def filterkit_output_formats(self) -> Contributions:
        return (
            Contribution("table", "For reading", "filterkit.formats.table:Table"),
            Contribution("json", "One JSON array", "filterkit.formats.json_lines:Json"),
            Contribution("ndjson", "One JSON object per line", "filterkit.formats.json_lines:Ndjson"),
            Contribution("csv", "Comma-separated values", "filterkit.formats.delimited:Csv"),
            Contribution("tsv", "Tab-separated values", "filterkit.formats.delimited:Tsv"),
        )


BUILTINS: dict[str, object] = {
    "filterkit.sources": Sources(),
    "filterkit.extractors": Extractors(),
    "filterkit.normalizers": Normalizers(),
    "filterkit.renderers": Renderers(),
    "filterkit.metrics": Metrics(),
    "filterkit.formats": Formats(),
}
"""Plugin name to plugin."""
