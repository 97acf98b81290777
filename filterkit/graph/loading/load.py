"""Loading ONNX files of unknown origin: everything is validated before it is used."""

from __future__ import annotations

import stat
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from filterkit import budget
from filterkit.errors import ModelError, NotFoundError
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.file_kinds import file_kind
from filterkit.graph.loading.names import check_names, shown
from filterkit.graph.loading.operators import check_operators
from filterkit.graph.loading.rewrites import inline, replace_cast_like
from filterkit.graph.loading.tensors import check_ranks, check_tensor
from filterkit.graph.view.shapes import without_weights
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import every_tensor, topological_order

LARGEST = 2**31
"""Bytes; protobuf cannot read messages of this size."""

TOLERATED = (
    "Field 'shape'",  # ONNX Runtime runs graphs whose inputs and outputs have no shape
    "No Op registered",  # newer than the installed onnx, or custom: filters can still be read
    "No opset import for domain",
    "is deprecated in domain_version",  # ONNX Runtime still runs deprecated operators
    "is higher than the checker",  # a newer IR version
    "model ir_version",
)


def open_graph(path: Path) -> GraphView:
    """Load an ONNX file as a `GraphView`; raises as `load_model` does."""
    return GraphView(load_model(path), Path(path))


def load_model(path: Path) -> onnx.ModelProto:
    """Load and validate an ONNX file; external data is not read but mapped when needed.

    Parameters
    ----------
    path
        The file. Its external data must be in the same folder or below it. Where `path` is a link, the
        folder of its target is allowed as well.

    Returns
    -------
    ModelProto
        With its top-level nodes in topological order, its functions inlined, and every CastLike replaced by
        a Cast.

    Raises
    ------
    NotFoundError
        There is no such file.
    ModelError
        The file is not an ONNX model, is corrupted, or refers to data outside its folder.
    """
    path = Path(path)
    check_file(path)
    sandbox.prepare()
    try:
        budget.step("reading {}", path.name)
        model = _parse(path)
        _clear_placeholder_sizes(model.graph)
        for tensor in every_tensor(model):
            budget.step("checking tensor '{0.name}'", tensor)
            check_tensor(tensor, path)
        check_ranks(model)
        budget.step("checking the operators of its nodes")
        check_operators(model)
        budget.step("sorting its nodes topologically")
        order = topological_order(model.graph)
    except budget.Exceeded:
        raise
    except ModelError as error:
        raise ModelError(f"{shown(str(path), 200)}: {error.message}", hint=error.hint) from error
    if order != sorted(order):
        nodes = [onnx.NodeProto.FromString(model.graph.node[index].SerializeToString()) for index in order]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    budget.step("running onnx's checker")
    _check(model, path)
    has_functions = bool(model.functions)
    budget.step("inlining its functions")
    try:
        inlined = inline(model)
        if has_functions:  # inlined nodes take attributes from the calls
            check_operators(inlined)
        replace_cast_like(inlined)
        return inlined
    except budget.Exceeded:
        raise
    except ModelError as error:
        raise ModelError(f"{shown(str(path), 200)}: {error.message}", hint=error.hint) from error


def check_file(path: Path) -> None:
    """Raise as `load_model` does unless `path` is a regular file of a possible size; does not open it."""
    name, hint = shown(str(path), 200), "give the path of an ONNX model"
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise NotFoundError(f"{name}: no such file", hint=hint) from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{name}: not a file", hint=hint)
    if status.st_size >= LARGEST:
        _refuse_other_formats(path, f"{name}: ")
        raise ModelError(
            f"{name}: larger than 2 GiB", hint="save its weights as external data, as ONNX requires"
        )


def _refuse_other_formats(path: Path, prefix: str = "") -> None:
    """Raise ModelError if the file is recognized as something other than an ONNX model."""
    kind = file_kind(path)
    if kind is not None:
        raise ModelError(f"{prefix}not an ONNX model but {kind.what}", hint=kind.hint)


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
        _refuse_other_formats(path)
        if "depth" in str(error).lower() or "recursion" in str(error).lower():
            raise ModelError(
                "nests messages deeper than protobuf can read",
                hint="no valid network needs this; use another file",
            ) from error
        raise ModelError(
            "not an ONNX model, or a corrupted one", hint="fetch or export the model again"
        ) from error
    if not model.graph.node:
        _refuse_other_formats(path)
    check_names(model)
    if not model.graph.node:
        raise ModelError("contains no graph with nodes", hint="check that it is a complete ONNX model")
    return model


def _clear_placeholder_sizes(graph: onnx.GraphProto) -> None:
    """Clear sizes of 0 or less in declared shapes: some exporters write them for unknown sizes.

    Except in inputs, 0 is a valid size, and is kept unless an input had a size of 0 or less.
    """
    initializers = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initializers]
    cleared = sum(_clear_sizes(value, most=0) for value in inputs) > 0
    for value in (*graph.value_info, *graph.output):
        _clear_sizes(value, most=0 if cleared else -1)


def _clear_sizes(value: onnx.ValueInfoProto, most: int) -> bool:
    """Clear the sizes up to `most`; return whether there were any."""
    if not value.type.HasField("tensor_type"):
        return False
    dims = value.type.tensor_type.shape.dim
    found = [dim for dim in dims if dim.HasField("dim_value") and dim.dim_value <= most]
    for dim in found:
        dim.ClearField("dim_value")
    return bool(found)


def _check(model: onnx.ModelProto, path: Path) -> None:
    """Run onnx's checker on the graph without its large weights, which `check_tensor` has validated."""
    try:
        sandbox.check(without_weights(model))
    except sandbox.Failed as error:
        message = str(error)
        if not any(words in message for words in TOLERATED):
            first_line = shown(message.strip().partition("\n")[0], limit=200)
            raise ModelError(
                f"{shown(str(path), 200)}: not a valid ONNX model: {first_line}", hint="export it again"
            ) from error
