"""Commands of plugins: faults, clashes and rollback."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from command_groups import group_of, run
from typer.core import TyperGroup

import filterkit
from filterkit.errors import PluginError, UsageError
from filterkit.plugins.commands import add_commands
from filterkit.plugins.host import PluginHost


def plugin(add: Callable[[typer.Typer], None]) -> object:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_commands(self, app: typer.Typer) -> None:
            add(app)

    return Plugin()


def hello(words: str, name: str = "hello") -> Callable[[typer.Typer], None]:
    return lambda app: app.command(name)(lambda: print(words)) and None


@pytest.fixture
def group() -> TyperGroup:
    return group_of("add", "other")


def test_groups_come_along(host: PluginHost, group: TyperGroup) -> None:
    numbers = typer.Typer()
    numbers.command("one")(lambda: print("1"))
    numbers.command("two")(lambda: print("2"))
    nameless = typer.Typer()
    nameless.command("three")(lambda: print("3"))

    def add(app: typer.Typer) -> None:
        app.add_typer(numbers, name="numbers")
        app.add_typer(nameless)

    host.add(plugin(add), name="filterkit-numbers")
    add_commands(host, group)
    assert (run(group, "numbers", "two"), run(group, "three")) == ("2\n", "3\n")
    assert "Plugins" in run(group, "--help")


def test_a_built_in_command_stays(host: PluginHost, group: TyperGroup) -> None:
    host.add(plugin(hello("theirs", "add")), name="filterkit-thief")
    add_commands(host, group)
    assert run(group, "add") == "our own add\n"
    assert run(group, "filterkit-thief/add") == "theirs\n"


def test_a_shared_name_names_both(host: PluginHost, group: TyperGroup) -> None:
    host.add(plugin(hello("first")), name="filterkit-one", version="1.0")
    host.add(plugin(hello("second")), name="filterkit-two", version="2.0")
    add_commands(host, group)
    assert run(group, "filterkit-one/hello") == "first\n"
    assert run(group, "filterkit-two/hello") == "second\n"
    with pytest.raises(UsageError, match=r"provided by filterkit-one 1.0 and filterkit-two 2.0") as caught:
        run(group, "hello", "--loud", "3")
    assert caught.value.hint == "write filterkit-one/hello or filterkit-two/hello"


def test_a_plugin_that_raises_leaves_nothing_behind(
    host: PluginHost, group: TyperGroup, reported: list[str]
) -> None:
    def add(app: typer.Typer) -> None:
        hello("half")(app)
        raise RuntimeError("no")

    host.add(plugin(add), name="filterkit-half", version="1.0")
    host.add(plugin(hello("whole", "fine")), name="filterkit-whole")
    add_commands(host, group)
    assert "hello" not in run(group, "--help")
    assert run(group, "fine") == "whole\n"
    line = "plugin filterkit-half 1.0 failed: filterkit_commands: RuntimeError: no"
    assert reported == [f"filterkit: {line}"]


def test_a_command_that_typer_refuses_is_its_plugins_fault(host: PluginHost, group: TyperGroup) -> None:
    def broken(value: int | list[str]) -> None: ...

    found = host.add(plugin(lambda app: app.command("broken")(broken) and None), name="filterkit-typo")
    add_commands(host, group)
    assert run(group, "add") == "our own add\n"
    assert found.state == "failed"
    assert "Union" in str(found.error)


def twice(app: typer.Typer) -> None:
    hello("first")(app)
    hello("second")(app)


def twice_in_a_group(app: typer.Typer) -> None:
    group = typer.Typer()
    twice(group)
    app.add_typer(group, name="numbers")


def once_without_a_group(app: typer.Typer) -> None:
    nameless = typer.Typer()
    hello("second")(nameless)
    hello("first")(app)
    app.add_typer(nameless)


@pytest.mark.parametrize(
    ("add", "name"), [(twice, "hello"), (twice_in_a_group, "numbers hello"), (once_without_a_group, "hello")]
)
def test_no_command_hides_another_of_its_plugin(
    host: PluginHost, group: TyperGroup, add: Callable[[typer.Typer], None], name: str
) -> None:
    found = host.add(plugin(add), name="filterkit-twice")
    add_commands(host, group)
    assert not {"hello", "numbers"} & set(run(group, "--help").split())
    assert (found.state, found.error) == ("failed", f"filterkit_commands adds the command '{name}' twice")


def test_a_plugin_without_commands_adds_none(host: PluginHost, group: TyperGroup) -> None:
    found = host.add(plugin(lambda app: None), name="filterkit-silent")
    before = run(group, "--help")
    add_commands(host, group)
    assert (run(group, "--help"), found.state) == (before, "loaded")


def failing(app: typer.Typer) -> None:
    def fail(kind: str = "key") -> None:
        faults = {
            "key": KeyError("x"),
            "ours": UsageError("no such thing", hint="try another"),
            "file": FileNotFoundError(2, "No such file", "a.txt"),
            "exit": typer.Exit(3),
            "words": typer.BadParameter("no"),
        }
        raise faults[kind]

    group = typer.Typer()
    group.callback()(lambda loud=False: fail() if loud else None)
    group.command("deep")(fail)
    app.command("fail")(fail)
    app.add_typer(group, name="group")


@pytest.mark.parametrize("words", ["fail", "group deep", "group --loud deep"])
def test_a_command_that_raises_names_its_plugin(host: PluginHost, group: TyperGroup, words: str) -> None:
    host.add(plugin(failing), name="filterkit-fails", version="1.0")
    add_commands(host, group)
    name = "group" if "loud" in words else words
    with pytest.raises(
        PluginError, match=rf"^plugin filterkit-fails 1.0: command '{name}': KeyError: 'x'(\n|$)"
    ):
        run(group, *words.split())
    with pytest.raises(PluginError):
        run(group, *words.split(), "--debug")


@pytest.mark.parametrize(
    ("kind", "error"), [("ours", UsageError), ("file", FileNotFoundError), ("words", typer.BadParameter)]
)
def test_what_a_command_says_itself_is_told_as_it_is(
    host: PluginHost, group: TyperGroup, kind: str, error: type[Exception]
) -> None:
    host.add(plugin(failing), name="filterkit-fails")
    add_commands(host, group)
    with pytest.raises(error):
        group(args=["fail", "--kind", kind], standalone_mode=False)
    assert group(args=["fail", "--kind", "exit"], standalone_mode=False) == 3


def test_a_command_may_have_a_debug_of_its_own(host: PluginHost, group: TyperGroup) -> None:
    def add(app: typer.Typer) -> None:
        @app.command()
        def own(debug: bool = False) -> None:
            print("debug", debug)

    host.add(plugin(add), name="filterkit-own")
    add_commands(host, group)
    assert (run(group, "own", "--debug"), run(group, "own")) == ("debug True\n", "debug False\n")
    assert run(group, "own", "--help").count("--debug") == 1


def test_a_command_may_take_what_all_take(
    host: PluginHost, group: TyperGroup, classic_catalog: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def add(app: typer.Typer) -> None:
        @app.command()
        @filterkit.command
        def largest(shell: filterkit.Shell, model: str, count=1) -> None:  # type: ignore[no-untyped-def]
            """Which are largest."""
            shell.say("looking")
            with shell.workbench() as bench:
                rows = sorted(bench.layers(model), key=lambda row: -row["parameters"])[: int(count)]
            shell.rows(rows, ("layer", "parameters"), brief=("layer",))

    host.add(plugin(add), name="filterkit-largest")
    add_commands(host, group)
    words = ("largest", "classic", "--catalog", str(classic_catalog))
    assert json.loads(run(group, *words, "--format", "json", "--count", "2"))[1]["parameters"] == 25
    assert capfd.readouterr().err == "looking\n"
    assert run(group, *words, "--quiet").split()[::2] == ["layer", "blur_gaussian_5"]
    assert capfd.readouterr().err == ""
    shown = run(group, "largest", "--help")
    assert all(option in shown for option in ("--catalog", "--format", "--quiet", "--debug", "--count"))
    with pytest.raises(UsageError, match="unknown format 'nope'"):
        run(group, *words, "--format", "nope")


def takes_none() -> None: ...


def takes_another(model: str) -> None: ...


@pytest.mark.parametrize("function", [takes_none, takes_another])
def test_a_command_that_takes_no_shell_is_its_plugins_fault(
    host: PluginHost, group: TyperGroup, function: Callable[..., None]
) -> None:
    found = host.add(
        plugin(lambda app: app.command("none")(filterkit.command(function)) and None), name="filterkit-none"
    )
    add_commands(host, group)
    words = f"the first parameter of {function.__name__}() must take a Shell"
    assert found.error == f"filterkit_commands: TypeError: {words}"


@pytest.mark.parametrize("nested", [False, True])
def test_a_command_that_typer_has_before_its_options_is_its_plugins_fault(
    host: PluginHost, group: TyperGroup, nested: bool
) -> None:
    def add(app: typer.Typer) -> None:
        numbers = typer.Typer()
        app.add_typer(numbers, name="numbers")
        app.command("fine")(lambda: None)

        @filterkit.command
        @(numbers if nested else app).command()
        def turned(shell: filterkit.Shell) -> None: ...

    found = host.add(plugin(add), name="filterkit-turned")
    add_commands(host, group)
    name = "numbers turned" if nested else "turned"
    assert str(found.error).startswith(f"filterkit_commands registers '{name}' before decorating it")


def test_methods_may_be_commands(host: PluginHost, group: TyperGroup) -> None:
    class Counter:
        def count(self, shell: filterkit.Shell, number: int) -> None:
            shell.rows([{"number": number}], ("number",))

    host.add(
        plugin(lambda app: app.command("count")(filterkit.command(Counter().count)) and None),
        name="filterkit-count",
    )
    add_commands(host, group)
    assert json.loads(run(group, "count", "3", "--format", "json")) == [{"number": 3}]


def test_rows_that_fail_name_the_plugin_of_the_command(host: PluginHost, group: TyperGroup) -> None:
    def add(app: typer.Typer) -> None:
        @app.command()
        @filterkit.command
        def lazy(shell: filterkit.Shell) -> None:
            shell.rows(({"inverse": 1 / number} for number in (1, 0)), ("inverse",))

    host.add(plugin(add), name="filterkit-lazy", version="1.0")
    add_commands(host, group)
    with pytest.raises(PluginError, match=r"^plugin filterkit-lazy 1.0: command 'lazy': ZeroDivisionError"):
        run(group, "lazy")


@pytest.mark.parametrize(
    ("columns", "brief"), [("name", None), ((), None), (("name",), ("nmae",)), (("name",), "name")]
)
def test_columns_that_are_no_names_are_the_fault_of_the_command(
    host: PluginHost, group: TyperGroup, columns: Any, brief: Any
) -> None:
    def add(app: typer.Typer) -> None:
        @app.command()
        @filterkit.command
        def listed(shell: filterkit.Shell) -> None:
            shell.rows([{"name": "a"}], columns, brief=brief)

    host.add(plugin(add), name="filterkit-listed", version="1.0")
    add_commands(host, group)
    with pytest.raises(PluginError, match=r"^plugin filterkit-listed 1.0: command 'listed': TypeError: rows"):
        run(group, "listed")


@pytest.mark.parametrize("format_name", ["json", "csv", "table"])
def test_rows_may_hold_numpys_values(host: PluginHost, group: TyperGroup, format_name: str) -> None:
    row = {
        "single": np.float32(0.5),
        "count": np.int64(1500),
        "dead": np.bool_(True),
        "nothing": np.float32("nan"),
        "shape": np.array([3, 3]),
        "pair": (np.float16(0.25), None),
        "mixed": np.array([np.float32(0.5), None, "x"], dtype=object),
        "made": np.datetime64("2024-01-02T03:04:05", "ns"),
        "days": np.array(["2024-01-02", "NaT"], "datetime64[ns]"),
        "took": np.timedelta64(1500, "ns"),
        "type": np.float32,
    }
    plain = {
        "single": 0.5,
        "count": 1500,
        "dead": True,
        "nothing": float("nan"),
        "shape": [3, 3],
        "pair": [0.25, None],
        "mixed": [0.5, None, "x"],
        "made": datetime(2024, 1, 2, 3, 4, 5),
        "days": [datetime(2024, 1, 2), None],
        "took": timedelta(microseconds=1),
        "type": np.float32,
    }

    def add(app: typer.Typer) -> None:
        @app.command("of")
        @filterkit.command
        def show(shell: filterkit.Shell, which: str) -> None:
            shell.rows([row if which == "numpy" else plain], row)

    host.add(plugin(add), name="filterkit-of")
    add_commands(host, group)
    of_numpy, of_python = (run(group, "of", which, "--format", format_name) for which in ("numpy", "python"))
    assert of_numpy == of_python
    if format_name == "json":
        assert json.loads(of_numpy) == json.loads(json.dumps([{**plain, "nothing": None}], default=str))


def test_an_annotation_that_is_not_found_is_told_with_its_line(host: PluginHost, group: TyperGroup) -> None:
    def add(app: typer.Typer) -> None:
        Kind = str

        @filterkit.command
        def local(shell: filterkit.Shell, kind: Kind) -> None: ...

    found = host.add(plugin(add), name="filterkit-local")
    add_commands(host, group)
    assert "NameError: name 'Kind' is not defined" in str(found.error)
    assert Path(str(found.places[-1]).rpartition(":")[0]).name == Path(__file__).name
