"""What onnx does in C++, its checker, its inliner and its shape inference, in a process of their own.

A graph that they do not expect can make them abort, hang or take all memory: onnx is built with assertions,
and one of them fails where a Slice meets an axis whose size was inferred to be negative. A bare Python with
onnx's extension starts in some 30 ms, while a model is read, and is kept until this process ends.
"""

from __future__ import annotations

import importlib.util
import sys

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from filterkit.graph.loading import sandbox_worker
from filterkit.graph.loading.sandbox_worker import CHECK, INFER, INFER_STRICTLY, INLINE
from filterkit.graph.loading.workers import Broken, Refused, Worker


class Failed(Exception):
    """onnx refuses the model, in the words of the exception, or does not survive it."""


def prepare() -> None:
    """Let the process start, where none runs, while something else is done."""
    _worker.prepare()


def check(model: onnx.ModelProto) -> None:
    """Run onnx's checker; raises Failed with what it says against the model."""
    _ask(CHECK, model)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions in the place of their calls; raises Failed."""
    return _model(_ask(INLINE, model))


def with_shapes(model: onnx.ModelProto, *, strict: bool = False) -> onnx.ModelProto:
    """The model with all types and shapes that can be told.

    Raises
    ------
    Failed
        The graph contradicts itself. Unless `strict`, most contradictions only leave shapes out.
    """
    return _model(_ask(INFER_STRICTLY if strict else INFER, model))


def _model(data: bytes) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise Failed("onnx makes something unreadable of it") from error
    return model


def _ask(task: int, model: onnx.ModelProto) -> bytes:
    try:
        return _worker.ask(task, model.SerializeToString())
    except Refused as error:
        raise Failed(str(error)) from error
    except Broken as error:
        raise Failed("onnx breaks down over it") from error


def _command() -> list[str]:
    extension = importlib.util.find_spec("onnx.onnx_cpp2py_export")
    assert extension is not None and extension.origin is not None
    return [sys.executable or "", "-I", "-S", sandbox_worker.__file__, extension.origin]


_worker = Worker(_command)
