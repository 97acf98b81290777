"""Perceptual hashes: equal for copies that look the same, and different for others."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from filterkit.responses.perceptual_hash import perceptual_hash


def smooth(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC)


def test_copies_in_another_format_or_size_are_equal() -> None:
    picture = smooth(0)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    expected = perceptual_hash(np.asarray(picture))
    assert expected is not None
    assert 0 <= expected < 2**63
    assert perceptual_hash(np.asarray(Image.open(file))) == expected
    assert perceptual_hash(np.asarray(picture.resize((640, 480)))) == expected
    assert perceptual_hash(np.asarray(picture).astype(np.float32) / 255) == expected


def test_other_pictures_differ() -> None:
    assert len({perceptual_hash(np.asarray(smooth(seed))) for seed in range(20)}) == 20


def test_a_picture_of_one_colour_has_none() -> None:
    assert perceptual_hash(np.full((30, 40, 3), 7, np.uint8)) is None
