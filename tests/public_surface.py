"""What users and plugins rely on, as one value to compare: names, commands, rows, columns and hooks.

Words that people read (help, summaries, messages) and annotations are not in it: they may become better.
``python tests/public_surface.py`` writes it to ``public_surface.json``, after a change that was meant.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from PIL import Image
from sqlalchemy import MetaData, Table, create_engine
from sqlalchemy import inspect as inspect_database
from typer.models import OptionInfo
from typer.testing import CliRunner

import filterkit

SNAPSHOT = Path(__file__).with_name("public_surface.json")
PACKAGE = Path(filterkit.__file__).parent

Described = dict[str, Any]


def public_surface() -> Described:
    """The whole surface, as it would be read back from JSON."""
    with tempfile.TemporaryDirectory() as folder:
        parts = {
            "python": {module: _module(module) for module in ("filterkit", "filterkit.testing")},
            "command line": _commands(),
            "hooks": _hooks(),
            "contributions": _contributions(),
            "variables": sorted(set(_variables())),
            **_of_a_catalog(Path(folder)),
        }
    return json.loads(json.dumps(parts, sort_keys=True))  # type: ignore[no-any-return]


def _module(name: str) -> Described:
    module = importlib.import_module(name)
    return {public: _object(getattr(module, public)) for public in module.__all__}


def _object(thing: Any) -> Any:
    if inspect.isclass(thing):
        return _class(thing)
    if callable(thing):
        return _signature(thing)
    if isinstance(thing, int | str):
        return type(thing).__name__ if "." in str(thing) else repr(thing)
    return sorted(thing) if isinstance(thing, Mapping | tuple) else type(thing).__name__


def _class(kind: type) -> Described:
    members: Described = {"bases": [base.__name__ for base in kind.__mro__[1:] if _is_promised(base)]}
    if dataclasses.is_dataclass(kind):
        members["fields"] = [field.name for field in dataclasses.fields(kind)]
    if not getattr(kind, "_is_protocol", False):
        members["()"] = _signature(kind)
    members |= _members(kind)
    special = ("__array__", "__enter__", "__iter__", "__len__", "__getitem__", "_repr_png_", "_repr_html_")
    members["special"] = [name for name in special if hasattr(kind, name)]
    return members


def _members(kind: type) -> Described:
    """Methods and attributes that are not the standard library's own."""
    own = {name for base in kind.__mro__ if base.__module__ != "builtins" for name in vars(base)}
    return {
        name: _signature(member) if callable(member) else "attribute"
        for name, member in inspect.getmembers(kind)
        if name in own and not name.startswith("_")
    }


def _is_promised(base: type) -> bool:
    return base.__name__ in filterkit.__all__ or base.__module__ == "builtins"


def _signature(function: Any) -> Described:
    """Names, kinds and defaults of the parameters."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a class of the standard library
        return {}
    bare = {each.name: each.replace(annotation=inspect.Parameter.empty) for each in parameters}
    return {
        name: f"{str(each.kind).lower()} {re.sub(' at 0x[0-9a-f]+', '', str(each))}"
        for name, each in bare.items()
    }


def _commands() -> Described:
    from filterkit.cli.app import build_app
    from filterkit.cli.plugins import plugins

    groups = (("filterkit", build_app()), ("filterkit plugins", plugins))
    return {
        f"{path} {command.name}": dict(_parameters(command.callback))
        for path, group in groups
        for command in group.registered_commands
    }


def _parameters(function: Any) -> Iterator[tuple[str, Described]]:
    """How each argument and option is spelled, with its type, its default and the values that it takes."""
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = get_args(parameter.annotation)
        spellings = (info.default, *(info.param_decls or ()))  # Typer keeps the first one there
        spelled = [each for each in spellings if isinstance(each, str)]
        if not spelled and isinstance(info, OptionInfo):
            spelled = ["--" + name.replace("_", "-")]
        required = parameter.default is inspect.Parameter.empty
        yield (
            " ".join(spelled) or name,
            {
                "kind": "option" if isinstance(info, OptionInfo) else "argument",
                "type": kind.__name__ if inspect.isclass(kind) else str(kind).replace("_local.", ""),
                "default": "required" if required else repr(parameter.default),
                "least": info.min,
                "most": info.max,
            },
        )


def _hooks() -> Described:
    from filterkit.plugins import hookspecs, protocols

    hooks = {
        name: _signature(hook) for name, hook in vars(hookspecs).items() if name.startswith("filterkit_")
    }
    kept = {
        name: _class(kind)
        for name, kind in vars(protocols).items()
        if inspect.isclass(kind) and kind.__module__ == protocols.__name__
    }
    return hooks | {"protocols": kept}


def _contributions() -> Described:
    from filterkit.plugins.host import load_plugins
    from filterkit.plugins.registry import Kind, Registry

    registry = Registry(load_plugins(discover=False))
    return {
        kind: {
            registration.name: {option.name: str(option.default) for option in registration.options()}
            for registration in registry.registrations(kind)
        }
        for kind in get_args(Kind)
    }


def _variables() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        yield from re.findall(r"FILTERKIT_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))


def _of_a_catalog(folder: Path) -> Described:
    """What is in a catalog, and the rows and results that come of it."""
    catalog = folder / "catalog.db"
    with filterkit.open(catalog) as bench:
        bench.add(str(filterkit.testing.tiny_model("plain", folder).path), name="a")
        bench.add(str(filterkit.testing.tiny_model("plain", folder).path), name="b")
        bench.add("classic")
        bench.add(str(filterkit.testing.tiny_model("computed", folder).path))
    picture = folder / "picture.png"
    values = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(values).save(picture)
    return {
        "tables": _tables(catalog),
        "rows": _rows(catalog, picture),
        "results": _results(catalog, picture),
    }


def _tables(catalog: Path) -> Described:
    engine = create_engine(f"sqlite:///{catalog}")
    try:
        with engine.connect() as connection:
            names = inspect_database(connection).get_table_names()
            found = MetaData()
            found.reflect(connection)
        return {name: _columns(found.tables[name]) for name in names}
    finally:
        engine.dispose()


def _columns(table: Table) -> dict[str, str]:
    return {c.name: f"{c.type!s}{'' if c.nullable else ' NOT NULL'}" for c in table.columns}


def _rows(catalog: Path, picture: Path) -> Described:
    """The keys of each command's rows, with the command that gave them."""
    lines = (
        ("add", "classic", "--name", "c"),
        ("measure", "a"),
        ("remove", "c"),
        ("zoo",),
        ("models",),
        ("layers", "a"),
        ("layers", "computed", "--skipped"),
        ("layers", "a", "--edges"),
        ("filters", "classic"),
        ("filters", "classic", "--group-by", "classic_type"),
        ("filters", "classic", "--count"),
        ("query", "SELECT name FROM layer"),
        ("stats", "a"),
        ("similar", "classic/edge_sobel_x/0/0"),
        ("duplicates", "*", "--threshold", "0.2"),
        ("diff", "a", "b"),
        ("diff", "a", "b", "--level", "filter"),
        ("show", "a", "-o", str(picture.with_name("show"))),
        ("maps", "a", str(picture), "-o", str(picture.with_name("maps"))),
        ("convolve", "a/conv1/0", str(picture), "-o", str(picture.with_name("convolved.png"))),
        ("export", "a", "-o", str(picture.with_name("banks.npz"))),
        ("doctor",),
        ("plugins", "list"),
        ("plugins", "show", "minmax"),
        ("plugins", "doctor"),
    )
    return {_readable(line, picture): _keys(line, catalog) for line in lines}


def _readable(line: tuple[str, ...], picture: Path) -> str:
    return " ".join(line).replace(f"{picture.parent}/", "")


def _keys(line: tuple[str, ...], catalog: Path) -> Any:
    from filterkit.cli.app import build_app

    words = [*line, "--catalog", str(catalog), "--format", "json", "--quiet"]
    ran = CliRunner().invoke(build_app(), words)
    if not ran.stdout.strip():
        return f"exit {ran.exit_code}"
    return _shape(json.loads(ran.stdout))


def _shape(value: Any) -> Any:
    if isinstance(value, list):
        return (
            sorted({key for row in value for key in row}) if value and isinstance(value[0], dict) else "list"
        )
    fixed = ("catalog", "store")  # versions and providers are those of the machine
    return {key: _shape(each) if key in fixed else "value" for key, each in value.items()}


def _results(catalog: Path, picture: Path) -> Described:
    with filterkit.open(catalog) as bench:
        results = {
            "layers": bench.layers("a"),
            "similar": bench.similar("classic/edge_sobel_x/0/0"),
            "duplicates": bench.duplicates(),
            "diff": bench.diff("a", "b"),
            "sheet": bench.sheet("a/conv1"),
            "feature_maps": bench.feature_maps("a", str(picture)),
            "add": bench.add("classic", name="d"),
        }
        return {name: _result(result) for name, result in results.items()}


def _result(result: Any) -> Described:
    """What can be done with a result; its constructor is not public."""
    kept = {name: "attribute" for name in getattr(result, "__dict__", ()) if not name.startswith("_")}
    return {name: what for name, what in (_class(type(result)) | kept).items() if name != "()"}


if __name__ == "__main__":
    text = json.dumps(public_surface(), indent=1, sort_keys=True, ensure_ascii=False)
    SNAPSHOT.write_text(text + "\n", encoding="utf-8")
