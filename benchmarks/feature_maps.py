"""Running a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import Line, ratio

import filterkit


def lines(catalog: Path) -> Iterator[Line]:
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    with filterkit.open(catalog) as bench:
        one = ratio(
            lambda: bench.feature_maps("vgg16/block1_conv2", picture),
            lambda: bench.feature_maps("vgg16", picture),
        )
    yield Line("feature maps of block1_conv2", "of all 13 layers", one, 0.35)
