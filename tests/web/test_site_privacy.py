"""Folders of this computer in texts of an export: none."""

from __future__ import annotations

from pathlib import Path

import pytest

import filterkit
from filterkit.web.site_privacy import hiding


@pytest.mark.parametrize(
    ("text", "kind", "hidden"),
    [
        ("/home/jane doe/photos/a b.png", "html", "a b.png"),
        ("the picture '/tmp/x/a.png' was moved", "html", "the picture 'a.png' was moved"),
        ("C:\\Users\\Jane\\a.png", "html", "a.png"),
        ("\\\\server\\share\\a.png", "html", "a.png"),
        ('{"image": "/Users/jane doe/a.png", "x": 1}', "json", '{"image": "a.png", "x": 1}'),
        ('{"image": "C:\\\\Users\\\\a.png"}', "json", '{"image": "a.png"}'),
        ("x,/home/jane doe/a.png,1\r\n", "csv", "x,a.png,1\r\n"),
        ("vgg16/block1_conv1/0:6", "html", "vgg16/block1_conv1/0:6"),
        ("/features/0/Conv", "html", "/features/0/Conv"),
        ("net/tmp/0", "html", "net/tmp/0"),
        ("https://example.org/tmp/x", "html", "https://example.org/tmp/x"),
        ("1 / 2", "html", "1 / 2"),
    ],
)
def test_paths_become_names_of_files(classic_catalog: Path, text: str, kind: str, hidden: str) -> None:
    with filterkit.open(classic_catalog) as bench:
        assert hiding(bench)(text, kind) == hidden
