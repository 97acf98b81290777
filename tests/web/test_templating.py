"""Templates: what is written into pages."""

from __future__ import annotations

from typing import Any

import pytest

from filterkit.web.templating import _environment, code, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (float("nan"), "nan"),
        ([1, "N"], "1, N"),
        (b"\0\xff", "00ff"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert shown(value) == text


def test_shapes_of_kernels() -> None:
    assert shown([3, 3], "kernel_shape") == "3×3"


def test_everything_is_escaped() -> None:
    page = _environment().from_string('<a title="{{ x }}">{{ x | shown }}</a>{{ x | code }}')
    nasty = '"><script>`alert(1)`</script>\u202e'
    text = page.render(x=nasty)
    assert "<script>" not in text
    assert '">' not in text.replace('">&', "")
    assert "\u202e" not in text
    assert "<code>alert(1)</code>" in text


def test_code_in_messages() -> None:
    assert code("`filterkit add X` & more") == "<code>filterkit add X</code> &amp; more"
