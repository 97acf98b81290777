"""How tests say that a check finds what is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from filterkit.testing import ConformanceError


def problems(check: Callable[..., None], *given: Any, **more: Any) -> str:
    """What a check of something broken says, line by line."""
    with pytest.raises(ConformanceError) as caught:
        check(*given, **more)
    assert str(caught.value).splitlines()[1:] == [f"- {each}" for each in caught.value.problems]
    return "\n".join(caught.value.problems)
