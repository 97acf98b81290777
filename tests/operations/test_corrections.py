"""The command line that was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from picture_networks import PIXELS

import filterkit
from filterkit.errors import AddressError
from filterkit.workbench import corrected_command


def test_an_address_after_its_picture(small: filterkit.Workbench, photo: Path) -> None:
    with pytest.raises(AddressError) as caught:
        small.convolve(str(photo), "net/conv1")
    assert caught.value.hint == f"`filterkit convolve net/conv1 {photo}`"


def test_a_layer_between_model_and_picture(small: filterkit.Workbench) -> None:
    with pytest.raises(filterkit.FilterkitError) as caught:
        list(small.iter_feature_maps("net", ["conv1", PIXELS]))
    assert caught.value.hint


def test_extra_words() -> None:
    hint = corrected_command(["show", "net/conv1", "x.png"], "got unexpected extra argument (x.png)")
    assert hint and "`filterkit show 'net/conv1 x.png'`" in hint
    assert corrected_command(["models"], "no such option: --frmat") is None
