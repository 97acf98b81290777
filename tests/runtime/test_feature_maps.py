"""How networks are run: batches, sizes, types, layouts, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from filterkit.errors import ImageError, ModelError, NotFoundError, RuntimeFailure, UsageError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.loading.load import open_graph
from filterkit.records import FilterBank, Preprocessing, RunOptions
from filterkit.runtime.feature_maps import Target, open_network
from filterkit.runtime.network import channels_first
from filterkit.runtime.network_cache import MOST, OpenNetworks
from filterkit.runtime.providers import probe

Zoo = Callable[[str], Path]
CAFFE = Preprocessing(channel_order="BGR", layout="NHWC", mean=(103.939, 116.779, 123.68))
RGB = Preprocessing(layout="NCHW")
GRAY = Preprocessing(channel_order="GRAY", layout="NCHW", size=(28, 28))


def banks_of(path: Path) -> list[FilterBank]:
    return [
        found for found in ConvolutionExtractor().extract(open_graph(path)) if isinstance(found, FilterBank)
    ]


def targets_of(banks: list[FilterBank], at: str) -> list[Target]:
    if at == "pre":
        return [Target(f"layer{i}", bank.pre_tensor, bank.pre_layout) for i, bank in enumerate(banks)]
    return [Target(f"layer{i}", bank.post_tensor, bank.post_layout) for i, bank in enumerate(banks)]


def assert_close(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 2e-5) -> None:
    """Equal up to `tolerance` times the layer's largest value."""
    assert found.keys() == expected.keys()
    for layer, values in expected.items():
        scale = float(np.abs(values).max()) or 1.0
        np.testing.assert_allclose(found[layer], values, rtol=0, atol=tolerance * scale, err_msg=layer)


def pixels(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


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
def test_only_what_the_wanted_layer_needs_is_opened(zoo_model: Zoo) -> None:
    path = zoo_model("vgg16")
    first = targets_of(banks_of(path), "post")[:1]
    open_one = partial(open_network, picture_input="input", layout="NHWC", opened=OpenNetworks())
    network = open_one(path, first, options=RunOptions(provider="cpu"))
    again = open_one(path, first, options=RunOptions(provider="cpu"))
    assert again is network
    other = open_one(path, first, options=RunOptions(provider="cpu", threads=1))
    assert other is not network


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


def small_model(
    channels: int = 3,
    *,
    batch: int | str = "N",
    dtype: int = TensorProto.FLOAT,
    extra: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """One 3×3 convolution behind a cast; optionally a second input that is added."""
    kinds = helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT)
    weights = (np.arange(2 * channels * 9).reshape(2, channels, 3, 3).astype(kinds) + seed) / 10
    nodes = [
        helper.make_node("Cast", ["x"], ["xf"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["xf", "w"], ["c"]),
        helper.make_node("Add", ["c", "state"], ["y"]) if extra else helper.make_node("Relu", ["c"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", dtype, [batch, channels, "H", "W"])]
    if extra:
        inputs.append(helper.make_tensor_value_info("state", TensorProto.FLOAT, [1]))
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


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


def test_threads_share_the_networks_that_are_open(tmp_path: Path) -> None:
    """More networks than are kept open, by several threads at once."""
    paths = [tmp_path / f"{number}.onnx" for number in range(MOST + 2)]
    for number, path in enumerate(paths):
        onnx.save(small_model(seed=number), path)

    opened = OpenNetworks()

    def first_value(path: Path) -> float:
        network = open_network(
            path, [Target("c", "y", "NCHW")], picture_input="x", layout="NCHW", opened=opened
        )
        return float(next(network.picture_maps([pixels(6, 7, 3)], RGB))["c"].flat[0])

    alone = [first_value(path) for path in paths]
    assert len(set(alone)) == len(paths)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(first_value, paths * 20)) == alone * 20


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


def test_unknown_tensors_operators_and_files_are_errors_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no tensor 'z'"):
        open_network(small_model(), [Target("z", "z", "NCHW")])
    with pytest.raises(UsageError):
        open_network(small_model(), [])
    with pytest.raises(UsageError, match="threads"):
        open_network(small_model(), [Target("y", "y", "NCHW")], options=RunOptions(threads=0))
    model = small_model()
    model.graph.node[1].domain = "my.domain"
    model.opset_import.append(helper.make_opsetid("my.domain", 1))
    with pytest.raises(RuntimeFailure, match=r"no operator Conv of domain my\.domain") as caught:
        open_network(model, [Target("y", "y", "NCHW")])
    assert "listed, drawn and exported" in str(caught.value.hint)
    with pytest.raises((ModelError, NotFoundError)):
        open_network(tmp_path / "none.onnx", [Target("y", "y", "NCHW")])


def test_external_data_is_found_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save_model(small_model(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    target = [Target("y", "y", "NCHW")]
    inside = open_network(small_model(), target, picture_input="x", layout="NCHW")
    outside = open_network(path, target, picture_input="x", layout="NCHW")
    picture = pixels(9, 9, 3)
    assert_close(next(outside.picture_maps([picture], RGB)), next(inside.picture_maps([picture], RGB)))


@pytest.mark.zoo
@pytest.mark.gpu
def test_cuda_computes_what_the_processor_computes(zoo_model: Zoo) -> None:
    if not probe()["cuda"]["usable"]:
        pytest.skip(str(probe()["cuda"]["reason"]))
    path = zoo_model("vgg16")
    targets = targets_of(banks_of(path), "post")
    networks = [
        open_network(path, targets, picture_input="input", layout="NHWC", options=RunOptions(provider=name))
        for name in ("cuda", "cpu")
    ]
    assert [network.provider for network in networks] == ["cuda", "cpu"]
    pictures = [pixels(64, 64, 3, seed=i) for i in range(3)]
    for fast, slow in zip(*(n.picture_maps(pictures, CAFFE, size="original") for n in networks), strict=True):
        for layer, values in slow.items():  # CUDA multiplies in TF32, with 10 bits of mantissa
            np.testing.assert_allclose(fast[layer], values, rtol=0, atol=5e-3 * np.abs(values).max())
