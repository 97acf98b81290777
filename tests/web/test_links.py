"""Links: addresses as paths, and what may be typed."""

from __future__ import annotations

from pathlib import Path

import pytest

import filterkit
from filterkit.errors import NotFoundError, UsageError
from filterkit.web.links import checked_address, href, query


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("vgg16", "/m/vgg16"),
        ("vgg16/block1_conv1/3/0", "/m/vgg16/block1_conv1/3/0"),
        ("net/a b?c#d%/0", "/m/net/a%20b%3Fc%23d%25/0"),
        ('net/<"é>', "/m/net/%3C%22%C3%A9%3E"),
        ("vgg16/block1_conv1/3,5", None),
        ("vgg16/block1_conv1/0:6", None),
        ("vgg16/block1_conv1/²", None),
        ("a/b/0/0/0", None),
        ("vgg16/block1_*", None),
        ("*", None),
    ],
)
def test_the_page_of_an_address(address: str, page: str | None) -> None:
    assert href(address) == page


def test_queries_leave_out_what_is_empty() -> None:
    assert query({"where": "", "sort": "-l2_norm", "page": 2}, page=None) == "?sort=-l2_norm"
    assert query({"where": "a = 'b&c'"}) == "?where=a+%3D+%27b%26c%27"
    assert query({}) == ""


def test_typed_addresses_lead_to_no_files(
    classic_catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photo.png").touch()
    with filterkit.open(classic_catalog) as bench:
        for text in ("*", "classic", " classic/edge_* ", "classic/edge_sobel_x/0:1/-1", "c*/*/::2"):
            bench.layers(checked_address(bench, text))
        for text in (
            *("net.onnx", "./net.onnx", "folder/photo.png", str(tmp_path / "net.onnx"), "../net.onnx"),
            *("net.onnx/0", "/etc/passwd", "file:///etc/passwd", "classic/../../etc/passwd", "", "a//b"),
            *("classic/edge_sobel_x/x.npy", "classic/edge_sobel_x/0/0/0", "~/x", "classic/"),
        ):
            with pytest.raises((UsageError, NotFoundError)) as raised:
                checked_address(bench, text)
            assert "is a file" not in str(raised.value)
