"""Every convolution of every model at hand is a layer or a reason, and none is both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import onnx
import pytest
from onnx_graphs import found

from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.loading.load import open_graph
from filterkit.ingest.extract import extract
from filterkit.records import FetchedModel, Skipped

DATA = Path(onnx.__file__).parent / "backend/test/data"
ZOO = ("vgg16", "open-nsfw", "gtcrn", "basic-pitch", "silero-vad", "mnist-cnn")
CONVOLUTIONS = ("Conv", "ConvTranspose", "QLinearConv", "ConvInteger", "DeformConv", "CausalConvWithState")


def nodes_of(graph: onnx.GraphProto | onnx.FunctionProto, model: onnx.ModelProto) -> Iterable[str]:
    """Operators of all nodes, in bodies and called functions too."""
    functions = {(each.domain, each.name): each for each in model.functions}
    for node in graph.node:
        called = functions.get((node.domain, node.op_type))
        if called is not None:
            yield from nodes_of(called, model)
        else:
            yield node.op_type
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from nodes_of(body, model)


def check(path: Path) -> int:
    """Compare with a plain count; how many layers there are."""
    model = onnx.load(path, load_external_data=False)
    counted = Counter(op for op in nodes_of(model.graph, model) if op in CONVOLUTIONS)
    graph = open_graph(path)
    results = found(graph)
    assert Counter(one.op for one in results) == counted, path
    skipped = [one for one in results if isinstance(one, Skipped)]
    assert all(one.node and one.reason for one in skipped)
    if counted:
        extraction = extract(graph, FetchedModel(path, ""), [ConvolutionExtractor()])
        assert len(extraction.banks) + len(extraction.skipped) == counted.total()
    return len(results) - len(skipped)


@pytest.mark.zoo
@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo(zoo_model: Callable[[str], Path], name: str) -> None:
    assert check(zoo_model(name)) > 0


@pytest.mark.slow
def test_networks_that_come_with_onnx() -> None:
    paths = sorted(DATA.glob("light/*.onnx"))
    assert len(paths) >= 8
    assert sum(map(check, paths)) >= 16 + 53 + 26 + 121


def test_models_of_onnx_own_operator_tests() -> None:
    """Convolutions of one, two and three dimensions, with groups, strides, dilations and padding."""
    paths = [
        path
        for kind in ("pytorch-operator", "pytorch-converted")
        for path in DATA.glob(f"{kind}/*/model.onnx")
    ]
    with_convolutions = [path for path in paths if b"Conv" in path.read_bytes()]
    assert len(with_convolutions) >= 30
    assert sum(map(check, with_convolutions)) == len(with_convolutions)
