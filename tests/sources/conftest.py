"""Fixtures of the tests in this folder."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only index, configured as a user would, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("FILTERKIT_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    # In CI, where the extra was installed, a module that is missing is a failure and not a reason to skip.
    find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    for module in ("torch", "onnxscript"):
        find(module)
    return find("keras")
