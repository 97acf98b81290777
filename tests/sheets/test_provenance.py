"""Lists of names in the metadata of pictures are bounded."""

from __future__ import annotations

import pytest

from filterkit.sheets.provenance import MOST_NAMED, listed, listed_models


@pytest.mark.parametrize("count", [0, 1, MOST_NAMED, MOST_NAMED + 1, 5 * MOST_NAMED])
def test_what_is_left_out_is_counted(count: int) -> None:
    names = [f"m/{number}" for number in range(count)]
    text = listed(names)
    shown = text.split(" and ")[0].split(", ") if text else []
    assert shown == names[:MOST_NAMED]
    assert text.endswith(f" and {count - MOST_NAMED} more") == (count > MOST_NAMED)


def test_models_have_their_hashes() -> None:
    assert listed_models({"vgg16": "ab", "net": "cd"}) == "vgg16 sha256:ab, net sha256:cd"
    assert listed_models({}) == ""
