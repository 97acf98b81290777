"""What ``filterkit --help`` remembers of plugins' commands, and when it looks again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import pytest

Install = Callable[..., Path]

CODE = """
import os, pathlib
pathlib.Path(os.environ["IMPORTS"]).open("a").write(f"{{__name__}} ")
import filterkit, typer

@filterkit.hookimpl
def filterkit_commands(app):
    @app.command("{name}", {options})
    def command(words: str = "none"):
        '''What {name} does, in a line.

        And more, in another.
        '''
        print("said", words)

    group = typer.Typer(help="Two in one.")
    group.command("one")(lambda: None)
    group.command("two")(lambda: None)
    app.add_typer(group, name="{name}-group")
"""
PACKAGE = """
import filterkit
from .words import NAME

@filterkit.hookimpl
def filterkit_commands(app):
    app.command(NAME)(lambda: None)
"""


OBJECT = """
import sys, filterkit

class Plugin:
    @filterkit.hookimpl
    def filterkit_commands(self, app):
        app.command("hidden")(lambda: None)

sys.modules[__name__] = Plugin()
sys.modules[__name__].plugin = sys.modules[__name__]
"""


class Shell:
    """Runs ``filterkit WORDS...`` in a process that finds the plugins of one folder."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site"
        self.cache = folder / "cache"
        self._imports = folder / "imports"

    def __call__(self, *words: str, **environment: str) -> str:
        """Both streams of it, as one."""
        known = {"PYTHONPATH": str(self.site), "FILTERKIT_CACHE": str(self.cache), "COLUMNS": "100"}
        done = subprocess.run(
            [sys.executable, "-m", "filterkit", *words],
            env=os.environ | known | {"IMPORTS": str(self._imports)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=60,
        )
        return done.stdout

    def imported(self) -> list[str]:
        """The plugins that were imported since this was asked last."""
        names = self._imports.read_text().split() if self._imports.exists() else []
        self._imports.unlink(missing_ok=True)
        return names


@pytest.fixture
def shell(install: Install, tmp_path: Path) -> Shell:
    install("filterkit-other", CODE.format(name="other", options="short_help='In short.'"))
    install("filterkit-say", CODE.format(name="say", options=""))
    return Shell(tmp_path)


@pytest.fixture
def helped(shell: Shell) -> str:
    """What help shows, once it is remembered."""
    shown = shell("--help")
    assert shell.imported() == ["filterkit_other", "filterkit_say"]
    assert "What say does, in a line." in shown
    assert "In short." in shown
    return shown


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_help_imports_plugins_once(shell: Shell, helped: str, words: list[str]) -> None:
    assert (shell(*words).strip(), shell.imported()) == (helped.strip(), [])


def test_who_calls_a_command_has_its_plugin_imported(shell: Shell, helped: str) -> None:
    assert shell("say", "--words", "hello") == "said hello\n"
    assert "And more, in another." in shell("say", "--help")
    assert "Two in one." in shell("say-group", "--help")
    assert shell.imported().count("filterkit_say") == 3


@pytest.mark.parametrize(
    "options", ["hidden=True", "deprecated=True", "rich_help_panel='Its own'", "help='It **has** [a] style.'"]
)
def test_it_looks_the_same(install: Install, shell: Shell, options: str) -> None:
    install("filterkit-odd", CODE.format(name="odd", options=options))
    install("filterkit-same", CODE.format(name="say", options=options))  # another has that name
    shown = shell("--help")
    assert shell.imported() != []
    assert (shell("--help"), shell.imported()) == (shown, [])
    assert ("odd " in shown.replace("odd-group", "")) == (options != "hidden=True")


def test_what_changed_is_looked_at_again(install: Install, shell: Shell, helped: str) -> None:
    install("filterkit-say", CODE.format(name="sing", options=""), version="1.2.1")
    shutil.rmtree(shell.site / "filterkit_say-1.2.dist-info")
    assert "What sing does" in shell("--help")
    install("filterkit-more", CODE.format(name="more", options=""))
    assert "What more does" in shell("--help")
    shutil.rmtree(shell.site / "filterkit_other-1.2.dist-info")
    assert "In short." not in shell("--help")


def test_every_file_of_the_package_counts(install: Install, shell: Shell) -> None:
    shutil.rmtree(shell.site)
    shell.site.mkdir()
    install("filterkit-two", "", entries={"plugin": "a_package.plugin"})
    package = shell.site / "a_package"
    (package / "deeper").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "deeper" / "names.txt").touch()
    (package / "plugin.py").write_text(PACKAGE)
    for name in ("first", "other"):  # of one length
        (package / "words.py").write_text(f"NAME = '{name}'\n")
        os.utime(package / "words.py", ns=(0, len(name) + ord(name[0])))
        assert f" {name} " in shell("--help")
    [held] = map(json.loads, map(Path.read_text, shell.cache.glob("*.json")))
    (package / "deeper" / "names.txt").write_text("other")
    shell("--help")
    [now] = map(json.loads, map(Path.read_text, shell.cache.glob("*.json")))
    assert now["of"] != held["of"]


def test_a_fault_is_told_every_time(install: Install, shell: Shell, helped: str) -> None:
    install("filterkit-bad", "1 / 0\nfilterkit_commands = None")
    for _ in range(2):
        shown = shell("--help")
        assert "plugin filterkit-bad 1.2 failed: ZeroDivisionError" in shown
        assert "What say does" in shown
        assert shell.imported() == ["filterkit_other", "filterkit_say"]


def test_what_the_environment_says_of_plugins_holds(shell: Shell, helped: str) -> None:
    for variable, value in (
        ("FILTERKIT_PLUGINS_BLOCKED", "filterkit-say"),
        ("FILTERKIT_PLUGINS_ONLY", "filterkit-other"),
        ("FILTERKIT_TRACE_PLUGINS", "1"),
        ("FILTERKIT_STRICT_PLUGINS", "1"),
    ):
        shown = shell("--help", **{variable: value})
        assert "filterkit_other" in shell.imported(), variable
        assert ("What say does" in shown) == ("filterkit-" not in value), variable
        assert ("filterkit_commands" in shown) == (variable == "FILTERKIT_TRACE_PLUGINS"), variable
        assert (shell("--help"), shell.imported()) == (helped, []), variable


def test_nothing_is_remembered_of_a_blocked_plugin(shell: Shell) -> None:
    assert "What say does" not in shell("--help", FILTERKIT_PLUGINS_BLOCKED="filterkit-say")
    assert "What say does" in shell("--help")


@pytest.mark.parametrize("hours", [25, -1])
def test_it_is_remembered_for_a_day(shell: Shell, helped: str, hours: int) -> None:
    [file] = shell.cache.glob("*.json")
    held = json.loads(file.read_text())
    file.write_text(json.dumps(held | {"at": held["at"] - 3600 * hours}))
    assert (shell("--help"), len(shell.imported())) == (helped, 2)


def test_a_file_that_holds_anything_else_is_made_anew(shell: Shell, helped: str) -> None:
    [file] = shell.cache.glob("*.json")
    held = json.loads(file.read_text())
    texts = [json.dumps(held | {"rows": rows}).encode() for rows in (7, [{"name": 7}])]
    for content in (b"", b"[]", b"null", b"\xff", b'{"of": 1}', b"[" * 100_000, b'{"rows": [[]]}', *texts):
        file.write_bytes(content)
        assert (shell("--help"), len(shell.imported())) == (helped, 2), content[:99]
        assert json.loads(file.read_text()) == held | {"at": ANY}, content[:99]
    assert (shell("--help"), len(shell.imported())) == (helped, 0)


def test_help_works_where_nothing_can_be_written(shell: Shell) -> None:
    shell.cache.write_text("a file")
    for place in (shell.cache, "~nobody-of-that-name/cache", "/dev/full"):
        assert "What say does" in shell("--help", FILTERKIT_CACHE=str(place))
        assert len(shell.imported()) == 2


def test_nothing_half_written_is_left(shell: Shell, helped: str) -> None:
    [file] = shell.cache.glob("*")
    file.unlink()
    file.mkdir()  # which no file can replace
    assert shell("--help") == helped
    assert list(shell.cache.glob("*")) == [file]


def test_the_shell_completes_what_is_remembered(shell: Shell, helped: str) -> None:
    for line, offered in (("say --wo", "--words"), ("say-group o", "one")):
        words = f"filterkit {line}"
        asked = {"_FILTERKIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "2"}
        assert shell(**asked).split() == [offered]


def test_another_module_of_the_same_package(install: Install, shell: Shell) -> None:
    for name in ("first", "other"):
        install("filterkit-two", "", entries={"plugin": f"a_package.{name}"}, version=name)
        package = shell.site / "a_package"
        package.mkdir(exist_ok=True)
        for each in ("first", "other"):
            if not (package / f"{each}.py").exists():
                (package / f"{each}.py").write_text(CODE.format(name=each, options=""))
        info = shell.site / f"filterkit_two-{name}.dist-info"
        info.rename(shell.site / "filterkit_two-1.dist-info")
        assert f"What {name} does" in shell("--help")
        shutil.rmtree(shell.site / "filterkit_two-1.dist-info")


def test_a_plugin_without_a_file_of_its_own(install: Install, shell: Shell) -> None:
    install("filterkit-hidden", "", entries={"plugin": "a_package.plugin:plugin"})
    with zipfile.ZipFile(shell.site / "packed.zip", "w") as packed:
        packed.writestr("a_package/__init__.py", "")
        packed.writestr("a_package/plugin.py", OBJECT)
    path = os.pathsep.join(map(str, (shell.site, shell.site / "packed.zip")))
    assert " hidden " in shell("--help", PYTHONPATH=path)


def test_a_package_of_many_files_is_imported(shell: Shell, install: Install) -> None:
    install("filterkit-large", "", entries={"plugin": "large_package"})
    package = shell.site / "large_package"
    package.mkdir()
    (package / "__init__.py").write_text(CODE.format(name="large", options=""))
    for number in range(301):
        (package / f"{number}.txt").touch()
    for _ in range(2):
        assert "What large does" in shell("--help")
        assert "large_package" in shell.imported()


def test_cached_help_needs_no_plugin_host() -> None:
    """Help would otherwise import pluggy and the host at every start."""
    code = "import sys, filterkit.cli.app, filterkit.plugins.command_cache; print('pluggy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
