"""What addresses select for an export, and which links lead beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest

import filterkit
from filterkit.errors import NotFoundError
from filterkit.web.site_scope import Scope, selected


def scope(catalog: Path, *addresses: str, kernels: bool = False, depth: int = 0) -> Scope:
    with filterkit.open(catalog) as bench:
        return selected(bench, addresses, kernels=kernels, depth=depth)


def counts(found: Scope) -> list[int]:
    return [found.count(kind) for kind in ("models", "layers", "filters", "kernels")]


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("addresses", "kernels", "expected"),
    [
        (["vgg16"], False, [1, 13, 4224, 0]),
        (["vgg16/block1_*"], False, [1, 2, 128, 0]),
        (["vgg16/block1_conv2/0:2"], True, [1, 1, 2, 128]),
        (["vgg16/block1_conv1/0:2/1:", "vgg16/block1_conv2/5/-1"], False, [1, 2, 3, 5]),
        (["vgg16/block1_conv1/3", "classic", "vgg16/block1_conv1/3,4"], False, [2, 14, 15, 0]),
    ],
)
def test_what_addresses_select(
    vgg16_catalog: Path, addresses: list[str], kernels: bool, expected: list[int]
) -> None:
    found = scope(vgg16_catalog, *addresses, kernels=kernels)
    assert counts(found) == expected
    for kind, count in zip(("models", "layers", "filters", "kernels"), expected, strict=True):
        assert len({*found.pages(kind)}) == count
        assert all(found.includes("/", url) for url in found.pages(kind))


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("source", "target", "included"),
    [
        ("/", "/m/vgg16", True),
        ("/", "/m/classic", False),
        ("/", "/filters", False),
        ("/", "/similar?query=x", False),
        ("/", "/atlas/vgg16", False),
        ("/", "/m/vgg16/observations/photos", True),
        ("/", "/m/vgg16/new/page", True),
        ("/", "/m/vgg16/block1_conv1/0/visualization", True),
        ("/", "/m/vgg16/block1_conv1/7", False),
        ("/", "/m/vgg16/block1_conv1/0/0", False),
        ("/", "/m/vgg16/block1_conv2", False),
        ("/", "/m/vgg16/block1_conv2/0/visualization", False),
        ("/m/vgg16", "/m/vgg16?format=json", True),
        ("/m/vgg16", "/m/vgg16?format=parquet", False),
        ("/m/vgg16/block1_conv1", "/m/vgg16/block1_conv1?page=2", True),
        ("/m/vgg16/block1_conv1", "/m/vgg16/block1_conv1?sort=dead", True),
        ("/m/vgg16/block1_conv1?sort=dead", "/m/vgg16/block1_conv1?sort=dead&page=2", False),
        ("/m/vgg16/block1_conv1?sort=dead", "/m/vgg16/block1_conv1?sort=dead&format=csv", True),
        ("/m/vgg16/block1_conv1?sort=dead", "/m/vgg16/block1_conv1", True),
    ],
)
def test_links(vgg16_catalog: Path, source: str, target: str, included: bool) -> None:
    assert scope(vgg16_catalog, "vgg16/block1_conv1/0:3").includes(source, target) == included


def test_what_is_not_there(classic_catalog: Path) -> None:
    with pytest.raises(NotFoundError):
        scope(classic_catalog, "vgg16")
    with pytest.raises(NotFoundError):
        scope(classic_catalog, "classic/edge_sobel_x/1")


@pytest.mark.zoo
def test_an_atlas_needs_a_depth(vgg16_catalog: Path) -> None:
    assert scope(vgg16_catalog, "vgg16/block1_conv1/0", depth=1).includes("/", "/atlas/vgg16")
