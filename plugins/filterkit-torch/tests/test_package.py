"""Properties of the package as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from filterkit.testing import private_names

import filterkit_torch


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, filterkit_torch.source; print({'torch', 'numpy', 'onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_only_the_public_api_is_used() -> None:
    assert private_names(Path(filterkit_torch.__file__).parent) == []
