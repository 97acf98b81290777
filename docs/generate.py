"""Write the reference pages that are generated from the code: docs/cli.md and docs/catalog.md.

``python docs/generate.py`` writes them, ``python docs/generate.py --check`` fails if they are out of date.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

DOCS = Path(__file__).parent
NOTE = "<!-- Made by docs/generate.py; do not edit by hand. -->"

ADDRESSES = r"""
## Addresses and quoting

An address is `MODEL/LAYER/FILTERS/KERNELS`; trailing parts can be omitted: `vgg16`,
`vgg16/block1_conv1`, `vgg16/block1_conv1/0:6`, `vgg16/block1_conv1/3/0`. It always begins with the model, and
comes before pictures. Model and layer may be patterns with `*`, `?` and `[abc]`; filters and kernels accept
`3`, `0:6`, `::8`, `1,5,9` and `*`.

A shell interprets some characters unless they are quoted:

| quote | for example | because a shell |
| --- | --- | --- |
| addresses with `*`, `?` or `[` | `'vgg16/block3_*'`, `'*'` | expands them to file names |
| conditions | `--where 'l2_norm > 1 and bias < 0'` | redirects output to a file at `>` |
| conditions with a text: in double quotes | `--where "classic_type = 'edge'"` | ends at the next `'` |
| SQL | `query 'SELECT * FROM layer'` | splits it at spaces, and expands `*` |
| numbers in brackets | `similar '[[-1,0,1],[-2,0,2],[-1,0,1]]'` | treats brackets as a pattern |
| names and addresses with spaces | `'my photo.png'`, `-o 'my maps.npz'` | splits them |
| models with `?`, `#`, `!` or `&` | `add 'keras:VGG16?weights=none'` | treats these as commands or patterns |
| an empty text | `--invariant ''` | drops it |

On Windows, `cmd` supports double quotes only: `"vgg16/block3_*"`.
""".rstrip()
"""The part of docs/cli.md that no signature contains."""


def main() -> int:
    stale = []
    for name, text in pages().items():
        path = DOCS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        print(f"out of date: {', '.join(stale)}; run python docs/generate.py", file=sys.stderr)
        return 1
    return 0


def pages() -> dict[str, str]:
    """Every generated page, by file name."""
    return {
        "cli.md": "\n".join([*command_line(), *spec_strings()]) + "\n",
        "catalog.md": "\n".join(catalog()) + "\n",
    }


def command_line() -> Iterator[str]:
    """The page of all commands, generated from their signatures."""
    from filterkit.cli.shell import COMMON

    yield from (
        "# Command line",
        NOTE,
        "",
        "Data goes to stdout, messages and progress to stderr. Exit code 0: success; 1: failure; 2: wrong",
        "usage. Every command takes these options in addition to its own:",
        "",
    )
    found = list(commands())
    yield from _options({name: p for name, p in parameters(found[0][1]).items() if name in COMMON})
    yield from ADDRESSES.splitlines()
    for path, function in found:
        own = {name: p for name, p in parameters(function).items() if name not in COMMON}
        arguments = {name: p for name, p in own.items() if not is_option(p)}
        options = {name: p for name, p in own.items() if is_option(p)}
        usage = [_usage(name, parameter) for name, parameter in arguments.items()]
        yield from ("", f"## {path}", "", inspect.cleandoc(str(function.__doc__)), "")
        yield from ("```", " ".join([path, *usage, "[OPTIONS]"]), "```")
        if arguments:
            yield ""
            for name, parameter in arguments.items():
                yield f"- `{_metavar(name, parameter)}`: {_info(parameter).help}"
        if options:
            yield ""
            yield from _options(options)


def spec_strings() -> Iterator[str]:
    """The values that `--normalizer`, `--renderer` and `--format` accept."""
    from filterkit.plugins.host import load_plugins
    from filterkit.plugins.registry import Registry

    yield from (
        "",
        "## Normalizers, renderers and formats",
        "",
        "A name, and options after a colon: `--normalizer percentile:low=2,high=98`. `filterkit plugins`",
        "lists those of installed plugins too; `filterkit plugins show percentile` shows the options of one.",
        "",
        "| kind | name | what it does | options |",
        "| --- | --- | --- | --- |",
    )
    registry = Registry(load_plugins(discover=False))
    for kind in ("normalizer", "renderer", "format"):
        for registration in registry.registrations(kind):  # type: ignore[arg-type]
            options = "<br>".join(
                f"`{option.name}={option.default}` ({option.type.replace('|', ', ')})"
                for option in registration.options()
            )
            yield f"| {kind} | `{registration.name}` | {registration.contribution.summary} | {options} |"


def commands() -> Iterator[tuple[str, Callable[..., None]]]:
    """Every built-in command: its command line, and its function."""
    from filterkit.cli.app import build_app
    from filterkit.cli.plugins import plugins

    for each in build_app().registered_commands:
        assert each.callback is not None
        yield f"filterkit {each.name}", each.callback
    for each in plugins.registered_commands:
        assert each.callback is not None
        yield f"filterkit plugins {each.name}", each.callback


def parameters(function: Callable[..., None]) -> Mapping[str, inspect.Parameter]:
    """A command's arguments and options by name; everything about them is in their annotations."""
    return inspect.signature(function).parameters


def is_option(parameter: inspect.Parameter) -> bool:
    return isinstance(_info(parameter), OptionInfo)


def _info(parameter: inspect.Parameter) -> ArgumentInfo | OptionInfo:
    [info] = parameter.annotation.__metadata__
    return info  # type: ignore[no-any-return]


def _metavar(name: str, parameter: inspect.Parameter) -> str:
    return _info(parameter).metavar or name.upper()


def _usage(name: str, parameter: inspect.Parameter) -> str:
    shown = _metavar(name, parameter)
    return shown if parameter.default is inspect.Parameter.empty else f"[{shown}]"


def _options(options: Mapping[str, inspect.Parameter]) -> Iterator[str]:
    yield "| option | meaning |"
    yield "| --- | --- |"
    for name, parameter in options.items():
        info = _info(parameter)
        # Typer keeps the first spelling in the place of the default.
        spellings = [*([info.default] if isinstance(info.default, str) else []), *(info.param_decls or ())]
        spelled = ", ".join(spellings or ["--" + name.replace("_", "-")])
        default = parameter.default
        shown = "" if default in (None, False, "", inspect.Parameter.empty) else f" Default: `{default}`."
        yield f"| `{spelled}{_value(parameter)}` | {info.help}{shown} |"


def _value(parameter: inspect.Parameter) -> str:
    """What follows an option: nothing for a flag, one of several words, or any value of a type."""
    kind = parameter.annotation.__origin__
    if get_origin(kind) in (Union, UnionType):
        [kind] = (each for each in get_args(kind) if each is not NoneType)
    if kind is bool:
        return ""
    if get_origin(kind) is Literal:
        return " " + "\\|".join(get_args(kind))
    if get_origin(kind) is list:
        [kind] = get_args(kind)
    return " " + {int: "N", float: "NUMBER", Path: "PATH"}.get(kind, "TEXT")


def catalog() -> Iterator[str]:
    from filterkit.catalog.schema import metadata

    yield from (
        "# Catalog schema",
        NOTE,
        "",
        "A catalog is a single SQLite file; `filterkit query` runs read-only SQL on it. Lists and records",
        "are stored as JSON text, which SQLite's `json_each` unpacks. A metric is NULL if it is undefined or",
        "not finite, and if it has not been computed for the model: `model.measured` lists the columns that",
        "have, and `filterkit measure` computes the rest.",
        "",
        "```",
        'filterkit query "select l.name, max(f.l2_norm) as strongest',
        "                 from filter f join layer l on l.id = f.layer_id",
        '                 group by l.id order by l.position"',
        "```",
    )
    for table in metadata.sorted_tables:
        yield from ("", f"## {table.name}", "", "| column | type | meaning |", "| --- | --- | --- |")
        for column in table.columns:
            points_at = "".join(f"row of `{key.column.table.name}`" for key in column.foreign_keys)
            yield f"| `{column.name}` | {column.type} | {column.comment or points_at} |"


if __name__ == "__main__":
    sys.exit(main())
