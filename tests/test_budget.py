"""Limits on the cost of adding a model, with the step in the message, and sizes in bytes."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from filterkit import budget
from filterkit.budget import parse_size, show_size
from filterkit.errors import ModelError, UsageError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell only the highest, or nothing")


def work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_without_limits_nothing_is_looked_at() -> None:
    budget.step("working")
    budget.allow(1)
    budget.charge(10_000)
    budget.look()
    budget.out_of_time()
    assert budget.seconds_left() is None
    assert budget.memory_allowed() is None


def test_the_step_that_took_the_time_is_named() -> None:
    with budget.limited("net.onnx", 0.2, None), pytest.raises(ModelError) as caught:
        budget.step("reading")
        budget.step("working on '{}'", "conv_\x1b1")
        work(0.3)
        budget.step("writing")
    assert caught.value.message == (
        r"net.onnx took more than 0.2 seconds of CPU time; the last step was working on 'conv_\x1b1'"
    )
    assert "--timeout" in (caught.value.hint or "")


def test_many_short_steps_sum_up() -> None:
    with budget.limited("net.onnx", 0.2, None), pytest.raises(ModelError, match="the last step was step "):
        for number in range(100_000_000):
            budget.step("step {}", number)


def test_waiting_is_no_work() -> None:
    with budget.limited("net.onnx", 0.1, None):
        time.sleep(0.3)
        budget.look()


def test_other_processes_count() -> None:
    with budget.limited("net.onnx", 5, None):
        budget.charge(4.5)
        left = budget.seconds_left()
        assert left is not None and 0 < left <= 0.5
        budget.charge(1)
        assert budget.seconds_left() == 0
        with pytest.raises(ModelError, match="5 seconds"):
            budget.look()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count children")
def test_ended_processes_count() -> None:
    code = "import time\nwhile time.process_time() < 0.5: pass"
    with budget.limited("net.onnx", 0.4, None), pytest.raises(ModelError, match=r"0\.4 seconds"):
        subprocess.run([sys.executable, "-c", code], check=True)
        budget.look()


@LINUX
def test_memory_counts_beyond_the_size_of_the_model() -> None:
    """In a separate process, since memory of earlier tests could be released while this one counts."""
    code = """
from filterkit import budget
from filterkit.errors import ModelError

def look():
    try:
        budget.look()
    except ModelError as error:
        return error.message
    return "enough"

with budget.limited("net.onnx", None, 50 << 20):
    print(look())
    held = bytearray(b"x") * (100 << 20)
    print(look())
    budget.allow(100 << 20)
    print(look())
    del held
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, refused, allowed = done.stdout.splitlines()
    assert before == allowed == "enough"
    assert "net.onnx took more than 50 MiB of memory beyond its own size" in refused


def test_limits_end_with_what_they_were_opened_for() -> None:
    with budget.limited("net.onnx", 0.001, None):
        work(0.01)
    budget.look()


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_is_positive(limit: float) -> None:
    with pytest.raises(UsageError, match="timeout must be positive"), budget.limited("net.onnx", limit, None):
        pass


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1), ("64", 64), ("64B", 64), ("1kB", 1000), ("1 KiB", 1024), ("64MB", 64_000_000),
        ("64 mb", 64_000_000), ("64M", 64_000_000), ("64MiB", 64 << 20), (" 1.5GiB ", 3 << 29),
        ("8GiB", 8 << 30), ("2TB", 2 * 10**12), ("0.001kB", 1),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0.0001kB",
        "-1",
        "+1",
        "1e3",
        "nan",
        "inf",
        "MB",
        "1iB",
        "1 XB",
        "1,5MB",
        "٣MB",
        "1MB2",
        "9" * 99,
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.hint and len(caught.value.message) < 100


def test_shown() -> None:
    shown = [show_size(size) for size in (1, 999, 1000, 1_000_000, 1_500_000_000, 10**13)]
    assert shown == ["1 bytes", "999 bytes", "1 kB", "1 MB", "1.5 GB", "10 TB"]
    assert [show_size(size) for size in (8 << 30, 1536, 512 << 20)] == ["8 GiB", "1.5 KiB", "512 MiB"]
