"""A bank to normalize."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def bank() -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).normal(0.1, 1, (5, 4, 3, 3)).astype(np.float32)
