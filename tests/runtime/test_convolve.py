"""One convolution through ONNX Runtime, held against SciPy and against the data that onnx itself carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from scipy import ndimage, signal

from filterkit.errors import ImageError, RuntimeFailure
from filterkit.records import RunOptions
from filterkit.runtime.convolve import Sliding, convolve, convolve_kernel
from filterkit.runtime.providers import probe

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"


def single_convolutions() -> list[Path]:
    """The folders of onnx's own tests whose model is one Conv or ConvTranspose node."""
    folders = []
    for path in sorted(DATA.glob("*/*/model.onnx")):
        nodes = onnx.load(path).graph.node
        if len(nodes) == 1 and nodes[0].op_type in ("Conv", "ConvTranspose"):
            folders.append(path.parent)
    return folders


def random_array(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def outputs_first(weights: Any, groups: int) -> Any:
    """ConvTranspose's (I, O / groups, …) as (O, I / groups, …), group by group."""
    return np.concatenate([part.swapaxes(0, 1) for part in np.split(weights, groups)])


@pytest.mark.parametrize("folder", single_convolutions(), ids=lambda folder: folder.name)
def test_onnx_own_data(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    graph, node = model.graph, model.graph.node[0]
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = [entry.name for entry in graph.input if entry.name not in values]
    for index, name in enumerate(names):
        values[name] = numpy_helper.to_array(onnx.load_tensor(folder / f"test_data_set_0/input_{index}.pb"))
    expected = numpy_helper.to_array(onnx.load_tensor(folder / "test_data_set_0/output_0.pb"))
    given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    groups = given.get("group", 1)
    transposed = node.op_type == "ConvTranspose"
    image, weights, *bias = (values[name] for name in node.input)
    sliding = Sliding(
        transposed=transposed,
        strides=given.get("strides", ()),
        pads=given.get("pads", ()),
        dilations=given.get("dilations", ()),
        groups=groups,
        auto_pad=given.get("auto_pad", b"NOTSET").decode(),
        output_padding=given.get("output_padding", ()),
    )
    bank = outputs_first(weights, groups) if transposed else weights
    found = convolve(bank, bias[0] if bias else None, image, sliding)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_there_is_much_of_onnx_own_data() -> None:
    assert len(single_convolutions()) >= 30


@settings(max_examples=30, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(5, 12), st.integers(5, 12)),
    channels=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
def test_a_kernel_is_correlated_with_each_channel(
    kernel: tuple[int, int], size: tuple[int, int], channels: int, seed: int
) -> None:
    weights, image = random_array(*kernel, seed=seed), random_array(2, channels, *size, seed=seed + 1)
    found = convolve_kernel(weights, image, options=RunOptions(provider="cpu"))
    assert found.shape == (2, channels, size[0] - kernel[0] + 1, size[1] - kernel[1] + 1)
    for picture in range(2):
        for channel in range(channels):
            expected = signal.correlate2d(image[picture, channel], weights, mode="valid")
            np.testing.assert_allclose(found[picture, channel], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_kernel_of_any_rank_is_correlated_as_scipy_does(rank: int) -> None:
    weights, image = random_array(*(4, 3, 2)[:rank]), random_array(1, 2, *(9, 8, 7)[:rank], seed=1)
    found = convolve_kernel(weights, image, options=RunOptions(provider="cpu"))
    for channel in range(2):
        expected = signal.correlate(image[0, channel], weights, mode="valid")
        np.testing.assert_allclose(found[0, channel], expected, rtol=1e-4, atol=1e-4)


def test_one_filter_is_the_sum_over_its_channels() -> None:
    weights, bias, image = random_array(1, 3, 3, 3), np.array([0.5], np.float32), random_array(1, 3, 9, 11)
    found = convolve(weights, bias, image, Sliding(pads=(1, 1, 1, 1)))
    expected = 0.5 + sum(
        ndimage.correlate(image[0, channel], weights[0, channel], mode="constant") for channel in range(3)
    )
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-4, atol=1e-5)


def test_half_precision_banks_are_computed_in_single() -> None:
    weights, image = random_array(2, 1, 3, 3), random_array(1, 1, 8, 8)
    half = convolve(weights.astype(np.float16), None, image)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, convolve(weights, None, image), atol=0.05)


def test_neither_bank_nor_picture_is_changed() -> None:
    weights, image = random_array(2, 1, 3, 3), random_array(1, 1, 8, 8)
    weights.flags.writeable = image.flags.writeable = False
    assert convolve(weights, None, image).shape == (1, 2, 6, 6)


def test_a_picture_of_other_channels_is_refused_with_a_way_on() -> None:
    with pytest.raises(ImageError, match="takes 64 channels; the picture has 3") as caught:
        convolve(random_array(1, 64, 3, 3), None, random_array(1, 3, 8, 8), name="vgg16/block1_conv2/3")
    assert "vgg16/block1_conv2/3/0" in str(caught.value.hint)
    assert caught.value.message.startswith("vgg16/block1_conv2/3 ")


def test_a_picture_of_other_axes_or_too_few_pixels_is_refused() -> None:
    with pytest.raises(ImageError, match=r"takes signals \(N, C, W\), not 4 axes") as caught:
        convolve(random_array(1, 3, 5), None, random_array(1, 3, 8, 8))
    assert "filterkit show" in str(caught.value.hint)
    with pytest.raises(
        ImageError, match=r"a picture of 2×9 is smaller than the window of the kernel, 3×3"
    ) as caught:
        convolve_kernel(random_array(3, 3), random_array(1, 1, 2, 9))
    assert "--size" in str(caught.value.hint)
    assert convolve_kernel(random_array(3, 3), random_array(1, 1, 3, 3)).shape == (1, 1, 1, 1)


def test_cuda_is_refused_where_it_does_not_work() -> None:
    if probe()["cuda"]["usable"]:
        pytest.skip("CUDA works here")
    with pytest.raises(RuntimeFailure, match="CUDA is not available"):
        convolve_kernel(random_array(3, 3), random_array(1, 1, 8, 8), options=RunOptions(provider="cuda"))
