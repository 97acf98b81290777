"""Run the parts of onnx that are written in C++ (checker, inliner, shape inference) in a separate process.

An unexpected graph can make them abort, hang or use up all memory: onnx is built with assertions, and one of
them fails where a Slice meets an axis whose size was inferred to be negative. A bare Python with onnx's
extension starts in some 30 ms, while a model is being read, and runs until this process ends.
"""

from __future__ import annotations

import importlib.util
import sys

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from filterkit.graph.loading import sandbox_worker
from filterkit.graph.loading.sandbox_worker import CHECK, INFER, INFER_STRICTLY, INLINE
from filterkit.graph.loading.workers import Crashed, Refused, Worker


class Failed(Exception):
    """onnx rejects the model, with the message of this exception, or crashes on it."""


def prepare() -> None:
    """Start the process, if none is running, without waiting for it to be ready."""
    _worker.prepare()


def check(model: onnx.ModelProto) -> None:
    """Run onnx's checker; raises Failed with its message if it rejects the model."""
    _request(CHECK, model)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions inlined; raises Failed."""
    return _model(_request(INLINE, model))


def with_shapes(model: onnx.ModelProto, *, strict: bool = False) -> onnx.ModelProto:
    """The model with all types and shapes that can be inferred.

    Raises
    ------
    Failed
        The graph is inconsistent. Unless `strict`, most inconsistencies only leave shapes unknown.
    """
    return _model(_request(INFER_STRICTLY if strict else INFER, model))


def _model(data: bytes) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise Failed("onnx returns a model that cannot be parsed") from error
    return model


def _request(task: int, model: onnx.ModelProto) -> bytes:
    try:
        return _worker.request(task, model.SerializeToString())
    except Refused as error:
        raise Failed(str(error)) from error
    except Crashed as error:
        raise Failed("onnx crashes on it") from error


def _command() -> list[str]:
    extension = importlib.util.find_spec("onnx.onnx_cpp2py_export")
    assert extension is not None and extension.origin is not None
    return [sys.executable or "", "-I", "-S", sandbox_worker.__file__, extension.origin]


_worker = Worker(_command)
