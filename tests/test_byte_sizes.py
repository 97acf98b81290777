"""Parse and format sizes in bytes."""

from __future__ import annotations

import pytest

from filterkit.budget import parse_size, show_size
from filterkit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1), ("64", 64), ("64B", 64), ("1kB", 1000), ("1 KiB", 1024), ("64MB", 64_000_000),
        ("64 mb", 64_000_000), ("64M", 64_000_000), ("64MiB", 64 << 20), (" 1.5GiB ", 3 << 29),
        ("8GiB", 8 << 30), ("2TB", 2 * 10**12), ("0.001kB", 1),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0.0001kB",
        "-1",
        "+1",
        "1e3",
        "nan",
        "inf",
        "MB",
        "1iB",
        "1 XB",
        "1,5MB",
        "٣MB",
        "1MB2",
        "9" * 99,
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.hint and len(caught.value.message) < 100


def test_shown() -> None:
    shown = [show_size(size) for size in (1, 999, 1000, 1_000_000, 1_500_000_000, 10**13)]
    assert shown == ["1 bytes", "999 bytes", "1 kB", "1 MB", "1.5 GB", "10 TB"]
    assert [show_size(size) for size in (8 << 30, 1536, 512 << 20)] == ["8 GiB", "1.5 KiB", "512 MiB"]
