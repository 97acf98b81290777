"""onnx's C++ code in a separate process: results and errors are passed on, and crashes are contained."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx_graphs import FLOAT, build, node, opened, random

import filterkit
from filterkit import budget
from filterkit.graph.loading import sandbox, sandbox_worker
from filterkit.graph.loading.sandbox_worker import HEADER, INLINE
from filterkit.graph.view.shapes import without_weights
from filterkit.plugins.host import PluginHost


def plain() -> onnx.ModelProto:
    model = build([node("Conv", "x w", "y")], {"x": ["N", 3, 8, 8]}, {"w": random(4, 3, 3, 3)})
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 4, None, None]))
    return model


def aborting() -> onnx.ModelProto:
    """onnx infers a size of -2 for c, and an assertion of the C++ standard library fails at the Slice."""
    slices = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    return build(
        [node("Conv", "x w", "c"), node("Slice", "c zero one two", "s"), node("Conv", "s v", "y")],
        {"x": [1, 3, 4, 4]},
        {"w": random(4, 3, 7, 7), "v": random(2, 4, 1, 1), **slices},
    )


@pytest.mark.parametrize("strict", [False, True])
def test_shapes_equal_those_of_onnx(strict: bool) -> None:
    expected = onnx.shape_inference.infer_shapes(plain(), data_prop=True, strict_mode=strict)
    assert sandbox.with_shapes(plain(), strict=strict) == expected
    assert [dim.dim_value for dim in expected.graph.output[0].type.tensor_type.shape.dim] == [0, 4, 6, 6]


def test_inference_errors_have_onnxs_message() -> None:
    model = plain()
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", FLOAT, [1, 5, 6, 6]))
    with pytest.raises(onnx.shape_inference.InferenceError) as theirs:
        onnx.shape_inference.infer_shapes(model, strict_mode=True)
    with pytest.raises(sandbox.Failed) as ours:
        sandbox.with_shapes(model, strict=True)
    assert str(ours.value) == str(theirs.value)


def test_checker_errors_have_onnxs_message() -> None:
    sandbox.check(plain())
    model = plain()
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("colour", 1))
    with pytest.raises(onnx.checker.ValidationError) as theirs:
        onnx.checker.check_model(model)
    with pytest.raises(sandbox.Failed) as ours:
        sandbox.check(model)
    assert str(ours.value) == str(theirs.value)


def test_older_operators_are_converted() -> None:
    model = build([node("Clip", "x", "y", min=0.0, max=6.0)], {"x": [2]}, opset=9)
    (clip,) = (one for one in sandbox.converted(model).graph.node if one.op_type == "Clip")
    assert len(clip.input) == 3 and not clip.attribute
    unknown = build([node("Fold", "x", "y")], {"x": [2]}, opset=9)
    with pytest.raises(sandbox.Failed, match="Fold"):
        sandbox.converted(unknown)


def test_the_process_is_restarted_after_a_crash() -> None:
    # Make sure that onnx does crash; a newer version may have fixed it.
    code = "import onnx, sys; onnx.shape_inference.infer_shapes(sys.stdin.buffer.read())"
    bare = subprocess.run(
        [sys.executable, "-c", code], input=aborting().SerializeToString(), capture_output=True
    )
    if bare.returncode == 0:
        pytest.skip("this version of onnx does not crash")
    for _ in range(2):
        with pytest.raises(sandbox.Failed, match="crashes"):
            sandbox.with_shapes(without_weights(aborting()))
        assert sandbox.with_shapes(plain()).graph.output[0].type.tensor_type.shape.dim[3].dim_value == 6
    graph = opened(aborting())
    assert graph.shape("x") == (1, 3, 4, 4) and graph.shape("s") is None


def test_threads_share_the_process() -> None:
    models = [build([node("Relu", "x", "y")], {"x": [size, 2]}) for size in range(1, 33)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(sandbox.with_shapes, models))
    sizes = [model.graph.output[0].type.tensor_type.shape.dim[0].dim_value for model in found]
    assert sizes == list(range(1, 33))


def doubling(times: int) -> onnx.ModelProto:
    """Functions that each call the next one twice."""
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("d", 1)]
    bodies = [[node("Relu", "a", "b")]]
    bodies += [
        [node(f"F{i}", "a", "m", domain="d"), node(f"F{i}", "m", "b", domain="d")] for i in range(times)
    ]
    model = build([node(f"F{times}", "x", "y", domain="d")], {"x": [2]})
    for i, body in enumerate(bodies):
        model.functions.append(onnx.helper.make_function("d", f"F{i}", ["a"], ["b"], body, opsets))
    return model


def test_the_process_ends_by_itself_after_its_time_limit() -> None:
    extension = importlib.util.find_spec("onnx.onnx_cpp2py_export")
    assert extension is not None and extension.origin is not None
    data = doubling(30).SerializeToString()
    with subprocess.Popen(
        [sys.executable, sandbox_worker.__file__, extension.origin],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as worker:
        assert worker.stdin is not None
        worker.stdin.write(HEADER.pack(INLINE, len(data), 0.5) + data)
        worker.stdin.flush()
        assert worker.wait(60) == 1


ELSEWHERE = """
import sys
from onnx import helper
from filterkit.errors import RuntimeFailure
from filterkit.graph.loading import sandbox

sys.executable = {executable!r}
try:
    sandbox.check(helper.make_model(helper.make_graph([], "g", [], [])))
except RuntimeFailure as error:
    print(error.message, error.hint)
"""


@pytest.mark.parametrize("executable", [None, "", "no/such/python", onnx.__file__])
def test_where_python_cannot_be_started_the_error_says_so(executable: str | None) -> None:
    code = ELSEWHERE.format(executable=executable)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.startswith("cannot start a Python child process: ") and ran.stderr == ""
    assert f"sys.executable is '{executable or ''}'" in ran.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a program that does nothing")
def test_where_sys_executable_is_not_python_the_error_says_so() -> None:
    code = ELSEWHERE.format(executable="/usr/bin/env")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.startswith("cannot start a Python child process: it does not respond")


class Checking:
    """A plugin whose hook starts the process, crashes it, and restarts it."""

    @filterkit.hookimpl
    def filterkit_after_ingest(self, event: object) -> None:
        sandbox.check(plain())
        with suppress(sandbox.Failed):
            sandbox.with_shapes(without_weights(aborting()))
        sandbox.check(plain())


def test_use_in_a_hook_is_not_reported_as_tampering() -> None:
    with suppress(sandbox.Failed):  # ends the running one
        sandbox.with_shapes(without_weights(aborting()))
    before, reported = dict(vars(sandbox)), list[str]()
    host = PluginHost(report=reported.append)
    plugin = host.add(Checking(), name="filterkit-checking", version="1")
    host.call("filterkit_after_ingest", event=None)
    assert (plugin.state, reported) == ("loaded", [])
    assert vars(sandbox) == before


FORKING = """
import os
from onnx import helper
from filterkit.graph.loading import sandbox

x, y = (helper.make_tensor_value_info(name, 1, [2]) for name in "xy")
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
model = helper.make_model(graph)
sandbox.check(model)
child = os.fork()
for _ in range(50):
    sandbox.check(model)
if child == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_fork_starts_its_own_process_and_ends_without_warnings() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("7\n", "")


def test_cpu_time_of_the_process_is_counted_once() -> None:
    """While it runs, its responses report it; once it has ended, the system counts it."""
    sandbox._worker.end()
    with budget.limited("model.onnx", 600, None):
        sandbox.with_shapes(plain())
        limits = budget._current.get()
        assert limits is not None and limits.elsewhere > 0
        sandbox._worker.end()
        assert limits.elsewhere == pytest.approx(0)
