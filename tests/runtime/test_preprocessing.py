"""From pixels to network input, held against the formulas that the networks were trained with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import UsageError
from filterkit.records import Preprocessing
from filterkit.runtime.preprocessing import prepare

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def keras_caffe(x: Any) -> Any:
    """`keras.applications.imagenet_utils.preprocess_input(mode="caffe")`, channels last, by hand."""
    x = x.astype("float32")[..., ::-1].copy()
    x[..., 0] -= 103.939
    x[..., 1] -= 116.779
    x[..., 2] -= 123.68
    return x


def test_vgg_reads_bgr_minus_the_mean() -> None:
    caffe = Preprocessing(channel_order="BGR", layout="NHWC", mean=(103.939, 116.779, 123.68))
    np.testing.assert_allclose(prepare(PIXELS, caffe), keras_caffe(PIXELS)[None], rtol=1e-6)


def test_mobilenet_reads_minus_one_to_one() -> None:
    tf = Preprocessing(channel_order="RGB", layout="NHWC", scale=1 / 127.5, mean=(1.0, 1.0, 1.0))
    np.testing.assert_allclose(prepare(PIXELS, tf)[0], PIXELS / 127.5 - 1, atol=1e-6)


def test_torch_networks_read_standardized_channels_first() -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = prepare(PIXELS, Preprocessing(scale=1 / 255, mean=mean, std=std))
    assert found.shape == (1, 3, 7, 5) and found.dtype == np.float32 and found.flags.c_contiguous
    for channel in range(3):
        expected = (PIXELS[..., channel] / 255 - mean[channel]) / std[channel]
        np.testing.assert_allclose(found[0, channel], expected, atol=1e-5)


def test_gray_is_luma() -> None:
    found = prepare(PIXELS, Preprocessing(channel_order="GRAY", layout="NCHW"))
    assert found.shape == (1, 1, 7, 5)
    luma = np.asarray(Image.fromarray(PIXELS).convert("L"), np.float32)  # the same weights, rounded
    np.testing.assert_allclose(found[0, 0], luma, atol=0.51)
    gray = np.full((2, 2, 3), 200, np.uint8)
    np.testing.assert_allclose(prepare(gray, Preprocessing(channel_order="GRAY")), 200, rtol=1e-6)


def test_sizes_are_height_and_width() -> None:
    assert prepare(PIXELS, Preprocessing(), (4, 9)).shape == (1, 3, 4, 9)
    assert prepare(PIXELS, Preprocessing(layout="NHWC"), (4, 9)).shape == (1, 4, 9, 3)
    np.testing.assert_array_equal(prepare(PIXELS, Preprocessing(), (7, 5)), prepare(PIXELS, Preprocessing()))
    flat = np.full((64, 48, 3), (10, 20, 30), np.uint8)
    np.testing.assert_array_equal(prepare(flat, Preprocessing(), (3, 5))[0, :, 1, 1], [10, 20, 30])


def test_pixels_are_not_changed() -> None:
    before = PIXELS.copy()
    prepare(PIXELS, Preprocessing(channel_order="BGR", mean=(1, 2, 3)))[...] = 0
    np.testing.assert_array_equal(PIXELS, before)


def test_a_mean_of_other_channels_is_refused() -> None:
    with pytest.raises(UsageError, match="3 mean values for 1 channels"):
        prepare(PIXELS, Preprocessing(channel_order="GRAY", mean=(1, 2, 3)))
