"""Charts: what they draw is read back from their axes, and from the files that they become."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from filterkit.catalog.schema import LAYER_METRIC_COLUMNS
from filterkit.charts.depth import DISTRIBUTIONS, depth_chart
from filterkit.charts.layer import RANGES, layer_chart
from filterkit.charts.meanings import MEANINGS
from filterkit.charts.style import LayerStats
from filterkit.renderers.figures import DPI, settings, written
from filterkit.renderers.metadata import metadata

COLUMNS = tuple(dict.fromkeys((*DISTRIBUTIONS, *RANGES)))


def stats(
    layer: str,
    filters: int = 8,
    *,
    model: str = "net",
    metrics: Mapping[str, float | None] | None = None,
    values: Mapping[str, Sequence[float]] | None = None,
    types: Mapping[str, int] | None = None,
    dead: int | None = 0,
) -> LayerStats:
    every = np.random.default_rng(len(layer)).random((len(COLUMNS), filters))
    return LayerStats(
        model,
        layer,
        filters,
        dead,
        {"sparsity": 0.25, "log_norm": None} if metrics is None else metrics,
        {name: list(every[n]) for n, name in enumerate(COLUMNS)}
        | {name: list(each) for name, each in (values or {}).items()},
        {"edge": filters} if types is None else types,
    )


def panels(figure: Figure) -> dict[str, Axes]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def drawn(figure: Figure) -> np.ndarray:
    """The pixels of a figure that matplotlib has nothing to complain about."""
    with warnings.catch_warnings(), settings():
        warnings.simplefilter("error")
        with Image.open(io.BytesIO(written(figure, "png", metadata("a title", "", {})))) as picture:
            return np.asarray(picture.convert("RGB"))


def test_lines_and_boxes_are_the_numbers() -> None:
    layers = [
        stats(f"conv{n}", metrics={"sparsity": n / 10, "roughness": float(n), "log_norm": None})
        for n in range(6)
    ]
    found = panels(depth_chart(layers, "net"))
    assert list(found) == [
        *("sparsity", "roughness", "l2_norm", "redundancy", "frequency (cycles per pixel)"),
        *("orientation_strength", "dc_share", "separability", "classic_type (share of filters)"),
    ]
    [line] = found["roughness"].lines
    np.testing.assert_array_equal(line.get_xydata(), [(n, n) for n in range(6)])
    medians = found["l2_norm"].collections[1].get_segments()
    assert [segment[0][1] for segment in medians] == [np.median(layer.values["l2_norm"]) for layer in layers]
    for box, layer in zip(found["l2_norm"].patches, layers, strict=True):
        low, high = np.quantile(layer.values["l2_norm"], (0.25, 0.75))
        assert (box.get_y(), box.get_y() + box.get_height()) == pytest.approx((low, high))  # type: ignore[attr-defined]


def test_every_panel_says_what_it_means() -> None:
    assert {*COLUMNS, *LAYER_METRIC_COLUMNS, "dead", "classic_type"} == {*MEANINGS}
    for metric, meaning in MEANINGS.items():
        assert any(word in meaning for word in ("is better", "is best")), metric
    measured = dict.fromkeys(LAYER_METRIC_COLUMNS, 1.0)
    layers = [stats(f"conv{n}", metrics=measured | {"roughness": 2.0}, dead=1) for n in range(3)]
    for figure in (depth_chart(layers, "net"), layer_chart(layers[0], "net/conv0")):
        for title, axes in panels(figure).items():
            name = title.partition(" ")[0]
            assert axes.get_xlabel().replace("\n", " ") == MEANINGS.get(name, ""), title
        drawn(figure)


def test_what_is_not_there_leaves_a_gap() -> None:
    layers = [
        stats("a", metrics={"sparsity": 1.0}),
        stats("b", metrics={"sparsity": None}, values={"frequency": []}, types={}),
        stats("c", metrics={"sparsity": 3.0}, dead=2),
    ]
    found = panels(depth_chart(layers, "net"))
    [line] = found["sparsity"].lines
    np.testing.assert_array_equal(line.get_ydata(), [1, np.nan, 3])
    assert len(found["frequency (cycles per pixel)"].patches) == 2
    assert "dead filters" in found
    heights = [patch.get_height() for patch in found["classic_type (share of filters)"].patches]  # type: ignore[attr-defined]
    assert heights == [1, 0, 1]


def test_shares_of_types_stand_on_top_of_each_other() -> None:
    layers = [
        stats("a", 8, types={"edge": 2, "blur": 2, "other": 4, "emboss": 0}),
        stats("b", 4, types={"edge": 0, "blur": 1, "other": 3, "emboss": 0}),
    ]
    axes = panels(depth_chart(layers, "net"))["classic_type (share of filters)"]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["edge", "blur", "other"], "no emboss"
    bars = [(patch.get_y(), patch.get_height()) for patch in axes.patches]  # type: ignore[attr-defined]
    assert bars == [(0, 0.25), (0, 0), (0.25, 0.25), (0, 0.25), (0.5, 0.5), (0.25, 0.75)]


def test_models_beside_each_other_are_not_joined() -> None:
    layers = [stats(f"conv{n}", model=model) for model in ("one", "two") for n in range(3)]
    figure = depth_chart(layers, "both")
    lines = panels(figure)["sparsity"].lines
    assert [list(line.get_xdata()) for line in lines[:2]] == [[0, 1, 2], [3, 4, 5]]
    assert list(lines[2].get_xdata()) == [2.5, 2.5], "what stands between them"
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels[0] == "one/conv0"
    drawn(figure)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 53, 130])
def test_every_name_stands_within_the_figure(count: int) -> None:
    layers = [stats(f"stage{n}_block{n}_unit_{'x' * (n % 40)}", 3) for n in range(count)]
    figure = depth_chart(layers, "deep")
    canvas: Any = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    with settings():
        canvas.draw()
    width, height = canvas.get_width_height()
    assert max(height, width) < 5000
    for axes in figure.axes:
        titles = [text for text in axes.get_children() if isinstance(text, Text)]
        for text in (*titles, axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
            box = text.get_window_extent()
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width + 1 and box.y1 <= height + 1
            assert inside or not text.get_text(), text.get_text()
        names = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        caption = axes.xaxis.label
        if names and caption.get_text():
            assert min(box.y0 for box in names) - caption.get_window_extent().y1 > 4, "apart from the caption"
    spacing = np.diff([label.get_window_extent().x0 for label in axes.get_xticklabels()])
    assert (spacing > 8).all(), "no name lies on its neighbour's"


def test_one_layer_is_drawn_as_histograms() -> None:
    layer = stats(
        "conv",
        50,
        metrics={"sparsity": 0.125, "log_norm": None},
        values={"opponency": [], "orientation": list(np.linspace(0, 180, 50))},
        types={"edge": 30, "blur": 0, "other": 20},
        dead=3,
    )
    figure = layer_chart(layer, "net/conv")
    found = panels(figure)
    assert "opponency" not in found
    assert "orientation (degrees)" in found
    for axes in found.values():
        assert sum(patch.get_height() for patch in axes.patches) == 50, axes  # type: ignore[attr-defined]
    assert [label.get_text() for label in found["classic_type"].get_xticklabels()] == ["edge", "other"]
    words = " ".join(text.get_text() for text in figure.texts)
    assert "50 filters, 3 dead, sparsity 0.125" in words
    assert "log_norm" not in words
    drawn(figure)


@pytest.mark.parametrize("value", [0.0, 1e30])
def test_one_filter(value: float) -> None:
    every = {name: [value] for name in COLUMNS}
    layer = stats("conv", 1, values=every, types={"pointwise": 1}, metrics={"log_norm": -300.0})
    assert len(np.unique(drawn(layer_chart(layer, "net/conv")))) > 10
    assert len(np.unique(drawn(depth_chart([layer, layer], "net")))) > 10


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_names_of_strangers_and_equal_bytes(kind: str) -> None:
    name = "a$x^2$<b>&\x1b[31m\x00\u202e" + "y" * 300
    with mpl.rc_context({"font.family": "monospace", "savefig.dpi": 10}):  # somebody's own settings

        def write() -> bytes:
            with settings():
                figure = depth_chart(
                    [stats(name, metrics={name: 1.0}), stats("b", metrics={name: 2.0})], name
                )
                return written(figure, kind, metadata(name, name, {"address": name}))

        first = write()
        assert first == write()
    if kind == "svg":
        ElementTree.fromstring(first)
