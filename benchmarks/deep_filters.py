"""Seeing deep filters: expanded weights of VGG16, and factors of its largest layer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from commands import FILTERKIT
from measuring import Line, process, ratio, seconds

import filterkit
from filterkit.sheets.factors import factored

ADDRESS = "vgg16/block2_conv2/0:64"
SECONDS = 5.0
SOME = 16
"""Filters that scikit-learn factors; its time is scaled up."""


def lines(catalog: Path) -> Iterator[Line | str]:
    with tempfile.TemporaryDirectory() as folder:
        picture = str(Path(folder) / "expanded.png")
        words = ["show", ADDRESS, "--expand", "-o", picture, "--catalog", str(catalog)]
        taken = median(seconds(process([*FILTERKIT, *words])) for _ in range(5))
    yield Line("show --expand, 64 filters of block2_conv2", "5 seconds", taken / SECONDS, 1.0)
    yield f"show --expand of 64 filters of block2_conv2 takes {taken:.1f} s"
    with filterkit.open(catalog, progress=False) as bench:

        def one_by_one() -> None:
            for number in range(8):
                bench.bank(f"vgg16/block2_conv2/{number}", expand=True)

        found = ratio(lambda: bench.bank(ADDRESS, expand=True), one_by_one, 5)
        yield Line("expand 64 filters together", "64 filters one by one (8, scaled up)", found / 8, 0.1)
        bank = np.array(bench.bank("vgg16/block5_conv1"))
    if find_spec("sklearn") is None:
        yield "factors: scikit-learn is not installed"
        return
    from sklearn.decomposition import NMF

    def scikit_learn() -> None:
        for filter_ in bank[:SOME].reshape(SOME, -1, 9):
            parts = np.concatenate([np.maximum(filter_, 0), np.maximum(-filter_, 0)]).T
            NMF(3, init="nndsvd").fit(parts)

    found = ratio(lambda: factored(bank), scikit_learn, 3)
    against = f"scikit-learn's NMF ({SOME} measured, scaled up)"
    yield Line("factors of 512 filters of 512 channels", against, found * SOME / len(bank), 1.0)
