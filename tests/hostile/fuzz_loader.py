"""Fuzz target: spoiled models through loader, extractor, geometry, names, cut and catalog.

    python tests/hostile/fuzz_loader.py --runs 20000 --workers 2 --seed 0 some/networks/*.onnx

A run is told by its seed and its number alone, so that whatever it finds comes again. Workers are processes
of their own: one that crashes or hangs is found by the run it was at, and another goes on behind it. Every
model has to be taken, or be refused with one clear line and a hint, in bounded time and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # for onnx_graphs, where this runs as a program

import fuzz_watch
from fuzz_corpus import corpus
from fuzz_mutations import mutated

SLOW = 10.0
"""Seconds of processor time that one model may take."""
GREEDY = 1 << 30
"""Bytes by which one model may raise the process's peak."""
ADDRESS_SPACE = 12 << 30
"""Bytes; allocating beyond raises MemoryError instead of calling for the kernel's killer."""
CATALOGUED = 5
"""Every so manieth model goes through a catalog as well, which writes files."""


def drive(path: Path, catalog: Path | None = None) -> str:
    """All that filterkit does with a model short of running it: ``"taken"``, or why it is refused.

    Raises
    ------
    AssertionError
        The refusal is none that a user could read.
    Exception
        Anything that is no FilterkitError is a finding.
    """
    from filterkit.errors import FilterkitError
    from filterkit.extractors.convolution import ConvolutionExtractor
    from filterkit.graph.excerpt.cut import cut
    from filterkit.graph.excerpt.free_sizes import free_sizes
    from filterkit.graph.loading.load import open_graph
    from filterkit.ingest.extract import extract
    from filterkit.records import FetchedModel

    try:
        graph = open_graph(path)
        found = extract(graph, FetchedModel(onnx_path=path, origin="fuzz"), [ConvolutionExtractor()])
        for bank in [bank for bank in found.banks.values() if not bank.scope][:2]:
            part = cut(graph.model, [bank.post_tensor])
            left = [value.name for value in part.graph.input]
            if found.input is not None and found.input.layout is not None and found.input.name in left:
                free_sizes(part, found.input.name, found.input.layout)
        if catalog is not None:
            _catalogue(path, catalog)
    except FilterkitError as error:
        said = f"{error.message} ({error.hint})"
        assert error.hint, said
        assert said.isprintable() and len(said) < 800, said
        return f"{type(error).__name__}: {error.message.replace(str(path), '')}"
    return "taken"


def _catalogue(path: Path, catalog: Path) -> None:
    import filterkit

    with filterkit.open(catalog) as bench:
        bench.add(path, name="fuzzed", replace=True)
        for rows in (bench.layers("fuzzed"), bench.skipped("fuzzed"), bench.filters("fuzzed")):
            json.dumps(list(rows), allow_nan=False)


def inputs(seed: int, runs: range, files: Sequence[str]) -> Iterator[tuple[int, str, bytes]]:
    """Number, origin and content of the models of `runs`."""
    known = corpus() | {Path(file).stem: Path(file).read_bytes() for file in files}
    names = sorted(known)
    for run in runs:
        draw = random.Random(f"{seed}-{run}")
        name = names[run % len(names)]
        yield run, name, mutated(known[name], draw)


def work(seed: int, runs: range, files: Sequence[str], folder: Path) -> None:
    """Drive some runs, saying before and after each where it is, as lines of JSON on stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    warnings.simplefilter("error")  # which a user would see between the lines
    folder = Path(tempfile.mkdtemp(dir=folder))  # of this worker alone
    path = folder / "model.onnx"
    for run, name, data in inputs(seed, runs, files):
        path.write_bytes(data)
        print(json.dumps({"at": run, "name": name}), flush=True)
        began, peak = time.process_time(), _peak()
        finding = None
        try:
            outcome = drive(path, folder / "catalog.db" if run % CATALOGUED == 0 else None)
        except Exception as error:
            places = [
                f"{Path(f.filename).name}:{f.lineno} {f.name}"
                for f in traceback.extract_tb(error.__traceback__)
            ]
            outcome, finding = (
                "finding",
                f"{type(error).__name__}: {str(error)[:300]} at {' < '.join(places[:-6:-1])}",
            )
        took, grew = time.process_time() - began, _peak() - peak
        if finding is None and (took > SLOW or grew > GREEDY):
            finding = f"takes {took:.1f} s and {grew >> 20} MB: {outcome}"
        print(json.dumps({"done": run, "outcome": outcome, "finding": finding, "took": took}), flush=True)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz(
    runs: int, workers: int, seed: int, files: Sequence[str] = (), first: int = 0
) -> list[dict[str, Any]]:
    """All reports, one per run."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        words = ["--seed", str(seed), "--folder", folder, *files]
        return fuzz_watch.fuzz(__file__, words, range(first, first + runs), workers)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", help="networks to spoil besides the generated ones")
    given = parser.parse_args()
    if given.work:
        start, stop = map(int, given.work.split(":"))
        work(given.seed, range(start, stop), given.files, given.folder)
        return 0
    reports = fuzz(given.runs, given.workers, given.seed, given.files, given.first)
    return fuzz_watch.summary(reports, "models")


if __name__ == "__main__":
    os.nice(10)
    sys.exit(main())
