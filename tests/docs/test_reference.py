"""README and docs say what is: commands, options, variables, links, and pages made from the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.main import get_command

from filterkit.cli.app import build_app
from filterkit.testing import code_blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").glob("*/README.md")])
PLUGIN_COMMANDS = {"largest", "weigh", "export-catalog"}
"""Added by examples of the pages about plugins, and by plugins of this repository."""
COMMON = ("--catalog", "--format", "--quiet", "--debug")


def fenced(text: str) -> Iterator[str]:
    """Blocks of text between fences that are no Python and no TOML."""
    for language in ("", "console", "bash", "sh"):
        yield from code_blocks(text, language)


def typed(page: Path) -> Iterator[str]:
    """Command lines of filterkit on a page, in blocks and in running text."""
    text = page.read_text(encoding="utf-8")
    for block in fenced(text):
        joined = re.sub(r"\\\n\s*", " ", block)
        for quoted in re.findall(r'"[^"\n]*\n[^"]*"', joined):
            joined = joined.replace(quoted, quoted.replace("\n", " "))
        for line in joined.splitlines():
            for part in re.split(r"\s&&\s|\s\|\s|;\s", line.removeprefix("$ ")):
                if part.strip().startswith("filterkit "):
                    yield part.strip()
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    for code in re.findall(r"`(filterkit [^`]+)`", without_blocks):
        yield code.replace("\\|", "|")


LINES = sorted({(page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in typed(page)})


def test_there_are_examples_to_check() -> None:
    assert len(LINES) > 40
    assert {page for page, _ in LINES} >= {
        "README.md",
        "docs/quickstart.md",
        "docs/models.md",
        "docs/plugins.md",
    }


def test_every_command_line_is_one() -> None:
    root = get_command(build_app())
    for page, line in LINES:
        check_command_line(root, page, line)


def check_command_line(command: Any, page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    words = [word for word in words if word not in ("[OPTIONS]",)]
    words = words[: words.index(">")] if ">" in words else words
    if words[0] in ("--help", "--install-completion") or words[0] in PLUGIN_COMMANDS:
        return
    while hasattr(command, "commands"):
        if not words and command.name == "plugins":
            return  # lists them
        assert words, f"{page}: {line}"
        name = words.pop(0)
        assert name in command.commands, f"{page}: there is no command '{name}' in: {line}"
        command = command.commands[name]
    named_only = not words and page != "docs/cli.md"
    if named_only or line.endswith("[OPTIONS]"):
        return  # the command is spoken of, not typed
    try:
        command.make_context(command.name, words)
    except Exception as error:
        pytest.fail(f"{page}: {line}: {error!r}")


def test_pages_made_from_the_code_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_every_command_and_option_is_on_the_page_of_commands() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    root = get_command(build_app())
    plugins = root.commands.pop("plugins")  # type: ignore[attr-defined]
    for prefix, group in (("filterkit", root), ("filterkit plugins", plugins)):
        for name, command in group.commands.items():  # type: ignore[attr-defined]
            assert f"## {prefix} {name}\n" in page
            section = page.partition(f"## {prefix} {name}\n")[2].partition("\n## ")[0]
            for parameter in command.params:
                spelled = parameter.opts[-1]
                if spelled.startswith("--"):
                    where = page if spelled in COMMON else section
                    assert f"{spelled} " in where or f"{spelled}`" in where, f"{name} {spelled}"


def test_every_table_and_column_is_on_the_page_of_the_catalog() -> None:
    from filterkit.catalog.schema import metadata

    page = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    for table in metadata.sorted_tables:
        section = page.partition(f"## {table.name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{column.name}` |" in section for column in table.columns), table.name


def test_every_variable_is_documented() -> None:
    found = set()
    for path in (ROOT / "filterkit").rglob("*.py"):
        found |= set(re.findall(r"[\"'](FILTERKIT_[A-Z_]+)[\"']", path.read_text(encoding="utf-8")))
    variables = found - {"FILTERKIT_API"}  # a name in a plugin's module
    assert len(variables) >= 4
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert {name for name in variables if f"`{name}`" not in settings} == set()
    assert set(re.findall(r"FILTERKIT_[A-Z_]+", settings)) <= variables


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        check_links(page)


def check_links(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith(("#", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path
        assert found.exists(), f"{page.name} links to {target}"
        assert found.resolve().is_relative_to(ROOT), f"{page.name} links out of the repository"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.M)
            slugs = {
                re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
            }
            assert anchor in slugs, f"{page.name} links to {target}"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert linked == {page.relative_to(ROOT).as_posix() for page in PAGES if page.parent == ROOT / "docs"}


def test_pictures_of_the_docs_are_pictures() -> None:
    from PIL import Image

    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert pictures
    for path in pictures:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
            continue
        with Image.open(path) as picture:
            picture.verify()
