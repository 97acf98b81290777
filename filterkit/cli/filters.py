"""``filterkit filters``: one row per filter, with conditions and an order; or how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.completion import complete_address
from filterkit.cli.support.unmeasured import say_what_is_missing
from filterkit.errors import UsageError

BRIEF = ("address", "l2_norm", "classic_type", "classic_score", "redundancy", "frequency", "dead", "label")
BRIEF_OF_LAYERS = ("address", "filters", "share", "total", "rate")

ALONE = {"--count": ("--group-by", "--columns", "--sort", "--limit"), "--group-by": ("--columns",)}
"""Which options mean nothing beside which others."""

GroupBy = Literal["layer", "model", "classic_type"]


@command
def filters(
    shell: Shell,
    address: Annotated[
        str, typer.Argument(help="E.g. vgg16/block1_conv1 or 'vgg16/*/0:8'.", autocompletion=complete_address)
    ],
    where: Annotated[
        str | None,
        typer.Option(
            help="Condition over columns of filter, layer and model, quoted as a whole, e.g. "
            '"l2_norm > 1 and bias < 0" or "layer.position < 3".'
        ),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="Column to sort by; -COLUMN for largest first.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many rows.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Only these columns of filter and layer, e.g. address,l2_norm,in_channels."),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Only how many filters there are.")] = False,
    group_by: Annotated[
        GroupBy | None, typer.Option(help="How many filters each of these has, instead of the filters.")
    ] = None,
) -> None:
    """List, count or group filters with their measurements.

    A column with its table in front is that table's (filter.sparsity,
    layer.sparsity, model.parameters). Without, the filter's own come first:
    sparsity is the filter's. position, filters, kernels and parameters are
    the layer's; the filter's own number is filter, or filter.position.
    """
    _check({"--count": count, "--group-by": group_by, "--columns": columns, "--sort": sort, "--limit": limit})
    with shell.workbench() as bench:
        say_what_is_missing(shell, bench, address, " ".join(filter(None, (where, sort, group_by, columns))))
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
    """What a reader wants first: what the rows are sorted by stands behind the address."""
    address, *rest = BRIEF
    wanted = (address, (sort or "").removeprefix("-"), *rest)
    return list(dict.fromkeys(name for name in wanted if name in names))


def _check(options: Mapping[str, object]) -> None:
    """Refuse options that say nothing beside each other."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    for first, others in ALONE.items():
        for other in others:
            if first in given and other in given:
                raise UsageError(f"{other} does nothing beside {first}", hint="leave out one of the two")
