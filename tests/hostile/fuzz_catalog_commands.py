"""What a user may do with a catalog: commands of every kind, the Python API and completion."""

from __future__ import annotations

import importlib
import os
import pkgutil
import random
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

API = """
import sys
import filterkit

with filterkit.open(sys.argv[1]) as bench:
    for ask in (
        *(bench.models, bench.layers, bench.skipped, bench.filters),
        *(bench.stats, bench.duplicates, bench.examine),
        lambda: [bench.bank(row["address"]) for row in bench.layers()],
        lambda: [bench.bias(row["address"]) for row in bench.layers()],
        lambda: [bench.sheet(row["address"]) for row in bench.layers()],
        lambda: bench.similar(str(bench.filters(limit=1)[0]["address"])),
        lambda: bench.count_filters(where="mean > 0 or classic_type = 'edge' or spread > 0"),
        lambda: bench.group_filters(by="classic_type"),
        lambda: bench.filters(columns=["address", "kernel_shape", "output_shape", "label"], sort="-l2_norm"),
        lambda: bench.query("SELECT * FROM model, layer, filter LIMIT 100"),
    ):
        try:
            found = ask()
        except filterkit.FilterkitError as error:
            assert error.message and error.hint, error
        except IndexError:
            assert not bench.filters(limit=1)
"""

COMPLETE = """
from filterkit.cli.support.shared_options import complete_address, complete_model

complete_model("")
complete_address("")
complete_address("*/")
"""

SNIPPETS = {"api": API, "complete": COMPLETE}


@dataclass(frozen=True)
class Command:
    """One command line, or one of `SNIPPETS` of Python.

    Attributes
    ----------
    words
        As after ``filterkit``.
    reads
        Whether it only reads.
    """

    words: tuple[str, ...]
    reads: bool = True

    def __str__(self) -> str:
        return " ".join(self.words)

    def run(self) -> int:
        """Run it in this process; returns its exit code, or 99 where an exception comes out."""
        try:
            if self.words[0] in SNIPPETS:
                sys.argv = ["-c", os.environ["FILTERKIT_CATALOG"]]
                exec(compile(SNIPPETS[self.words[0]], "<api>", "exec"), {})
                return 0
            from filterkit.cli import shell
            from filterkit.cli.app import run

            shell.print_error = _print_error_and_place
            sys.argv = ["filterkit", *self.words]
            run(list(self.words))
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException as error:
            from filterkit.errors import FilterkitError

            if self.words[0] in SNIPPETS and isinstance(error, FilterkitError) and error.hint:
                print(f"error: {error.message!r}\nhint: {error.hint!r}", file=sys.stderr)
                return error.exit_code
            traceback.print_exc()
            return 99
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        return 0

    def start(self) -> int:
        """Run it in a Python of its own; the exit code."""
        if self.words[0] in SNIPPETS:
            return self.run()
        ran = subprocess.run(
            [sys.executable, "-m", "filterkit", *self.words], stdin=subprocess.DEVNULL, check=False
        )
        return ran.returncode


def warm_up() -> None:
    """Import what commands need, so that not every process has to."""
    import filterkit.cli

    for found in pkgutil.walk_packages(filterkit.__path__, "filterkit."):
        if "migrations.env" not in found.name and not found.name.endswith("__main__"):
            with suppress(ImportError):
                importlib.import_module(found.name)
    for name in HEAVY:
        with suppress(ImportError):
            importlib.import_module(name)
    filterkit.cli.app.build_app()


HEAVY = (
    "typer._adapters",  # pydantic, with some versions of Typer
    *(
        "onnxruntime",
        "onnx.checker",
        "alembic.command",
        "alembic.script",
        "sqlalchemy.dialects.sqlite.pysqlite",
    ),
    *(
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "matplotlib.font_manager",
        "PIL.PngImagePlugin",
    ),
    *(
        "rich.table",
        "rich.console",
        "rich.progress",
        "scipy.optimize",
        "scipy.fft",
        "scipy.ndimage",
        "typer.rich_utils",
    ),
)


def _print_error_and_place(message: str, hint: str | None) -> None:
    """As filterkit does, but where it is none that a user should see, with the place in the code."""
    from filterkit.errors import one_line

    if message.startswith("unexpected "):
        found = traceback.extract_tb(sys.exc_info()[2])
        ours = [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in found]
        message += f" at {' < '.join(ours[:-7:-1])}"
    print(
        f"error: {one_line(message)}",
        *([f"hint: {one_line(hint)}"] if hint else []),
        sep="\n",
        file=sys.stderr,
    )


def choose(draw: random.Random, models: Sequence[str], layers: Sequence[str]) -> list[Command]:
    """Three to six commands that read, and up to two that write, on a catalog of these models and layers."""
    model = draw.choice([*models, "*", "*"])
    layer = draw.choice([*layers, "*/*", "*/*"])
    other = draw.choice([*models, "*"])
    readers: tuple[str, ...] = (
        *("models", "models --format json", f"layers {model}", "layers *", "layers * --skipped"),
        *("layers * --format csv", "filters *", f"filters {model}", "filters * --count"),
        *(f"filters {layer} --where mean>0 --sort -l2_norm", "filters * --where spread>0"),
        *("filters * --group-by layer", "filters * --group-by classic_type"),
        "filters * --columns address,label,in_channels,kernel_shape,output_shape --limit 20",
        *("filters * --sort unrest --format json", f"stats {model}", "stats * --format json"),
        *(f"show {layer}/0 -o shown.png", f"show {layer} -o shown.txt"),
        *(f"show {model} -o pictures --channels first", f"similar {layer}/0"),
        *("similar [[-1,0,1],[-2,0,2],[-1,0,1]]", f"similar {layer}/0/0 --invariant sign,rotate"),
        *("duplicates", f"duplicates {layer} --threshold 0.5", f"diff {model} {other}"),
        *(
            f"diff {model} {other} --match position",
            f"diff {model} {other} --match assignment --level filter",
        ),
        *(f"export {model} -o banks.npz", f"export {layer} -o bank.npy", f"export {model} -o b.safetensors"),
        *("doctor", "doctor --format json", f"maps {model} picture.png --provider cpu"),
        *(f"maps {layer} picture.png --provider cpu -o maps.npz", "maps * picture.png --provider cpu"),
        *(f"convolve {layer}/0 picture.png --provider cpu", "api", "api", "complete"),
        *(f"convolve {layer}/0/0 picture.png --provider cpu -o c.png", "stats * -o chart.png"),
    )
    queries = (
        *("SELECT * FROM model", "SELECT * FROM layer", "SELECT count(*), avg(mean) FROM filter"),
        *("SELECT * FROM skipped", "SELECT * FROM sqlite_master"),
        "SELECT model.name, layer.* FROM layer JOIN model ON model.id = model_id ORDER BY parameters",
    )
    known = draw.choice(models or ["x"])
    writers = (
        *("add tiny.onnx", "add tiny.onnx --replace", "add new.onnx", "add classic --replace"),
        *("add apart/external.onnx --replace", f"add new.onnx --replace --name {known}", "measure *"),
        *(f"measure {known}", f"remove {known}", f"remove {known}"),
    )
    chosen = [Command(tuple(words.split())) for words in draw.sample(readers, draw.randrange(2, 6))]
    chosen.append(Command(("query", draw.choice(queries), "--timeout", "3")))
    chosen += [Command(tuple(draw.choice(writers).split()), reads=False) for _ in range(draw.randrange(3))]
    draw.shuffle(chosen)
    return chosen
