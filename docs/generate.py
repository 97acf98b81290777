"""Write the reference pages that are made from the code: docs/cli.md and docs/catalog.md.

``python docs/generate.py`` writes them, ``python docs/generate.py --check`` fails where they are out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
NOTE = "<!-- Made by docs/generate.py; do not edit by hand. -->"


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
        "cli.md": "\n".join(command_line()) + "\n",
        "catalog.md": "\n".join(catalog()) + "\n",
    }


def command_line() -> Iterator[str]:
    import typer.main

    from filterkit.cli.app import build_app
    from filterkit.cli.shell import COMMON

    root = typer.main.get_command(build_app())
    yield from (
        "# Command line",
        NOTE,
        "",
        "Data goes to stdout, words and progress to stderr. Exit code 0: fine; 1: the work failed; 2: the",
        "command was wrong. Every command takes these options besides its own:",
        "",
    )
    common = next(iter(root.commands.values()))  # type: ignore[attr-defined]
    yield from _options([p for p in common.params if p.name in COMMON])
    for path, command in _commands(root, "filterkit"):
        yield from ("", f"## {path}", "", *(command.help or "").strip().splitlines(), "")
        usage = [_usage(p) for p in command.params if p.param_type_name == "argument"]
        yield from ("```", " ".join([path, *usage, "[OPTIONS]"]), "```")
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        if arguments:
            yield ""
            for parameter in arguments:
                yield f"- `{_metavar(parameter)}`: {parameter.help}"
        options = [p for p in command.params if p.param_type_name == "option" and p.name not in COMMON]
        if options:
            yield ""
            yield from _options(options)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _usage(parameter: Any) -> str:
    return _metavar(parameter) if parameter.required else f"[{_metavar(parameter)}]"


def _options(parameters: list[Any]) -> Iterator[str]:
    yield "| option | meaning |"
    yield "| --- | --- |"
    for parameter in parameters:
        names = ", ".join(parameter.opts)
        if not parameter.is_flag:
            choices = getattr(parameter.type, "choices", None)
            value = "\\|".join(choices) if choices else parameter.type.name.upper()
            names += f" {value}"
        default = parameter.default
        shown = "" if default in (None, False, ()) or callable(default) else f" Default: `{default}`."
        yield f"| `{names}` | {parameter.help}{shown} |"


def catalog() -> Iterator[str]:
    from filterkit.catalog.schema import metadata

    yield from (
        "# Catalog schema",
        NOTE,
        "",
        "A catalog is one SQLite file; `filterkit query` asks it in SQL, read-only. Lists and records stand in",
        "it as JSON text.",
    )
    for table in metadata.sorted_tables:
        yield from (
            "",
            f"## {table.name}",
            "",
            table.comment or "",
            "",
            "| column | type | meaning |",
            "| --- | --- | --- |",
        )
        for column in table.columns:
            yield f"| `{column.name}` | {column.type} | {column.comment or ''} |"


if __name__ == "__main__":
    sys.exit(main())
