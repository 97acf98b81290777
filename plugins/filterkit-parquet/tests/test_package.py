"""What holds for the package as a whole."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import filterkit_parquet


def test_importing_the_plugin_and_its_command_imports_nothing_heavy() -> None:
    modules = "filterkit_parquet, filterkit_parquet.command"
    code = f"import sys, {modules}; print({{'numpy', 'pyarrow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_only_the_public_api_is_imported() -> None:
    for path in Path(filterkit_parquet.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("filterkit.")], path
