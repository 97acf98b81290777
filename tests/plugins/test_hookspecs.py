"""Every hook, with a plugin that uses it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import numpy as np
import onnx
import pytest
import typer
from command_groups import group_of, run
from onnx import TensorProto, helper, numpy_helper

import filterkit
from filterkit.operations.requested_pictures import source_images
from filterkit.plugins import hookspecs
from filterkit.plugins.commands import add_commands
from filterkit.plugins.host import PluginHost
from filterkit.plugins.protocols import Row
from filterkit.plugins.registry import Registry
from filterkit.records import (
    FetchedModel,
    FilterBank,
    IngestEvent,
    Normalized,
    ObserveEvent,
    Skipped,
    TileSheet,
)
from filterkit.testing import open_graph, tiny_model


def write_model(path: Path, weights: np.ndarray) -> None:
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", weights.shape[1], "H", "W"))
    maps = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
    graph = helper.make_graph([node], "tiny", [picture], [maps], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def bank(weights: np.ndarray) -> FilterBank:
    out_channels, in_channels, *kernel = weights.shape
    return FilterBank(
        node="conv",
        op="Conv",
        weights=weights,
        bias=None,
        in_channels=in_channels,
        out_channels=out_channels,
        groups=1,
        kernel_shape=tuple(kernel),
        strides=(1,) * len(kernel),
        dilations=(1,) * len(kernel),
        pads=(0,) * 2 * len(kernel),
        auto_pad="NOTSET",
        output_padding=(0,) * len(kernel),
        input_tensor="x",
        weight_tensor="w",
        pre_tensor="y",
        post_tensor="y",
        pre_layout="NCHW",
        post_layout="NCHW",
        activation=None,
        source_dtype="float32",
        source_layout="OIHW",
    )


def test_model_sources(host: PluginHost, tmp_path: Path) -> None:
    class Ones:
        scheme = "ones"

        def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> FetchedModel:
            write_model(workdir / "ones.onnx", np.ones((int(ref), 1, 3, 3), np.float32))
            return FetchedModel(workdir / "ones.onnx", origin=f"ones:{ref}")

    class Plugin:
        @filterkit.hookimpl
        def filterkit_model_sources(self) -> list[Any]:
            return [filterkit.Contribution("ones", "Nothing but ones", Ones)]

    host.add(Plugin(), name="filterkit-ones", version="2.0")
    source = Registry(host).create("source", "ones")
    fetched = source.fetch("4", tmp_path, lambda *_: None)
    assert onnx.load(fetched.onnx_path).graph.initializer[0].dims == [4, 1, 3, 3]
    assert (source.plugin.name, source.plugin.version, source.scheme) == ("filterkit-ones", "2.0", "ones")


def test_weight_extractors(host: PluginHost, tmp_path: Path) -> None:
    class Known:
        def extract(self, graph: Any) -> Iterator[FilterBank | Skipped]:
            yield bank(np.ones((2, 3, 1, 1), np.float32))
            yield Skipped("other", "Conv", "its weights are computed")

    class Plugin:
        @filterkit.hookimpl
        def filterkit_weight_extractors(self) -> list[Any]:
            return [filterkit.Contribution("known", "What is known anyway", Known)]

    host.add(Plugin(), name="filterkit-known")
    graph = open_graph(tiny_model("plain", tmp_path).path)
    found = list(Registry(host).create("extractor", "known").extract(graph))
    assert [type(each) for each in found] == [FilterBank, Skipped]


def test_normalizers(host: PluginHost) -> None:
    @dataclass(frozen=True)
    class Threshold:
        at: float = 0.0

        def normalize(self, values: np.ndarray) -> Normalized:
            return Normalized((values > self.at).astype(np.float32), vmin=None, vmax=None, centre=None)

    class Plugin:
        @filterkit.hookimpl
        def filterkit_normalizers(self) -> tuple[Any, ...]:
            return (filterkit.Contribution("threshold", "Black or white", Threshold),)

    host.add(Plugin(), name="filterkit-threshold")
    made = Registry(host).create("normalizer", "threshold:at=0.5")
    done = made.normalize(np.array([[[0.2, 0.7]]], np.float32))
    assert done.values.tolist() == [[[0.0, 1.0]]]
    assert str(made) == "filterkit-threshold/threshold:at=0.5"


def test_renderers(host: PluginHost) -> None:
    @dataclass(frozen=True)
    class Counts:
        sign: str = "#"
        media_type = "text/plain"
        suffix = ".txt"

        def render(self, sheet: TileSheet) -> bytes:
            return (self.sign * sheet.count).encode()

    class Plugin:
        @filterkit.hookimpl
        def filterkit_renderers(self) -> Iterator[Any]:
            yield filterkit.Contribution("counts", "One sign per tile", Counts)

    host.add(Plugin(), name="filterkit-counts")
    sheet = TileSheet(tiles=np.zeros((1, 3, 2, 2), np.float32), count=3)
    made = Registry(host).create("renderer", "counts", sign="o")
    assert (made.render(sheet), made.media_type, made.suffix) == (b"ooo", "text/plain", ".txt")


def test_metrics(host: PluginHost) -> None:
    class Energy:
        columns = ("energy",)

        def measure(self, bank: FilterBank) -> dict[str, np.ndarray]:
            return {"energy": (bank.weights**2).sum(axis=(1, 2, 3))}

    class Plugin:
        @filterkit.hookimpl
        def filterkit_metrics(self) -> list[Any]:
            return [filterkit.Contribution("energy", "Sum of squares", Energy)]

    host.add(Plugin(), name="filterkit-energy")
    metric = next(made for made in Registry(host).metrics() if made.plugin.name == "filterkit-energy")
    assert metric.measure(bank(np.full((2, 1, 2, 2), 3, np.float32)))["energy"].tolist() == [36, 36]


def test_output_formats(host: PluginHost) -> None:
    class Lines:
        def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
            stream.writelines("|".join(str(row[name]) for name in columns) + "\n" for row in rows)

    class Plugin:
        @filterkit.hookimpl
        def filterkit_output_formats(self) -> list[Any]:
            return [filterkit.Contribution("lines", "Values between bars", Lines)]

    host.add(Plugin(), name="filterkit-lines")
    stream = io.StringIO()
    Registry(host).create("format", "lines").write([{"a": 1, "b": 2}], ("b", "a"), stream)
    assert stream.getvalue() == "2|1\n"


def test_gradient_rules(host: PluginHost) -> None:
    class Doubling:
        operators = (("my.domain", "Twice"),)

        def backward(self, step: filterkit.Backward) -> list[str]:
            return [step.op("Add", step.gradient, step.gradient)]

    class Plugin:
        @filterkit.hookimpl
        def filterkit_gradient_rules(self) -> Iterable[filterkit.Contribution[Doubling]]:
            return [filterkit.Contribution("twice", "Twice as much", Doubling)]

    host.add(Plugin(), name="filterkit-twice", version="1")
    rule = Registry(host).gradient_rules()["my.domain", "Twice"]
    assert str(rule) == "filterkit-twice/twice"


def test_attributions(host: PluginHost) -> None:
    class Nothing:
        local = False

        def attribute(self, subject: filterkit.Subject) -> Any:
            return 0 * subject.picture

    class Plugin:
        @filterkit.hookimpl
        def filterkit_attributions(self) -> Iterable[filterkit.Contribution[Nothing]]:
            return [filterkit.Contribution("nothing", "Zero everywhere", Nothing)]

    host.add(Plugin(), name="filterkit-nothing", version="1")
    method = Registry(host).create("attribution", "nothing")
    picture, ends, network = np.ones((3, 4, 5)), np.ones((3, 1, 1)), SimpleNamespace()
    subject = filterkit.Subject(picture, (0, 0), picture, ends, ends, network, "mean", {}, [])
    assert not method.attribute(subject).any()


def test_image_sources(host: PluginHost) -> None:
    class Gray:
        def images(self, spec: str) -> Iterator[filterkit.SourceImage]:
            for level in range(int(spec)):
                yield filterkit.SourceImage(f"gray!{level}", lambda: np.zeros((2, 2), np.uint8))

    class Plugin:
        @filterkit.hookimpl
        def filterkit_image_sources(self) -> Iterable[filterkit.Contribution[Gray]]:
            return [filterkit.Contribution("gray", "Levels of gray", Gray)]

    host.add(Plugin(), name="filterkit-gray", version="1")
    found = list(source_images(Registry(host), "gray:3"))
    assert [image.name for image in found] == ["gray!0", "gray!1", "gray!2"]


def test_response_metrics(host: PluginHost) -> None:
    class Sum:
        columns = ("response_sum",)

        def summarize(self, maps: Any) -> dict[str, Any]:
            return {"sum": maps.sum(axis=(0, 2, 3), dtype=np.float64)}

        def merge(self, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
            return {"sum": one["sum"] + other["sum"]}

        def values(self, summary: dict[str, Any]) -> dict[str, Any]:
            return {"response_sum": summary["sum"]}

    class Plugin:
        @filterkit.hookimpl
        def filterkit_response_metrics(self) -> Iterable[filterkit.Contribution[Sum]]:
            return [filterkit.Contribution("sum", "Sum of all responses", Sum)]

    host.add(Plugin(), name="filterkit-sum", version="1")
    metric = Registry(host).create("response-metric", "sum")
    found = metric.summarize(np.ones((2, 3, 4, 5), np.float32))
    assert metric.values(metric.merge(found, found), 3)["response_sum"].tolist() == [80, 80, 80]


def test_panels(host: PluginHost) -> None:
    class Address:
        title = "Address"
        kinds = ("filter",)

        def show(self, bench: Any, address: str, options: Any) -> list[Any]:
            return [{"address": address}]

    class Plugin:
        @filterkit.hookimpl
        def filterkit_panels(self) -> Iterable[filterkit.Contribution[Address]]:
            return [filterkit.Contribution("address", "The address of a filter", Address)]

    host.add(Plugin(), name="filterkit-address", version="1")
    panel = Registry(host).create("panel", "address")
    shown = panel.show(None, "vgg16/block1_conv1/3", {})  # type: ignore[arg-type]
    assert shown == filterkit.PanelContent([{"address": "vgg16/block1_conv1/3"}], ("address",))


def test_commands(host: PluginHost) -> None:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_commands(self, app: typer.Typer) -> None:
            @app.command()
            def count_to(n: int) -> None:
                """Count."""
                print(*range(1, n + 1))

    host.add(Plugin(), name="filterkit-count")
    group = group_of("own")
    add_commands(host, group)
    assert run(group, "count-to", "3") == "1 2 3\n"


def test_after_ingest(host: PluginHost) -> None:
    heard: list[IngestEvent] = []

    class Plugin:
        @filterkit.hookimpl
        def filterkit_after_ingest(self, event: IngestEvent) -> None:
            heard.append(event)

    host.add(Plugin(), name="filterkit-listener")
    event = IngestEvent(catalog="catalog.db", model="tiny", layers=1, filters=2, skipped=0)
    host.call("filterkit_after_ingest", event=event)
    assert heard == [event]


def test_after_observe(host: PluginHost) -> None:
    heard: list[ObserveEvent] = []

    class Plugin:
        @filterkit.hookimpl
        def filterkit_after_observe(self, event: ObserveEvent) -> None:
            heard.append(event)

    host.add(Plugin(), name="filterkit-listener")
    event = ObserveEvent("catalog.db", "tiny", "photos", pictures=2, added=1, layers=1, filters=3)
    host.call("filterkit_after_observe", event=event)
    assert heard == [event]
    assert "photos" in repr(event)


@pytest.mark.parametrize("hook", [name for name in vars(hookspecs) if name.startswith("filterkit_")])
def test_every_hook_is_tried_above(hook: str) -> None:
    assert f"test_{hook.removeprefix('filterkit_')}" in globals()
