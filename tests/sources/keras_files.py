"""Keras, and models of it."""

from __future__ import annotations

from pathlib import Path

from filterkit.records import FetchedModel
from filterkit.sources.keras_applications import KerasSource


def fetch(ref: str, workdir: Path) -> FetchedModel:
    return KerasSource().fetch(ref, workdir, lambda *_: None)
