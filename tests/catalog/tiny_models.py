"""Small ONNX models with known banks, and how they get into a catalog."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from filterkit.address import parse_address
from filterkit.catalog import Catalog, weights
from filterkit.catalog.addresses import resolve
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.ingest.commit import IngestResult, commit, known_model
from filterkit.ingest.stage import Makers, Request, stage_model
from filterkit.metrics.basic import BasicMetrics
from filterkit.records import FetchedModel


def write_model(
    path: Path, *, widths: Sequence[int] = (3, 4, 5), seed: int = 0, external: bool = False
) -> Path:
    """A chain of 3×3 convolutions with ReLUs: conv1 with bias, the others without."""
    random = np.random.default_rng(seed)
    nodes, weights, tensor = [], [], "image"
    for number, (inside, outside) in enumerate(pairwise(widths), 1):
        name = f"conv{number}"
        kernel = random.normal(size=(outside, inside, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"{name}.weight"))
        inputs = [tensor, f"{name}.weight"]
        if number == 1:
            bias = random.normal(size=outside).astype(np.float32)
            weights.append(numpy_helper.from_array(bias, f"{name}.bias"))
            inputs.append(f"{name}.bias")
        nodes.append(helper.make_node("Conv", inputs, [f"{name}_out"], name=name, pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"{name}_out"], [f"{name}_relu"], name=f"{name}_act"))
        tensor = f"{name}_relu"
    picture = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", widths[0], 32, 48])
    output = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "chain", [picture], [output], weights)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests"
    )
    onnx.save(
        model,
        path,
        save_as_external_data=external,
        location="weights.bin" if external else None,
        size_threshold=0,
    )
    return path


def put(catalog: Catalog, path: Path, name: str = "tiny", **options: Any) -> IngestResult:
    """Stage `path` and commit it, as the command line would."""
    fetched = options.pop("fetched", None) or FetchedModel(path, "made by a test")
    plugins = options.pop("plugins", {"core": "1"})
    extractors = options.pop("extractors", [ConvolutionExtractor()])
    makers = Makers(None, extractors, options.pop("metrics", [BasicMetrics()]))
    replace = options.pop("replace", False)
    known = None if replace else known_model(catalog, name)
    request = Request(name, "onnx", str(path), str(path), known=known, **options)
    with tempfile.TemporaryDirectory(dir=catalog.path.parent, ignore_cleanup_errors=True) as folder:
        staged = stage_model(request, fetched, Path(folder), makers)
        if staged.contents:
            contents = dataclasses.replace(
                staged.contents, model={**staged.contents.model, "plugins": plugins}
            )
            staged = dataclasses.replace(staged, contents=contents)
        return commit(catalog, staged, replace=replace, verify=False)


def state(catalog: Catalog) -> tuple[Any, set[str]]:
    """Everything a user could see of a catalog, and every file of its store."""
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        rows = [
            connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("model", "layer", "filter")
        ]
    return rows, {str(path.relative_to(catalog.path.parent)) for path in catalog.store.folder.rglob("*")}


def bank_of(catalog: Catalog, address: str) -> NDArray[np.floating]:
    [match] = resolve(catalog, parse_address(address))
    return weights.bank(catalog, match)


def stored_weights(path: Path) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
