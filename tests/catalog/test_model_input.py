"""What is known of the input of a model: as stated, or as assumed."""

from __future__ import annotations

from pathlib import Path

from tiny_models import put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog
from filterkit.catalog.addresses import resolve
from filterkit.catalog.model_input import preprocessing_from
from filterkit.records import FetchedModel, Preprocessing


def test_a_guess_at_the_preprocessing_is_marked(catalog: Catalog, tiny: Path, tmp_path: Path) -> None:
    assert put(catalog, tiny).assumed
    put(catalog, write_model(tmp_path / "gray.onnx", widths=(1, 2)), "gray")
    put(catalog, write_model(tmp_path / "wide.onnx", widths=(7, 2)), "wide")
    said = Preprocessing(channel_order="BGR", size=(32, 48), mean=(1.0, 2.0, 3.0))
    put(catalog, tiny, "said", fetched=FetchedModel(tiny, "there", preprocessing=said))
    known = {
        name: resolve(catalog, parse_address(f"{name}/conv1"))[0] for name in ("tiny", "gray", "wide", "said")
    }
    guess = preprocessing_from(known["tiny"].model["preprocessing"])
    assert guess == Preprocessing("RGB", "NCHW", (32, 48), 1 / 255, assumed=True)
    assert known["gray"].model["preprocessing"]["channel_order"] == "GRAY"
    wide = preprocessing_from(known["wide"].model["preprocessing"])
    assert wide == Preprocessing("BANDS", "NCHW", (32, 48), 1 / 255, assumed=True, bands=7)
    assert preprocessing_from(known["said"].model["preprocessing"]) == said
    assert known["said"].layer["input_channels"] == ["B", "G", "R"]
