"""How networks are run: batches, sizes, types, layouts, and inputs that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_networks import CAFFE, RGB, Zoo, assert_close, banks_of, pixels, small_model, targets_of

from filterkit.errors import ImageError, RuntimeFailure
from filterkit.graph.loading.load import open_graph
from filterkit.records import Preprocessing, RunOptions
from filterkit.runtime.feature_maps import Target, open_network
from filterkit.runtime.network import channels_first

GRAY = Preprocessing(channel_order="GRAY", layout="NCHW", size=(28, 28))


@pytest.mark.zoo
def test_a_batch_gives_what_one_by_one_gives(zoo_model: Zoo) -> None:
    path = zoo_model("vgg16")
    targets = targets_of(banks_of(path)[:3], "post")
    network = open_network(
        path, targets, picture_input="input", layout="NHWC", options=RunOptions(provider="cpu")
    )
    # Sizes change in between: only neighbours of one size can run together.
    shapes = [(32, 32), (32, 32), (32, 32), (24, 40), (24, 40), (32, 32)]
    pictures = [pixels(*shape, 3, seed=i) for i, shape in enumerate(shapes)]
    alone = list(network.picture_maps(pictures, CAFFE, size="original", batch=1))
    together = list(network.picture_maps(pictures, CAFFE, size="original", batch=4))
    assert len(alone) == len(together) == len(pictures)
    for one, many in zip(alone, together, strict=True):
        assert_close(many, one)


@pytest.mark.zoo
def test_pictures_stream(zoo_model: Zoo) -> None:
    path = zoo_model("vgg16")
    targets = targets_of(banks_of(path)[:1], "post")
    network = open_network(
        path, targets, picture_input="input", layout="NHWC", options=RunOptions(provider="cpu")
    )
    read = 0

    def endless() -> Iterator[Any]:
        nonlocal read
        while True:
            read += 1
            yield pixels(16, 16, 3, seed=read)

    maps = network.picture_maps(endless(), CAFFE, size="original", batch=4)
    for _ in range(6):
        next(maps)
    assert read <= 9  # the second batch, and the picture that showed it was full


@pytest.mark.zoo
def test_a_dense_head_keeps_the_size_it_was_trained_for(zoo_model: Zoo) -> None:
    path = zoo_model("mnist-cnn")
    output = Target("digit", open_graph(path).outputs[0], "NC")
    network = open_network(
        path, [output], picture_input="Input3", layout="NCHW", options=RunOptions(provider="cpu")
    )
    assert next(network.picture_maps([pixels(100, 80, 3)], GRAY))["digit"].shape == (1, 10, 1, 1)
    with pytest.raises(ImageError, match=r"takes pictures of 28 × 28 pixels .* not 100 × 80") as caught:
        next(network.picture_maps([pixels(100, 80, 3)], GRAY, size="original"))
    assert "resized" in str(caught.value.hint)
    several = list(network.picture_maps([pixels(28, 28, 3, seed=i) for i in range(3)], GRAY))
    assert [maps["digit"].shape for maps in several] == [(1, 10, 1, 1)] * 3


@pytest.mark.zoo
def test_a_picture_too_small_for_the_network_is_refused(zoo_model: Zoo) -> None:
    path = zoo_model("vgg16")
    targets = targets_of(banks_of(path), "post")
    network = open_network(
        path, targets, picture_input="input", layout="NHWC", options=RunOptions(provider="cpu")
    )
    with pytest.raises(ImageError, match=r"8 × 8 pixels is too small .* window of 2×2 over 1×1"):
        next(network.picture_maps([pixels(8, 8, 3)], CAFFE, size="original"))
    assert next(network.picture_maps([pixels(16, 16, 3)], CAFFE, size="original"))["layer12"].shape == (
        (1, 512, 1, 1)
    )


def test_channels_that_do_not_fit_are_named() -> None:
    network = open_network(small_model(4), [Target("c", "y", "NCHW")], picture_input="x", layout="NCHW")
    with pytest.raises(ImageError, match=r"takes 4 channels; a picture has 3 \(R, G, B\)") as caught:
        next(network.picture_maps([pixels(8, 8, 3)], RGB))
    assert "--input FILE.npz" in str(caught.value.hint)


@pytest.mark.parametrize("dtype", [TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_pictures_come_in_the_type_that_the_input_takes(dtype: int) -> None:
    picture = pixels(6, 7, 3)
    plain = open_network(small_model(), [Target("c", "y", "NCHW")], picture_input="x", layout="NCHW")
    typed = open_network(
        small_model(dtype=dtype), [Target("c", "y", "NCHW")], picture_input="x", layout="NCHW"
    )
    assert_close(next(typed.picture_maps([picture], RGB)), next(plain.picture_maps([picture], RGB)))


def test_a_network_that_takes_exactly_four_pictures_gets_four() -> None:
    model = small_model(batch=4)  # and a Reshape that would mix the pictures of any other number
    model.graph.node.append(helper.make_node("Reshape", ["y", "four"], ["z"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([4, 2, -1]), "four"))
    network = open_network(model, [Target("z", "z", "NCW")], picture_input="x", layout="NCHW")
    assert network.inputs[0].shape[0] == 4
    pictures = [pixels(5, 5, 3, seed=i) for i in range(6)]
    found = [maps["z"] for maps in network.picture_maps(pictures, RGB)]
    single = open_network(small_model(), [Target("z", "y", "NCHW")], picture_input="x", layout="NCHW")
    expected = [maps["z"] for maps in single.picture_maps(pictures, RGB)]
    assert [values.shape for values in found] == [(1, 2, 9)] * 6
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected).reshape(6, 2, 9), rtol=1e-5)


@pytest.mark.parametrize("batch", ["N", 2])
def test_a_layer_that_cuts_pictures_into_pieces_is_refused(batch: str | int) -> None:
    model = small_model(batch=batch)
    model.graph.node.append(helper.make_node("Reshape", ["y", "pieces"], ["z"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 1, 3, 3]), "pieces"))
    network = open_network(model, [Target("z", "z", "NCHW")], picture_input="x", layout="NCHW")
    with pytest.raises(RuntimeFailure, match="output of layer 'z' is not separable by picture"):
        next(network.picture_maps([pixels(5, 5, 3)], RGB))


def test_raw_inputs_that_do_not_fit_are_named() -> None:
    network = open_network(small_model(extra=True), [Target("y", "y", "NCHW")])
    x, state = np.zeros((1, 3, 5, 5), np.float32), np.zeros(1, np.float32)
    takes = "'x' (float32 N × 3 × H × W), 'state' (float32 1)"

    def refused(inputs: dict[str, Any], message: str) -> None:
        with pytest.raises(RuntimeFailure, match=message) as caught:
            network.maps(inputs)
        assert takes in str(caught.value.hint)

    refused({"x": x}, r"missing input 'state'")
    refused({"x": x, "state": state, "stat": state}, "no input 'stat'")
    refused({"x": x.astype(np.float64), "state": state}, "does not accept float64")
    refused({"x": x[0], "state": state}, "does not accept shape 3 × 5 × 5")
    refused({"x": x[:, :2], "state": state}, "does not accept shape 1 × 2 × 5 × 5")
    assert network.maps({"x": x, "state": state})["y"].shape == (1, 2, 3, 3)
    with pytest.raises(RuntimeFailure, match=r"need inputs other than pictures"):
        next(network.picture_maps([pixels(8, 8, 3)], RGB))


def test_inputs_that_a_cut_network_does_not_need_may_be_given() -> None:
    model = small_model(extra=True)
    network = open_network(model, [Target("c", "c", "NCHW")], picture_input="x", layout="NCHW")
    x, state = np.ones((1, 3, 5, 5), np.float32), np.zeros(1, np.float32)
    np.testing.assert_array_equal(network.maps({"x": x, "state": state})["c"], network.maps({"x": x})["c"])
    with pytest.raises(RuntimeFailure, match="need more than a picture: 'state'"):
        both = open_network(model, [Target("y", "y", "NCHW")], picture_input="x", layout="NCHW")
        next(both.picture_maps([pixels(8, 8, 3)], RGB))


@pytest.mark.parametrize(("layout", "axes"), [("NHWC", (0, 2, 3, 1)), ("NWHC", (0, 3, 2, 1))])
def test_tensors_of_another_layout_come_back_channels_first(layout: str, axes: tuple[int, ...]) -> None:
    model = small_model()
    model.graph.node.append(helper.make_node("Transpose", ["y"], ["t"], perm=axes))
    network = open_network(
        model, [Target("a", "y", "NCHW"), Target("b", "t", layout)], picture_input="x", layout="NCHW"
    )
    found = next(network.picture_maps([pixels(6, 9, 3)], RGB))
    assert found["a"].shape == (1, 2, 4, 7)
    np.testing.assert_array_equal(found["a"], found["b"])


@pytest.mark.parametrize(("layout", "axes"), [("NWCC", "nwcd"), ("NCWC", "ncwd"), ("CNCW", "cndw")])
def test_channels_on_several_axes_become_one(layout: str, axes: str) -> None:
    values = np.random.default_rng(0).random((2, 3, 4, 5))
    wanted = np.einsum(f"{axes}->ncdw", values)
    found = channels_first(values, Target("heads", "t", layout))
    np.testing.assert_array_equal(found, wanted.reshape(len(wanted), -1, wanted.shape[-1]))
