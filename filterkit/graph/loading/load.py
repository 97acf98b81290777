"""Reading an ONNX file from a stranger: nothing in it is believed before it was checked."""

from __future__ import annotations

import stat
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from filterkit import budget
from filterkit.errors import ModelError, NotFoundError
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.cast_like import as_casts
from filterkit.graph.loading.file_kinds import file_kind
from filterkit.graph.loading.functions import inline
from filterkit.graph.loading.names import check_names, shown
from filterkit.graph.loading.operators import check_operators
from filterkit.graph.loading.tensors import check_ranks, check_tensor
from filterkit.graph.view.skeleton import without_weights
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import every_tensor, topological_order

LARGEST = 2**31
"""Bytes; protobuf reads no message of that size."""

TOLERATED = (
    "Field 'shape'",  # ONNX Runtime runs graphs whose inputs and outputs have no shape
    "No Op registered",  # operators newer than the installed onnx, or somebody's own: banks can still be read
    "No opset import for domain",
    "is deprecated in domain_version",  # ONNX Runtime runs what onnx has given up
    "is higher than the checker",  # a newer IR version
    "model ir_version",
)


def open_graph(path: Path) -> GraphView:
    """Load an ONNX file and view it; raises as `load_model` does."""
    return GraphView(load_model(path), Path(path))


def load_model(path: Path) -> onnx.ModelProto:
    """Read and check an ONNX file; external data stays outside, to be mapped when needed.

    Parameters
    ----------
    path
        The file. Its external data must lie in the same folder or below, or where `path` is a link, in the
        folder of the file that it leads to or below.

    Returns
    -------
    ModelProto
        With the top-level nodes in topological order, functions in the place of their calls, and CastLikes
        as Casts.

    Raises
    ------
    NotFoundError
        There is no such file.
    ModelError
        It is no ONNX model, is damaged, or reaches outside its folder.
    """
    path = Path(path)
    check_file(path)
    sandbox.prepare()
    try:
        budget.step("reading {}", path.name)
        model = _parse(path)
        _free_open_sizes(model.graph)
        for tensor in every_tensor(model):
            budget.step("checking tensor '{0.name}'", tensor)
            check_tensor(tensor, path)
        check_ranks(model)
        budget.step("checking the operators of its nodes")
        check_operators(model)
        budget.step("bringing its nodes into order")
        order = topological_order(model.graph)
    except budget.Exceeded:
        raise
    except ModelError as error:
        raise ModelError(f"{shown(str(path), 200)}: {error.message}", hint=error.hint) from error
    if order != sorted(order):
        nodes = [onnx.NodeProto.FromString(model.graph.node[index].SerializeToString()) for index in order]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    budget.step("letting onnx check it")
    _check(model, path)
    has_functions = bool(model.functions)
    budget.step("putting its functions in the place of their calls")
    try:
        whole = inline(model)
        if has_functions:  # their nodes got attributes from the calls
            check_operators(whole)
        as_casts(whole)
        return whole
    except budget.Exceeded:
        raise
    except ModelError as error:
        raise ModelError(f"{shown(str(path), 200)}: {error.message}", hint=error.hint) from error


def check_file(path: Path) -> None:
    """Raise as `load_model` does where `path` is no file that is worth a look; reads nothing of it."""
    name, hint = shown(str(path), 200), "give the path of an ONNX model"
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise NotFoundError(f"{name}: no such file", hint=hint) from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{name}: not a file", hint=hint)
    if status.st_size >= LARGEST:
        _refuse_others(path, f"{name}: ")
        raise ModelError(
            f"{name}: larger than 2 GiB", hint="save its weights as external data, as ONNX demands"
        )


def _refuse_others(path: Path, before: str = "") -> None:
    """Raise ModelError where the file is known to be something else than an ONNX model."""
    kind = file_kind(path)
    if kind is not None:
        raise ModelError(f"{before}not an ONNX model but {kind.what}", hint=kind.hint)


def _parse(path: Path) -> onnx.ModelProto:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", hint="check the file's permissions") from error
    if not data:
        raise ModelError("the file is empty", hint="fetch or export the model again")
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        _refuse_others(path)
        if "depth" in str(error).lower() or "recursion" in str(error).lower():
            raise ModelError(
                "nests messages deeper than protobuf reads",
                hint="a network has no use for that; fetch another",
            ) from error
        raise ModelError(
            "not an ONNX model, or a damaged one", hint="fetch or export the model again"
        ) from error
    if not model.graph.node:
        _refuse_others(path)
    check_names(model)
    if not model.graph.node:
        raise ModelError("holds no graph with nodes", hint="is it an ONNX model, and complete?")
    return model


def _free_open_sizes(graph: onnx.GraphProto) -> None:
    """Leave open what a file writes as a size of 0 or less, as some exporters do for what they leave open.

    Elsewhere than in inputs a size of 0 is one, unless it follows from an input's.
    """
    given = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in given]
    freed = sum(_free(value, most=0) for value in inputs) > 0
    for value in (*graph.value_info, *graph.output):
        _free(value, most=0 if freed else -1)


def _free(value: onnx.ValueInfoProto, most: int) -> bool:
    """Leave open the sizes up to `most`; whether there were any."""
    if not value.type.HasField("tensor_type"):
        return False
    dims = value.type.tensor_type.shape.dim
    found = [dim for dim in dims if dim.HasField("dim_value") and dim.dim_value <= most]
    for dim in found:
        dim.ClearField("dim_value")
    return bool(found)


def _check(model: onnx.ModelProto, path: Path) -> None:
    """Run onnx's own checker on the graph without its large weights, which `check_tensor` has seen."""
    try:
        sandbox.check(without_weights(model))
    except sandbox.Failed as error:
        said = str(error)
        if not any(words in said for words in TOLERATED):
            first_line = shown(said.strip().partition("\n")[0], limit=200)
            raise ModelError(
                f"{shown(str(path), 200)}: not a valid ONNX model: {first_line}", hint="export it again"
            ) from error
