"""``filterkit filters``: list, count or group filters, with conditions and sorting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_address, say_what_is_missing
from filterkit.errors import UsageError

BRIEF = ("address", "l2_norm", "classic_type", "classic_score", "redundancy", "frequency", "dead", "label")
BRIEF_OF_LAYERS = ("address", "filters", "share", "total", "rate")

ALONE = {"--count": ("--group-by", "--columns", "--sort", "--limit"), "--group-by": ("--columns",)}
"""Which options cannot be combined with which others."""

GroupBy = Literal["layer", "model", "classic_type"]


@command
def filters(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Layers or filters, e.g. vgg16/block1_conv1 or 'vgg16/*/0:8'.",
            autocompletion=complete_address,
        ),
    ],
    where: Annotated[
        str | None,
        typer.Option(
            help="Condition on columns of filter, layer and model, as one quoted argument, e.g. "
            '"l2_norm > 1 and bias < 0" or "layer.position < 3".'
        ),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="Column to sort by; -COLUMN for descending order.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Maximum number of rows.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of filter and layer to show, e.g. address,l2_norm,in_channels."),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Show only the number of filters.")] = False,
    group_by: Annotated[
        GroupBy | None, typer.Option(help="Show the number of filters per group instead of the filters.")
    ] = None,
) -> None:
    """List, count or group filters with their metrics.

    Prefix a column with its table to be explicit (filter.sparsity,
    layer.sparsity, model.parameters). Without a prefix, columns of the
    filter take precedence: sparsity is the filter's. position, filters,
    kernels and parameters are the layer's; the number of a filter in its
    layer is filter, or filter.position.
    """
    _check({"--count": count, "--group-by": group_by, "--columns": columns, "--sort": sort, "--limit": limit})
    with shell.workbench() as bench:
        asked = " ".join(filter(None, (where, sort, group_by, columns)))
        say_what_is_missing(shell, address, bench.unmeasured(address, asked) if asked else [])
        if count:
            shell.rows([{"filters": bench.count_filters(address, where=where)}], ["filters"])
        elif group_by:
            groups = bench.group_filters(address, by=group_by, where=where, sort=sort, limit=limit)
            brief = BRIEF_OF_LAYERS if group_by == "layer" else None
            shell.rows(groups, groups.columns, brief=[name for name in brief or () if name in groups.columns])
        else:
            wanted = [name.strip() for name in columns.split(",")] if columns is not None else None
            names, rows = bench.iter_filters(address, columns=wanted, where=where, sort=sort, limit=limit)
            shell.rows(rows, names, brief=None if wanted else _brief(names, sort))


def _brief(names: Sequence[str], sort: str | None) -> list[str]:
    """The columns for a narrow table: the sort column follows the address."""
    address, *rest = BRIEF
    wanted = (address, (sort or "").removeprefix("-"), *rest)
    return list(dict.fromkeys(name for name in wanted if name in names))


def _check(options: Mapping[str, object]) -> None:
    """Refuse options that cannot be combined."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    for first, others in ALONE.items():
        for other in others:
            if first in given and other in given:
                raise UsageError(f"{other} has no effect with {first}", hint="leave out one of the two")
