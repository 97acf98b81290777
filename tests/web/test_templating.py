"""Templates: what is written into pages."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import filterkit
from filterkit.web.templating import _environment, code, shown


def test_the_package_contains_every_template_and_static_file() -> None:
    package = Path(filterkit.__file__).parent
    project = tomllib.loads((package.parent / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["filterkit"]
    contained = {path for pattern in patterns for path in package.glob(pattern)}
    files = {path for path in (package / "web").rglob("*") if path.suffix in (".html", ".js", ".css", ".svg")}
    assert len(files) > 20
    assert files <= contained


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


def test_large_numbers_have_no_exponent() -> None:
    """Counts and responses look alike; what is too long to read has one."""
    assert [shown(value) for value in (999.94, 1000.4, -17031.2, 1e9)] == [
        "999.9",
        "1,000",
        "-17,031",
        "1e+09",
    ]
