"""Commands and methods of the same name take the same options, with the same defaults and choices."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.formats.json_lines import to_json

SAME = ("filters", "stats", "similar", "duplicates", "diff")

PICTURE = {"output", "normalizer", "renderer", "colormap", "scale", "quality"}
"""The options of a picture; in Python those of `Workbench.save_stats_chart`, or of `sheet` and `draw`."""


def of_command(name: str) -> dict[str, inspect.Parameter]:
    [command] = [each for each in build_app().registered_commands if each.name == name]
    assert command.callback is not None
    return dict(inspect.signature(command.callback).parameters)


def of_method(name: str) -> dict[str, inspect.Parameter]:
    parameters = dict(inspect.signature(getattr(filterkit.Workbench, name)).parameters)
    del parameters["self"]
    return parameters


@pytest.mark.parametrize("name", SAME)
def test_names_and_defaults(name: str) -> None:
    command, method = of_command(name), of_method(name)
    assert command.keys() - of_command("models").keys() - PICTURE == method.keys()
    for each in method:
        if method[each].kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        shell, python = command[each].default, method[each].default
        if isinstance(shell, str) and not isinstance(python, str | None):
            shell = tuple(shell.split(",")) if shell else ()  # names separated by commas
        assert shell == python, each


@pytest.mark.parametrize("name", SAME)
def test_closed_choices(name: str) -> None:
    from filterkit.operations import diff, filters, similar

    known = {**vars(filters), **vars(similar), **vars(diff), "DiffLevel": diff.Level, "Level": similar.Level}
    for each, parameter in of_command(name).items():
        choices = choices_of(get_args(parameter.annotation)[0])
        if choices:
            written = str(of_method(name)[each].annotation).removesuffix(" | None")
            assert choices == get_args(known[written]), each


def choices_of(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next((found for each in get_args(kind) if (found := choices_of(each))), ())


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["filters", "*", "--count"], lambda bench: bench.filters(count=True)),
        (
            ["filters", "*", "--where", "l2_norm > 1", "--sort", "-l2_norm", "--limit", "3"],
            lambda bench: bench.filters(where="l2_norm > 1", sort="-l2_norm", limit=3),
        ),
        (
            ["filters", "--columns", "address, bias", "--limit", "2"],
            lambda bench: bench.filters(columns="address, bias", limit=2),
        ),
        (
            ["filters", "--columns", "bias,address"],
            lambda bench: bench.filters(columns=["bias", "address"]),
        ),
        (
            ["filters", "--group-by", "classic_type", "--where", "bias = 0", "--limit", "2"],
            lambda bench: bench.filters(group_by="classic_type", where="bias = 0", limit=2),
        ),
        (["stats"], lambda bench: bench.stats()),
        (
            ["similar", "classic/edge_sobel_x/0", "--invariant", "scale,sign, flip", "--limit", "4"],
            lambda bench: bench.similar("classic/edge_sobel_x/0", invariant="scale,sign, flip", limit=4),
        ),
        (
            ["similar", "classic/edge_sobel_x/0", "--invariant", ""],
            lambda bench: bench.similar("classic/edge_sobel_x/0", invariant=""),
        ),
        (
            ["duplicates", "--threshold", "0.1", "--invariant", "sign"],
            lambda bench: bench.duplicates(threshold=0.1, invariant="sign"),
        ),
        (
            ["diff", "classic/edge_sobel_x", "classic/edge_sobel_y", "--level", "filter"],
            lambda bench: bench.diff("classic/edge_sobel_x", "classic/edge_sobel_y", level="filter"),
        ),
    ],
)
def test_the_same_request_gives_the_same_rows(classic_catalog: Path, words: list[str], call: Any) -> None:
    done = CliRunner().invoke(build_app(), [*words, "--catalog", str(classic_catalog), "--format", "json"])
    assert done.exit_code == 0, done.stderr
    with filterkit.open(classic_catalog) as bench:
        rows = call(bench)
    assert json.loads(done.stdout) == [{name: to_json(row[name]) for name in rows.columns} for row in rows]


@pytest.mark.parametrize(
    "options",
    [
        {"count": True, "columns": "bias"},
        {"count": True, "group_by": "layer"},
        {"count": True, "sort": "bias"},
        {"count": True, "limit": 0},
    ],
)
def test_what_the_shell_refuses_python_refuses(classic_catalog: Path, options: dict[str, Any]) -> None:
    with (
        filterkit.open(classic_catalog) as bench,
        pytest.raises(filterkit.UsageError, match="no effect"),
    ):
        bench.filters(**options)
