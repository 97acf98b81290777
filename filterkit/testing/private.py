"""Find uses of filterkit's private API in the code of a plugin."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PUBLIC_MODULES = ("filterkit", "filterkit.testing")


def private_names(folder: Path | str) -> list[str]:
    """Find names that a plugin uses from filterkit's private API, which may change in any version.

    Parameters
    ----------
    folder
        Folder whose Python files are read recursively, without importing them; or a single file.

    Returns
    -------
    list of str
        File, line and name of each use, e.g. ``"code.py:3: filterkit.graph.open_graph"``: imports and
        attributes that are neither in ``filterkit.__all__`` nor in ``filterkit.testing.__all__``.
    """
    folder = Path(folder)
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]
    return [
        f"{path.relative_to(folder if folder.is_dir() else folder.parent).as_posix()}:{line}: {name}"
        for path in files
        for line, name in sorted(set(_private(ast.parse(path.read_bytes(), path.name))))
    ]


def _private(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of all private names that a module uses."""
    nodes = list(ast.walk(tree))
    modules: dict[str, str] = {}  # local names of filterkit and filterkit.testing
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in PUBLIC_MODULES:
                    modules |= {alias.asname: alias.name} if alias.asname else {"filterkit": "filterkit"}
                elif _is_inside(alias.name):
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level and _is_inside(node.module or ""):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in PUBLIC_MODULES:
                    modules[alias.asname or alias.name] = name
                elif alias.name != "*" and not _is_public(name):
                    yield node.lineno, name
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            used = _dotted(node, modules)
            if used and not _is_public(used):
                yield node.lineno, used


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] == "filterkit"


def _is_public(name: str) -> bool:
    """Whether a full name, e.g. ``filterkit.testing.node``, is public or an attribute of a public name."""
    import filterkit
    import filterkit.testing

    if name in PUBLIC_MODULES:
        return True
    inside = name.removeprefix("filterkit.")
    if inside.startswith("testing."):
        return inside.split(".")[1] in filterkit.testing.__all__
    return inside.split(".")[0] in filterkit.__all__


def _dotted(node: ast.expr, modules: dict[str, str]) -> str | None:
    """Full name of a chain of attributes, e.g. ``filterkit.graph.GraphView``, or None for other names."""
    if isinstance(node, ast.Name):
        return modules.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    value = _dotted(node.value, modules)
    return value and f"{value}.{node.attr}"
