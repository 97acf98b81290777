"""What ONNX Runtime refuses is said in one line, without its codes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from filterkit.errors import RuntimeFailure
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose


def model(*nodes: onnx.NodeProto, opset: int = 13, ir_version: int = 8) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.ones((2, 3, 3, 3), np.float32), "w")],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


CONV = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (model(helper.make_node("Foo", ["x"], ["y"], domain="own")), "no operator Foo of domain own"),
        (model(helper.make_node("Foo", ["x"], ["y"])), "no operator Foo in opset 13"),
        (model(CONV, opset=999), "uses opset 999; this version of ONNX Runtime supports opsets up to"),
        (model(CONV, ir_version=99), "IR version 99; this version of ONNX Runtime supports versions up to"),
        (model(helper.make_node("Conv", ["x", "w", "gone"], ["y"])), "gone"),
    ],
)
def test_models_that_cannot_be_opened(
    broken: onnx.ModelProto, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeFailure, match=message) as caught:
        open_session(broken, choose("cpu"))
    words = caught.value.message
    assert "\n" not in words and "ONNXRuntimeError" not in words and "/onnxruntime_src" not in words
    assert capfd.readouterr() == ("", "")


def test_inputs_that_cannot_be_run(capfd: pytest.CaptureFixture[str]) -> None:
    session = open_session(model(CONV), choose("cpu"), threads=1)
    with pytest.raises(RuntimeFailure, match="failed running the model: ") as caught:
        run(session, ["y"], {"x": np.ones((1, 3, 2, 2), np.float32)})
    assert "ONNXRuntimeError" not in caught.value.message
    assert capfd.readouterr() == ("", "")
    assert run(session, ["y"], {"x": np.ones((1, 3, 3, 3), np.float32)})[0].item(0) == 27
