"""Progress bars on a terminal and in a notebook, run in a real pseudo-terminal and a real kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import filterkit
from filterkit.progress import amount_of_pictures, progress_bar

Message = tuple[str, dict[str, Any]]
Run = Callable[..., list[Message]]


def save_wide_model(path: Path, layers: int = 4) -> None:
    """A model whose metrics take seconds, so that they can be interrupted."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(512, 512, 3, 3)).astype(np.float32) for _ in range(layers)]
    graph = helper.make_graph(
        [helper.make_node("Conv", [f"t{n}", f"w{n}"], [f"t{n + 1}"]) for n in range(layers)],
        "wide",
        [helper.make_tensor_value_info("t0", onnx.TensorProto.FLOAT, ["N", 512, "H", "W"])],
        [helper.make_tensor_value_info(f"t{layers}", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, f"w{n}") for n, values in enumerate(weights)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Run]:
    """Run code in a kernel, and return what it publishes.

    The first message `interrupt_at` interrupts it.
    """
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")

    def run(code: str, interrupt_at: str | None = None) -> list[Message]:
        request = client.execute(code)
        published: list[Message] = []
        while True:
            message = client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return published
            published.append((kind, content))
            if kind == interrupt_at:
                manager.interrupt_kernel()
                interrupt_at = None

    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def run(kernel: Run) -> Run:
    """The same, in the folder of the tests and without names of other ones, but for ``filterkit``."""
    kernel(f"%reset -f\nimport os\nos.chdir({str(Path.cwd())!r})\nimport filterkit\ndel os")
    return kernel


def kinds(published: list[Message]) -> list[str]:
    return [kind for kind, _ in published if kind not in ("status", "execute_input")]


def test_a_notebook_shows_a_bar_that_disappears(run: Run, tmp_path: Path) -> None:
    run(f"bench = filterkit.open({str(tmp_path / 'c.db')!r})")
    published = run("bench.add('classic'); None")
    assert set(kinds(published)) == {"display_data", "update_display_data"}
    shown = [content["data"] for kind, content in published if kind.endswith("display_data")]
    assert "measuring classic" in shown[0]["text/html"] and "<progress" in shown[0]["text/html"]
    assert shown[0]["text/plain"] == "measuring classic: 0%"
    assert shown[-1] == {"text/html": "", "text/plain": ""}
    assert "ipywidgets" not in str(published)


def test_progress_can_be_turned_off_in_a_notebook(run: Run, tmp_path: Path) -> None:
    location = str(tmp_path / "c.db")
    assert kinds(run(f"filterkit.open({location!r}, progress=False).add('classic'); None")) == []


def test_names_are_escaped_in_a_notebook(run: Run) -> None:
    code = (
        "from filterkit.progress import amount_of_pictures, progress_bar\n"
        "with progress_bar(True) as progress:\n    progress('<b>\\x1b[2J', 1, 2)"
    )
    [first, *_] = [content["data"] for kind, content in run(code) if kind == "display_data"]
    assert "&lt;b&gt;\\x1b[2J" in first["text/html"] and "\x1b" not in str(first)


@pytest.mark.slow
def test_an_interrupted_add_leaves_a_notebook_usable(run: Run, tmp_path: Path) -> None:
    save_wide_model(tmp_path / "wide.onnx")
    run(f"import os; os.chdir({str(tmp_path)!r}); bench = filterkit.open('c.db'); bench.add('classic')")
    published = run("bench.add('wide.onnx')", interrupt_at="display_data")
    [error] = [content for kind, content in published if kind == "error"]
    assert error["ename"] == "KeyboardInterrupt"
    last = [content["data"] for kind, content in published if kind == "update_display_data"][-1]
    assert last["text/plain"] == ""  # no bar is left
    after = run("print([row['model'] for row in bench.models()], bench.examine()['faults'])")
    assert [content["text"] for kind, content in after if kind == "stream"] == ["['classic'] []\n"]
    again = run("bench.add('wide.onnx', metrics=['basic']).status")
    assert [c["data"]["text/plain"] for kind, c in again if kind == "execute_result"] == ["'added'"]


def test_an_error_in_a_notebook_shows_its_hint(run: Run, tmp_path: Path) -> None:
    location = str(tmp_path / "c.db")
    published = run(
        f"bench = filterkit.open({location!r}, progress=False)\nbench.add('classic')\nbench.bank('clasic/x')"
    )
    [error] = [content for kind, content in published if kind == "error"]
    assert "did you mean 'classic'?" in "\n".join(error["traceback"])


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are a POSIX feature")
@pytest.mark.parametrize(("progress", "shows"), [("True", True), ("None", True), ("False", False)])
def test_a_terminal_shows_a_bar(tmp_path: Path, progress: str, shows: bool) -> None:
    import pty

    ours, theirs = pty.openpty()
    code = f"import filterkit; filterkit.open({str(tmp_path / 'c.db')!r}, progress={progress}).add('classic')"
    subprocess.run(
        [sys.executable, "-c", code], stderr=theirs, check=True, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 4096):
            written += piece
    except OSError:  # Linux reports the end of a pseudo-terminal as an error
        pass
    os.close(ours)
    assert (b"measuring classic" in written) == shows, written


def test_nothing_is_written_where_nobody_watches(tmp_path: Path) -> None:
    code = f"import filterkit; filterkit.open({str(tmp_path / 'c.db')!r}).add('classic')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_callback_is_called_instead(tmp_path: Path) -> None:
    reported: list[tuple[str, int, int | None]] = []
    with filterkit.open(tmp_path / "c.db", progress=lambda *what: reported.append(what)) as bench:
        bench.add("classic")
    assert reported and {what for what, _, _ in reported} == {"measuring classic"}
    assert [done for _, done, _ in reported] == sorted(done for _, done, _ in reported)
    assert all(total is not None and done < total for _, done, total in reported)
    with progress_bar(print) as same:
        assert same is print


def test_pictures_are_counted_with_their_rate() -> None:
    assert amount_of_pictures(1200, 10_000, 7.46) == "1,200/10,000, 7.5/s"
    assert amount_of_pictures(3, None, None) == "3"
