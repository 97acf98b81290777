"""Enlarging, compared with torch."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import random

from filterkit.attribution.enlarging import enlarged
from filterkit.errors import UsageError


@pytest.mark.parametrize("size", [(40, 48), (10, 12), (33, 7), (1, 1)])
def test_it_is_bilinear(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    values = random(10, 12)
    wanted = torch.nn.functional.interpolate(
        torch.tensor(values)[None, None], size=size, mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(enlarged(values, size), wanted[0].numpy(), atol=1e-5)


def test_maps_have_two_axes() -> None:
    with pytest.raises(UsageError, match="3 axes of positions, not two"):
        enlarged(random(2, 3, 4), (8, 8))
