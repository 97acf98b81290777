"""onnx's C++ in a process of its own: what it says comes over, and its end is not ours."""

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
from filterkit.graph import native
from filterkit.graph.native_worker import HEADER, INLINE
from filterkit.graph.slim import without_weights
from filterkit.plugins.host import PluginHost


def plain() -> onnx.ModelProto:
    model = build([node("Conv", "x w", "y")], {"x": ["N", 3, 8, 8]}, {"w": random(4, 3, 3, 3)})
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 4, None, None]))
    return model


def aborting() -> onnx.ModelProto:
    """onnx infers that c has a size of -2, and an assertion of the standard library fails at the Slice."""
    slices = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    return build(
        [node("Conv", "x w", "c"), node("Slice", "c zero one two", "s"), node("Conv", "s v", "y")],
        {"x": [1, 3, 4, 4]},
        {"w": random(4, 3, 7, 7), "v": random(2, 4, 1, 1), **slices},
    )


@pytest.mark.parametrize("strict", [False, True])
def test_shapes_are_those_of_onnx(strict: bool) -> None:
    expected = onnx.shape_inference.infer_shapes(plain(), data_prop=True, strict_mode=strict)
    assert native.with_shapes(plain(), strict=strict) == expected
    assert [dim.dim_value for dim in expected.graph.output[0].type.tensor_type.shape.dim] == [0, 4, 6, 6]


def test_a_contradiction_comes_over_in_onnx_words() -> None:
    model = plain()
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", FLOAT, [1, 5, 6, 6]))
    with pytest.raises(onnx.shape_inference.InferenceError) as theirs:
        onnx.shape_inference.infer_shapes(model, strict_mode=True)
    with pytest.raises(native.Failed) as ours:
        native.with_shapes(model, strict=True)
    assert str(ours.value) == str(theirs.value)


def test_the_checker_speaks_as_onnx_does() -> None:
    native.check(plain())
    model = plain()
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("colour", 1))
    with pytest.raises(onnx.checker.ValidationError) as theirs:
        onnx.checker.check_model(model)
    with pytest.raises(native.Failed) as ours:
        native.check(model)
    assert str(ours.value) == str(theirs.value)


def test_a_graph_that_aborts_onnx_has_no_shapes_and_the_next_one_does() -> None:
    # Else this were no test; the newest onnx may have mended it.
    code = "import onnx, sys; onnx.shape_inference.infer_shapes(sys.stdin.buffer.read())"
    bare = subprocess.run(
        [sys.executable, "-c", code], input=aborting().SerializeToString(), capture_output=True
    )
    if bare.returncode == 0:
        pytest.skip("onnx survives it")
    for _ in range(2):
        with pytest.raises(native.Failed, match="breaks down"):
            native.with_shapes(without_weights(aborting()))
        assert native.with_shapes(plain()).graph.output[0].type.tensor_type.shape.dim[3].dim_value == 6
    graph = opened(aborting())
    assert graph.shape("x") == (1, 3, 4, 4) and graph.shape("s") is None


def test_threads_share_it() -> None:
    models = [build([node("Relu", "x", "y")], {"x": [size, 2]}) for size in range(1, 33)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(native.with_shapes, models))
    sizes = [model.graph.output[0].type.tensor_type.shape.dim[0].dim_value for model in found]
    assert sizes == list(range(1, 33))


def doubling(times: int) -> onnx.ModelProto:
    """A function that calls a function twice, that calls a function twice, and so on."""
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("d", 1)]
    bodies = [[node("Relu", "a", "b")]]
    bodies += [
        [node(f"F{i}", "a", "m", domain="d"), node(f"F{i}", "m", "b", domain="d")] for i in range(times)
    ]
    model = build([node(f"F{times}", "x", "y", domain="d")], {"x": [2]})
    for i, body in enumerate(bodies):
        model.functions.append(onnx.helper.make_function("d", f"F{i}", ["a"], ["b"], body, opsets))
    return model


IMPATIENT = """
from filterkit.graph import native_worker
native_worker.LONGEST = 0.5
native_worker.main()
"""


def test_it_ends_by_itself_where_nobody_is_left_to_end_it() -> None:
    extension = importlib.util.find_spec("onnx.onnx_cpp2py_export")
    assert extension is not None and extension.origin is not None
    data = doubling(30).SerializeToString()
    with subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, extension.origin],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as worker:
        assert worker.stdin is not None
        worker.stdin.write(HEADER.pack(INLINE, len(data)) + data)
        worker.stdin.flush()
        assert worker.wait(60) == 1


ELSEWHERE = """
import sys
from onnx import helper
from filterkit.errors import RuntimeFailure
from filterkit.graph import native

sys.executable = {executable!r}
try:
    native.check(helper.make_model(helper.make_graph([], "g", [], [])))
except RuntimeFailure as error:
    print(error.message, error.hint)
"""


@pytest.mark.parametrize("executable", [None, "", "no/such/python", onnx.__file__])
def test_a_program_that_python_is_part_of_is_told_what_is_missing(executable: str | None) -> None:
    code = ELSEWHERE.format(executable=executable)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.startswith("cannot start a Python child process: ") and ran.stderr == ""
    assert f"sys.executable is '{executable or ''}'" in ran.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a program that does nothing")
def test_a_program_that_is_no_python_is_not_the_models_fault() -> None:
    code = ELSEWHERE.format(executable="/usr/bin/env")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.startswith("cannot start a Python child process: it does not answer")


class Checking:
    """A plugin in whose hook a process starts, ends, and starts anew."""

    @filterkit.hookimpl
    def filterkit_after_ingest(self, event: object) -> None:
        native.check(plain())
        with suppress(native.Failed):
            native.with_shapes(without_weights(aborting()))
        native.check(plain())


def test_who_needs_it_in_a_hook_is_not_blamed_for_replacing_parts_of_the_module() -> None:
    with suppress(native.Failed):  # ends the one that runs
        native.with_shapes(without_weights(aborting()))
    held, reported = dict(vars(native)), list[str]()
    host = PluginHost(report=reported.append)
    plugin = host.add(Checking(), name="filterkit-checking", version="1")
    host.call("filterkit_after_ingest", event=None)
    assert (plugin.state, reported) == ("loaded", [])
    assert vars(native) == held


FORKING = """
import os
from onnx import helper
from filterkit.graph import native

x, y = (helper.make_tensor_value_info(name, 1, [2]) for name in "xy")
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
model = helper.make_model(graph)
native.check(model)
child = os.fork()
for _ in range(50):
    native.check(model)
if child == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_fork_has_one_of_its_own_and_nothing_is_said_at_the_end() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("7\n", "")


def test_what_the_process_takes_is_counted_once() -> None:
    """While it lives, it says so itself; once it has ended, the system counts all of it."""
    native._worker.end()
    with budget.limited("model.onnx", 600, None):
        native.with_shapes(plain())
        limits = budget._current.get()
        assert limits is not None and limits.elsewhere > 0
        native._worker.end()
        assert limits.elsewhere == pytest.approx(0)
