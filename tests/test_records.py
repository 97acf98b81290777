"""Records: what they know of themselves, and that they are values."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from filterkit import records
from filterkit.records import Preprocessing, Skipped, TileSheet


@pytest.mark.parametrize(
    ("order", "bands", "channels"),
    [
        ("RGB", 0, ("R", "G", "B")),
        ("BGR", 0, ("B", "G", "R")),
        ("RGBA", 0, ("R", "G", "B", "A")),
        ("GRAY", 0, ("gray",)),
        ("BANDS", 3, ("band 0", "band 1", "band 2")),
    ],
)
def test_channels_in_the_order_of_the_model(order: str, bands: int, channels: tuple[str, ...]) -> None:
    assert Preprocessing(order, bands=bands).channels == channels  # type: ignore[arg-type]


@pytest.mark.parametrize("colour", [False, True])
def test_the_shape_of_a_sheet(colour: bool) -> None:
    sheet = TileSheet(np.zeros((2, 3, 5, 7, 3) if colour else (2, 3, 5, 7), np.float32), count=5)
    assert (sheet.rows, sheet.columns, sheet.tile_shape, sheet.is_colour) == (2, 3, (5, 7), colour)


def test_all_records_are_frozen_and_can_be_pickled() -> None:
    kinds = [kind for kind in vars(records).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    assert len(kinds) == 11
    for kind in kinds:
        assert kind.__dataclass_params__.frozen, kind
    for value in (Preprocessing(), Skipped("conv1", "Conv", "too large"), records.DEFAULT_RUN):
        assert pickle.loads(pickle.dumps(value)) == value
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, "other")
