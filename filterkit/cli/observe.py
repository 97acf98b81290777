"""``filterkit observe``: run layers over pictures, and keep what their filters respond to."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command, print_error
from filterkit.cli.support.shared_options import Provider, Size, Threads, complete_address
from filterkit.errors import FilterkitError

COLUMNS = (
    *("model", "observation", "status", "pictures", "added", "copies", "left_out", "layers", "filters"),
    *("provider", "seconds", "metrics", "unmeasured"),
)

NAMED = 10
"""How many pictures that cannot be used are named."""


@command
def observe(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Layers of one model, e.g. vgg16 or 'vgg16/block5_*'.", autocompletion=complete_address
        ),
    ],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Pictures, folders (with one folder per class, or without), or another source.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the observation (default: that of the first folder or archive)."),
    ] = None,
    top: Annotated[
        int,
        typer.Option(min=1, help="Number of exemplars per filter, and as many with the lowest responses."),
    ] = 9,
    duplicates: Annotated[
        Literal["skip", "keep"],
        typer.Option(help="Of pictures that look the same, keep one as exemplar (skip) or all (keep)."),
    ] = "skip",
    at: Annotated[
        Literal["post", "pre"],
        typer.Option(help="Observe filters after their activation (post) or before (pre)."),
    ] = "post",
    batch: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of pictures of the same size per run; on a CPU at most: fewer if their feature maps "
            "would not stay in its caches.",
        ),
    ] = 8,
    keep_pictures: Annotated[
        bool,
        typer.Option(
            "--keep-pictures",
            help="Copy the pictures that are exemplars into the store, so that the catalog can be handed on.",
        ),
    ] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Response metric of a plugin to compute as well; repeatable (default: those it has)."
        ),
    ] = None,
    size: Size = None,
    provider: Provider = "auto",
    threads: Threads = None,
) -> None:
    """Run layers over pictures, and keep in the catalog what their filters respond to.

    Afterwards, the command exemplars shows the pictures with the highest
    responses, and filters and stats have columns such as response_mean and
    fires_share. If it is interrupted, the same command continues. To add
    pictures or layers, give all pictures again.
    """
    left_out = 0

    def report(error: FilterkitError) -> None:
        nonlocal left_out
        left_out += 1
        if left_out <= NAMED and not shell.quiet:
            print_error(f"left out: {error.message}", None)
        elif left_out == NAMED + 1:
            shell.say("further pictures that are left out are not named")

    with shell.workbench() as bench:
        found = bench.observe(
            address,
            images,
            name=name,
            top=top,
            duplicates=duplicates,
            at=at,
            batch=batch,
            keep_pictures=keep_pictures,
            metrics=metric,
            size=size,
            provider=provider,
            threads=threads,
            unreadable=report,
        )
    if found.status == "unchanged":
        shell.say(f"unchanged: {found.name} has all of these pictures and layers")
    if found.unmeasured:
        shell.say(f"{', '.join(found.unmeasured)}: not computed")
    shell.rows([found.to_row()], COLUMNS)
    if found.unmeasured:
        raise typer.Exit(1)
