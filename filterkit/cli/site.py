"""``filterkit site``: pages of the explorer as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filterkit.cli.serve import missing_extra
from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_address
from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.web.site_export import Estimate

MOST_LEVELS = 12

COLUMNS = ("pages", "count", "files", "size", "seconds")


@command
def site(
    shell: Shell,
    addresses: Annotated[
        list[str],
        typer.Argument(
            metavar="ADDRESS...",
            help="Models, layers, filters or kernels, e.g. 'vgg16/block1_*'.",
            autocompletion=complete_address,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder: new, empty, or that of an earlier export.")
    ],
    kernels: Annotated[
        bool, typer.Option("--kernels", help="Also a page for each kernel of the filters.")
    ] = False,
    depth: Annotated[
        int,
        typer.Option(
            min=0, max=MOST_LEVELS, help="Levels of tiles of the atlas: 1 is a small picture; 0 for no atlas."
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only estimate the files and their size.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a large export.")] = False,
) -> None:
    """Write pages of the explorer as files, for a paper, a class or a web server.

    The first page is FOLDER/index.html. They need no network and no
    filterkit. An estimate of their size, from samples, comes first.
    """
    with missing_extra():
        from filterkit.web.site_export import Site
        from filterkit.web.site_folder import check_folder

    from filterkit.workbench import progress_of

    check_folder(output)
    export = Site(shell.catalog, shell.registry, addresses, kernels=kernels, depth=depth)
    estimate = export.estimate()
    if dry_run:
        shell.rows(_rows(estimate), COLUMNS)
        return
    shell.say(f"about {_amount(sum(estimate.files.values()), sum(estimate.size.values()))}")
    estimate.check()
    if estimate.is_large and not yes and sys.stdin.isatty() and sys.stderr.isatty():
        typer.confirm("Write them?", abort=True, err=True)
    with shell.workbench() as bench, progress_of(bench) as progress:
        files, size = export.write(output, progress)
    shell.say(one_line(f"wrote {_amount(files, size)}: open {output / 'index.html'}"))


def _amount(files: int, size: int) -> str:
    return f"{files:,} files, {max(size / 1e6, 0.1):,.1f} MB"


def _rows(estimate: Estimate) -> list[dict[str, object]]:
    return [
        {
            "pages": kind,
            "count": count,
            "files": estimate.files[kind],
            "size": estimate.size[kind],
            "seconds": round(estimate.seconds[kind], 1),
        }
        for kind, count in estimate.pages.items()
        if count
    ]
