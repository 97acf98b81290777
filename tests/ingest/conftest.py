"""Small models, what stages them, and a catalog to commit them to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_model import REQUEST, Stage, write_small
from tiny_models import write_model

from filterkit.catalog import Catalog
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.ingest.stage import Makers, Staged, stage_model
from filterkit.metrics.basic import BasicMetrics
from filterkit.records import FetchedModel


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "catalog.db", write=True) as catalog:
        yield catalog


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.onnx")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_small(tmp_path / "small.onnx")


@pytest.fixture
def stage(tmp_path: Path, small: Path) -> Stage:
    """Stages `small`, or `path`, with fields of the request; each time in a new folder."""

    def stage(path: Path = small, extractors: Any = (), measuring: Any = (), **fields: Any) -> Staged:
        folder = tmp_path / f"staging{len(list(tmp_path.glob('staging*')))}"
        folder.mkdir()
        makers = Makers(None, extractors or [ConvolutionExtractor()], measuring or [BasicMetrics()])
        request = dataclasses.replace(REQUEST, **fields)
        return stage_model(request, FetchedModel(path, "made by a test"), folder, makers)

    return stage
