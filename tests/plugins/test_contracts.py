"""What plugins return is checked, of every kind, and who is to blame is said."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts import BANK, VALUES, Make, Normalizer, contract_error

import filterkit
from filterkit.errors import FilterkitError, PluginError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.plugins.registry import Kind
from filterkit.records import FetchedModel, FilterBank, Normalized, Preprocessing, Skipped, TileSheet
from filterkit.testing import TINY_MODELS, open_graph, tiny_model


class NoneMethod:
    suffix = ".png"
    media_type = "image/png"
    render = None


class Raising(NoneMethod):
    def render(self, sheet: TileSheet) -> bytes:  # type: ignore[override]
        return b"picture"

    @property
    def suffix(self) -> str:  # type: ignore[override]
        return str(self.not_there)  # type: ignore[attr-defined]


class Measures:
    measure = None
    layer_columns = ("a",)


@pytest.mark.parametrize(
    ("kind", "inner", "words"),
    [
        ("renderer", object(), "an object, which is not a Renderer: it lacks media_type, suffix, render"),
        ("renderer", NoneMethod(), "a NoneMethod, which is not a Renderer: it lacks render"),
        pytest.param(
            *("renderer", Raising(), "a Raising, which is not a Renderer: it lacks suffix"),
            marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="asks no object for what it has"),
        ),
        (
            *("metric", Measures()),
            "a Measures, which is not a FilterMetric or LayerMetric: "
            "it lacks columns, measure or measure_layer",
        ),
    ],
)
def test_what_an_object_lacks_is_said(make: Make, kind: Kind, inner: object, words: str) -> None:
    assert contract_error(lambda: make(kind, inner)) == f"{kind} 'mine' is {words}"


def normalized(values: Any) -> Normalized:
    return Normalized(values, None, None, None)


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "returned None, not Normalized"),
        (VALUES, "returned an ndarray, not Normalized"),
        (normalized([0.5] * 8), "returned values that are not floats"),
        (normalized(np.zeros(VALUES.shape, int)), "returned values that are not floats"),
        (normalized(np.zeros(8, np.float32)), "returned shape (8,) for input of shape (2, 1, 2, 2)"),
        (normalized(np.full(VALUES.shape, 1.1)), "returned values that are not finite or outside [0, 1]"),
        (normalized(np.full(VALUES.shape, -0.1)), "returned values that are not finite or outside [0, 1]"),
        (normalized(np.full(VALUES.shape, np.nan)), "returned values that are not finite or outside [0, 1]"),
        (normalized(np.full(VALUES.shape, np.inf)), "returned values that are not finite or outside [0, 1]"),
    ],
)
def test_normalizer(make: Make, result: Any, problem: str) -> None:
    made = make("normalizer", Normalizer(lambda values: result))
    assert contract_error(lambda: made.normalize(VALUES)) == f"normalizer 'mine': normalize() {problem}"


def test_an_empty_layer_normalizes(make: Make) -> None:
    empty = np.zeros((0, 1, 3, 3), np.float32)
    assert make("normalizer", Normalizer(normalized)).normalize(empty).values.shape == empty.shape


def test_a_normalizer_cannot_change_its_input(make: Make) -> None:
    def scribble(values: np.ndarray) -> Normalized:
        values -= values.min()
        return normalized(values)

    mine = VALUES.copy()
    with pytest.raises(PluginError, match=r"filterkit-mine 1.5: normalizer 'mine': normalize\(\)") as caught:
        make("normalizer", Normalizer(scribble)).normalize(mine)
    assert "read-only" in str(caught.value.hint)
    np.testing.assert_array_equal(mine, VALUES)
    assert mine.flags.writeable


class Source:
    scheme = "mine"

    def __init__(self, result: Any) -> None:
        self.result = result

    def fetch(self, ref: str, workdir: Path, progress: Any) -> Any:
        return self.result(workdir) if callable(self.result) else self.result


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "returned None, not a FetchedModel"),
        (lambda folder: FetchedModel(folder / "absent.onnx", "x"), "which is not a file"),
        (lambda folder: FetchedModel(folder, "x"), "which is not a file"),
        (lambda folder: FetchedModel(str(folder / "m"), "x"), "which is not a pathlib.Path"),
        (lambda folder: FetchedModel(folder / "m", None), "returned no origin"),
        (
            lambda folder: FetchedModel(folder / "m", "x", license=3),
            "returned the license 3, which is not a string",
        ),
        (lambda folder: FetchedModel(folder / "m", "x", {"scale": 1}), "returned an invalid preprocessing"),
        (
            lambda folder: FetchedModel(folder / "m", "x", Preprocessing(mean=(1.0,))),
            "returned 1 mean values for 3 channels",
        ),
        *(
            (lambda folder, made=made: FetchedModel(folder / "m", "x", made), problem)
            for made, problem in (
                (
                    Preprocessing(channel_order="GBR"),
                    "the channel_order 'GBR', which is not one of RGB, BGR, GRAY, RGBA, BANDS",
                ),
                (Preprocessing(channel_order="BANDS"), "returned 0 bands for the channel_order BANDS"),
                (Preprocessing(bands=3), "returned 3 bands for the channel_order RGB"),
                (
                    Preprocessing(channel_order="BANDS", bands=5, mean=(1.0,) * 4),
                    "returned 4 mean values for 5 channels",
                ),
                (Preprocessing(input=0), "returned the input 0, which is not a name"),
                (
                    Preprocessing(stated=("sizes",)),
                    "returned stated=('sizes',), which are not names of fields",
                ),
                (Preprocessing(layout="HWC"), "the layout 'HWC', which is not one of NCHW, NHWC"),
                (
                    Preprocessing(size=(3, 224, 224)),
                    "the size (3, 224, 224), which is not a height and width",
                ),
                (Preprocessing(std=(1, 0, 1)), "returned a std of 0"),
            )
        ),
        (
            lambda folder: FetchedModel(folder / "m", "x", filter_labels={"edges": "xy"}),
            "returned filter labels of 'edges' that are not a list of strings",
        ),
    ],
)
def test_source(make: Make, tmp_path: Path, result: Any, problem: str) -> None:
    (tmp_path / "m").write_bytes(b"model")
    made = make("source", Source(result))
    assert contract_error(lambda: made.fetch("", tmp_path, lambda *_: None)).endswith(problem)


def test_a_sources_scheme_is_its_name(make: Make) -> None:
    source = Source(None)
    source.scheme = "yours"
    assert (
        contract_error(lambda: make("source", source))
        == "source 'mine' has the scheme 'yours', which must equal its name"
    )


class Renderer:
    media_type, suffix = "text/plain", ".txt"

    def __init__(self, result: Any) -> None:
        self.result = result

    def render(self, sheet: TileSheet) -> Any:
        return self.result(sheet) if callable(self.result) else self.result


SHEET = TileSheet(tiles=np.zeros((1, 1, 2, 2), np.float32), count=1)


@pytest.mark.parametrize(("result", "kind"), [(None, "None"), ("text", "a str"), (b"", "no data")])
def test_renderer(make: Make, result: Any, kind: str) -> None:
    made = make("renderer", Renderer(result))
    assert contract_error(lambda: made.render(SHEET)).endswith(
        f"render() returned {kind}, not the bytes of a picture"
    )


def test_a_renderer_cannot_change_the_sheet(make: Make) -> None:
    def scribble(sheet: TileSheet) -> bytes:
        sheet.tiles[:] = 1
        return b"done"

    with pytest.raises(PluginError, match="read-only"):
        make("renderer", Renderer(scribble)).render(SHEET)
    assert SHEET.tiles.max() == 0


class Format:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(), FilterkitError("the rows failed")])
def test_a_broken_stream_is_not_the_formats_fault(make: Make, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        make("format", Format(error)).write([], (), io.StringIO())
    assert caught.value is error


def test_a_format_that_raises_is_named(make: Make) -> None:
    with pytest.raises(PluginError, match=r"filterkit-mine 1.5: format 'mine': write\(\): KeyError: 'x'"):
        make("format", Format(KeyError("x"))).write([], (), io.StringIO())


class Copying:
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        for row in rows:
            stream.write(row.get("name", ""))


def test_rows_that_fail_are_not_the_formats_fault(make: Make) -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield {"name": "first"}
        raise ValueError("second")

    stream = io.StringIO()
    with pytest.raises(ValueError, match=r"^second$"):
        make("format", Copying()).write(rows(), ("name",), stream)
    assert stream.getvalue() == "first"


@pytest.mark.parametrize(("rows", "said"), [([("a", 1)], "not a tuple"), (None, "'NoneType' object is not")])
def test_what_are_no_rows_is_not_the_formats_fault(make: Make, rows: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make("format", Copying()).write(rows, ("name",), io.StringIO())


class Extractor:
    def __init__(self, *found: Any) -> None:
        self.found = found

    def extract(self, graph: Any) -> Iterator[Any]:
        for each in self.found:
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> filterkit.GraphView:
    return open_graph(tiny_model("plain", tmp_path_factory.mktemp("graph")).path)


def test_a_good_bank_and_a_reason_pass(make: Make, graph: filterkit.GraphView) -> None:
    reason = Skipped("other", "Conv", "computed")
    assert list(make("extractor", Extractor(BANK, reason)).extract(graph)) == [BANK, reason]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ("conv", "yielded a str, not a FilterBank or a Skipped with a reason"),
        (Skipped("conv", "Conv", ""), "yielded a Skipped, not a FilterBank or a Skipped with a reason"),
        (replace(BANK, groups=1), "weights of shape (4, 3, 5, 5), but stated (4, 6, 5, 5)"),
        (replace(BANK, groups=0), "0 groups"),
        (replace(BANK, op=3), "the op 3, which is not a string"),
        (replace(BANK, activation=5), "the activation 5, which is not a string"),
        (replace(BANK, source_dtype=None), "the source_dtype None, which is not a string"),
        (replace(BANK, weights=[1.0]), "weights that are not a float array of two or more axes"),
        (
            replace(BANK, weights=BANK.weights.astype(int)),
            "weights that are not a float array of two or more axes",
        ),
        (replace(BANK, bias=np.zeros(3, np.float32)), "a bias without exactly one value per filter"),
        (replace(BANK, strides=(1,)), "1 strides for 2 axes"),
        (replace(BANK, pads=(1, 1)), "2 pads for 2 axes"),
    ],
)
def test_extractor(make: Make, graph: filterkit.GraphView, found: Any, problem: str) -> None:
    extracted = make("extractor", Extractor(BANK, found)).extract(graph)
    assert next(extracted) is BANK
    assert contract_error(lambda: next(extracted)).endswith(problem)


def test_an_extractor_that_raises_midway_is_named(make: Make, graph: filterkit.GraphView) -> None:
    extracted = make("extractor", Extractor(BANK, RuntimeError("lost"))).extract(graph)
    assert next(extracted) is BANK
    with pytest.raises(
        PluginError, match=r"filterkit-mine 1.5: extractor 'mine': extract\(\): RuntimeError: lost"
    ):
        next(extracted)


class Changing:
    def __init__(self, change: Callable[[filterkit.GraphView], object]) -> None:
        self.change = change

    def extract(self, graph: filterkit.GraphView) -> Iterator[FilterBank]:
        yield BANK
        self.change(graph)


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.model.graph.ClearField("initializer"),
        lambda graph: setattr(graph.model.graph.initializer[0], "raw_data", b""),
        lambda graph: setattr(graph.nodes[0], "name", "mine"),
        lambda graph: graph.nodes[0].attribute[0].ints.append(7),
        lambda graph: graph.model.Clear(),
    ],
)
def test_an_extractor_that_changes_the_graph_changes_its_own(
    make: Make, graph: filterkit.GraphView, change: Callable[[filterkit.GraphView], object]
) -> None:
    before = graph.model.SerializeToString(deterministic=True)
    extracted = make("extractor", Changing(change)).extract(graph)
    assert next(extracted) is BANK
    assert contract_error(lambda: next(extracted)) == "extractor 'mine': extract() modified the graph"
    assert graph.model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("kind", TINY_MODELS)
def test_an_extractor_that_reads_is_not_blamed(make: Make, tmp_path: Path, kind: str) -> None:
    graph = open_graph(tiny_model(kind, tmp_path).path)
    banks = list(make("extractor", ConvolutionExtractor()).extract(graph))
    assert [bank.node for bank in banks] == [bank.node for bank in ConvolutionExtractor().extract(graph)]
