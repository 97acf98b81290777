"""``filterkit convolve``: apply one filter to one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Run, size_of
from PIL import Image
from skimage import filters


def test_sobel_as_scikit_image_computes_it(run: Run, classic: Path, photo: Path) -> None:
    words = ("convolve", "classic/edge_sobel_x", photo, "-o")
    [row] = run(*words, "sobel.npy", "--format", "json").rows
    assert (row["address"], row["provider"]) == ("classic/edge_sobel_x", "cpu")
    found = np.load("sobel.npy")
    with Image.open(photo) as picture:
        gray = np.asarray(picture, np.float64) @ [0.299, 0.587, 0.114] / 255
    assert found.shape == (1, 1, 30, 46), "no padding unless a layer has it"
    np.testing.assert_allclose(found[0, 0], 4 * filters.sobel_v(gray)[1:-1, 1:-1], atol=1e-5)
    assert run(*words, "sobel.png").exit_code == 0
    size_of(Path("sobel.png"))


def test_a_kernel_over_every_channel(run: Run, classic: Path, photo: Path) -> None:
    words = ("convolve", "classic/blur_box_3", photo, "--per-channel", "-o", "blur.npy", "--format", "json")
    [row] = run(*words).rows
    assert row["shape"] == [3, 30, 46]
    with Image.open(photo) as picture:
        pixels = np.asarray(picture, np.float32) / 255
    expected = sum(pixels[y : y + 30, x : x + 46] for y in range(3) for x in range(3)) / 9
    np.testing.assert_allclose(np.load("blur.npy")[0].transpose(1, 2, 0), expected, atol=1e-5)


@pytest.mark.zoo
@pytest.mark.usefixtures("catalog")
def test_a_layer_over_the_picture_as_its_network_reads_it(run: Run, photo: Path) -> None:
    run("maps", "vgg16/block1_conv1", photo, "--at", "pre", "--size", "original", "-o", "network.npy")
    assert run("convolve", "vgg16/block1_conv1/0:4", photo, "-o", "four.npy").exit_code == 0
    np.testing.assert_allclose(np.load("four.npy"), np.load("network.npy")[:, :4], atol=1e-3)


@pytest.mark.zoo
@pytest.mark.usefixtures("catalog")
def test_what_a_picture_does_not_fit(run: Run, photo: Path) -> None:
    code, error, hint = run("convolve", "vgg16/block2_conv1/0", photo).failure
    assert code == 1
    assert "64 channels" in error
    assert "vgg16/block2_conv1/0/0" in hint
    assert run("convolve", "vgg16/block2_conv1/0/0", photo, "-o", "k.npy").exit_code == 0
    code, _, hint = run("convolve", "classic", photo).failure
    assert code == 2
    assert hint
    code, _, _ = run("convolve", "vgg16/block1_conv1/0", photo, "--per-channel").failure
    assert code == 2
