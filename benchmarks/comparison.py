"""Searching all kernels for the nearest ones, and all filters for copies.

The baselines keep their vectors in memory, normalized beforehand, which is not counted; filterkit reads banks
as stored. faiss-cpu and scikit-learn are measured if they are installed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Line, in_turn, megabytes, ratios

import filterkit

Array = np.ndarray[Any, Any]

QUERIES = ("vgg16/block1_conv1/35/1", "vgg16/block3_conv2/17/33", "vgg16/block5_conv3/511/511")
LIMIT = 10
TURNS = 45

OPEN = "import filterkit\nbench = filterkit.open({catalog!r})\nbanks = [bench.bank(a) for a in {layers!r}]\n"
READ = OPEN + "for bank in banks: bank.max()\n"
SEARCH = READ + "bench.similar('vgg16/block3_conv2/17/33', invariant=('scale', 'sign'), limit=10)\n"


def best_by_partition(vectors: Array, query: Array) -> Array:
    """Indices of the `LIMIT` vectors with the largest absolute inner product, sorted."""
    scores = np.abs(vectors @ query)
    some = np.argpartition(scores, -LIMIT)[-LIMIT:]
    return some[np.argsort(-scores[some])]


def with_faiss(vectors: Array) -> Callable[[Array], Any]:
    """A search in an IndexFlatIP, for a query and its negative, because the inner product is signed."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda query: index.search(np.stack([query, -query]), LIMIT)


def lines(catalog: Path) -> Iterator[Line | str]:
    with filterkit.open(catalog) as bench:
        layers = [row["address"] for row in bench.layers("vgg16")]
        banks = [bench.bank(address) for address in layers]
        kernels = np.concatenate([bank.reshape(-1, 9) for bank in banks])
        vectors = kernels / np.maximum(np.linalg.norm(kernels, axis=1, keepdims=True), 1e-30)
        queries = [bench.bank(address).reshape(-1) for address in QUERIES]
        queries = [query / np.linalg.norm(query) for query in queries]
        yield from searching(bench, vectors, queries)
        del kernels, vectors
        yield from duplicates(bench, banks)
    yield memory(catalog, layers)


def searching(bench: filterkit.Workbench, vectors: Array, queries: list[Array]) -> Iterator[Line | str]:
    def ours() -> None:
        for address in QUERIES:
            bench.similar(address, invariant=("scale", "sign"), limit=LIMIT)

    actions: dict[str, Callable[[], Any]] = {
        "ours": ours,
        "numpy": lambda: [best_by_partition(vectors, query) for query in queries],
    }
    if find_spec("faiss"):
        search = with_faiss(vectors)
        actions["faiss"] = lambda: [search(query) for query in queries]
    taken = in_turn(actions, TURNS)
    each = 1000 * statistics.median(taken["ours"]) / len(QUERIES)
    what = f"similar among {len(vectors):,} kernels ({each:.0f} ms)"
    for name, against, reach in (
        ("faiss", "faiss IndexFlatIP, query and negative", 1.0),
        ("numpy", "numpy matmul + argpartition", 1.2),
    ):
        if name in taken:
            turns = ratios(taken["ours"], taken[name])
            yield Line(what, against, statistics.median(turns), reach, turns)
        else:
            yield f"{name} is not installed: similar is not compared with it"


def duplicates(bench: filterkit.Workbench, banks: list[Array]) -> Iterator[Line | str]:
    if not find_spec("sklearn"):
        yield "scikit-learn is not installed: duplicates is not compared with it"
        return
    from sklearn.metrics.pairwise import cosine_similarity

    taken = in_turn(
        {
            "ours": lambda: bench.duplicates("vgg16"),
            "theirs": lambda: [cosine_similarity(bank.reshape(len(bank), -1)) for bank in banks],
        },
        TURNS,
    )
    turns = ratios(taken["ours"], taken["theirs"])
    yield Line(
        "duplicates over VGG16", "scikit-learn cosine_similarity", statistics.median(turns), 1.5, turns
    )


def memory(catalog: Path, layers: list[str]) -> Line:
    """Memory of a search beyond that of a process that has mapped and read all banks."""
    names = {"catalog": str(catalog), "layers": layers}
    above = megabytes(SEARCH.format(**names)) - megabytes(READ.format(**names))
    return Line(f"memory of that search ({above:.0f} MB)", "100 MB above the mapped banks", above / 100, 1)
