"""The process that exports Keras models has limits of its own, and keeps to them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such limits, or others")


def limited(seconds: object, memory: object, code: str) -> subprocess.CompletedProcess[str]:
    before = f"from filterkit.sources.keras_export import limit\nlimit({seconds}, {memory})\n"
    return subprocess.run([sys.executable, "-c", before + code], capture_output=True, encoding="utf-8")


@LINUX
def test_its_time_is_limited() -> None:
    assert limited(0.5, None, "while True: pass").returncode == -signal.SIGXCPU


@LINUX
def test_its_memory_is_limited() -> None:
    assert "MemoryError" in limited(None, 200 << 20, "bytearray(400 << 20)").stderr
    assert limited(None, 800 << 20, "bytearray(400 << 20)").returncode == 0


def test_without_limits_it_has_none() -> None:
    assert limited(None, None, "bytearray(400 << 20)").returncode == 0
