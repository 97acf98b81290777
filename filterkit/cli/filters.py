"""``filterkit filters``: list, count or group filters, with conditions and sorting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import Observation, complete_address, say_what_is_missing, words
from filterkit.errors import UsageError

BRIEF = ("address", "l2_norm", "classic_type", "classic_score", "redundancy", "frequency", "dead", "label")
LAYER_PARTS = ("model", "layer")
"""Columns of groups that a narrow table leaves out, as they are in the address."""

NOT_WITH_COUNT = ("--group-by", "--columns", "--sort", "--limit", "--offset", "--agg")


@command
def filters(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Layers or filters, e.g. vgg16/block1_conv1 or 'vgg16/*/0:8'.",
            autocompletion=complete_address,
        ),
    ] = "*",
    where: Annotated[
        str | None,
        typer.Option(
            help="Condition on columns of filter, layer and model, as one quoted argument, e.g. "
            '"l2_norm > 1 and bias < 0" or "layer.position < 3".'
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="Columns to sort by, e.g. layer,-l2_norm; -COLUMN for descending order."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Maximum number of rows.")] = None,
    offset: Annotated[int, typer.Option(min=0, help="How many rows to leave out before them.")] = 0,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns of filter and layer to show, e.g. address,l2_norm,in_channels; with --group-by, of "
            "the groups."
        ),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Show only the number of filters.")] = False,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Show the number of filters per layer, model, classic_type or other column instead of the "
            "filters.",
        ),
    ] = None,
    agg: Annotated[
        str | None,
        typer.Option(
            metavar="FUNCTION:COLUMN",
            help="With --group-by: mean, min, max, sum or count of a column per group, e.g. "
            "mean:l2_norm,max:sparsity.",
        ),
    ] = None,
    observation: Observation = None,
) -> None:
    """List, count or group filters with their metrics.

    Prefix a column with its table to be explicit (filter.sparsity,
    layer.sparsity, model.parameters). Without a prefix, columns of the
    filter take precedence: sparsity is the filter's. position, filters,
    kernels and parameters are the layer's; the number of a filter in its
    layer is filter, or filter.position.
    """
    options = {"--group-by": group_by, "--columns": columns, "--sort": sort, "--limit": limit, "--agg": agg}
    options["--offset"] = offset or None
    _check(options, count=count)
    unmeasured = partial(say_what_is_missing, shell, address)
    with shell.workbench() as bench:
        if count:
            found = bench.count_filters(address, where=where, observation=observation, unmeasured=unmeasured)
            shell.rows([{"filters": found}], ["filters"])
        elif group_by is not None:
            groups = bench.group_filters(
                address,
                by=group_by,
                agg=agg,
                columns=columns,
                where=where,
                sort=sort,
                limit=limit,
                observation=observation,
                unmeasured=unmeasured,
            )
            brief = [
                name for name in groups.columns if "address" not in groups.columns or name not in LAYER_PARTS
            ]
            shell.rows(groups, groups.columns, brief=None if columns else brief)
        else:
            names, rows = bench.iter_filters(
                address,
                columns=columns,
                where=where,
                sort=sort,
                limit=limit,
                offset=offset,
                observation=observation,
                unmeasured=unmeasured,
            )
            shell.rows(rows, names, brief=None if columns else _brief(names, sort))


def _brief(names: Sequence[str], sort: str | None) -> list[str]:
    """The columns for a narrow table: the sort columns follow the address."""
    address, *rest = BRIEF
    wanted = (address, *(name.removeprefix("-") for name in words(sort or "")), *rest)
    return list(dict.fromkeys(name for name in wanted if name in names))


def _check(options: Mapping[str, object], *, count: bool) -> None:
    """Refuse options that cannot be combined."""
    for name in NOT_WITH_COUNT:
        if count and options[name] is not None:
            raise UsageError(f"{name} has no effect with --count", hint="leave out one of the two")
    if options["--group-by"] is not None and options["--offset"] is not None:
        raise UsageError("--offset has no effect with --group-by", hint="leave out one of the two")
    if options["--agg"] is not None and options["--group-by"] is None:
        raise UsageError("--agg has no effect without --group-by", hint="e.g. --group-by layer")
