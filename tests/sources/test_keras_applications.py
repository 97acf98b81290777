"""Keras's own networks and files, against Keras itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from keras_files import fetch

from filterkit.errors import NotFoundError, SourceError, UsageError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.layers.naming import name_layers
from filterkit.graph.loading.load import open_graph
from filterkit.records import FetchedModel, FilterBank

pytestmark = pytest.mark.keras


def banks_of(fetched: FetchedModel) -> dict[str, FilterBank]:
    found = list(ConvolutionExtractor().extract(open_graph(fetched.onnx_path)))
    banks = [bank for bank in found if isinstance(bank, FilterBank)]
    assert len(banks) == len(found)
    return dict(zip(name_layers(banks, fetched.layer_names), banks, strict=True))


def test_vgg16_banks_are_the_layers_own_weights_bit_by_bit(keras: Any, tmp_path: Path) -> None:
    fetched = fetch("VGG16?weights=none&include_top=false&input_size=32&seed=1", tmp_path)
    keras.utils.set_random_seed(1)
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    banks = banks_of(fetched)
    assert list(banks) == [layer.name for layer in layers]
    assert len(banks) == 13
    for layer in layers:
        kernel, bias = layer.get_weights()
        assert banks[layer.name].weights.tobytes() == kernel.transpose(3, 2, 0, 1).tobytes()
        np.testing.assert_array_equal(banks[layer.name].bias, bias)
        assert banks[layer.name].activation == "relu"

    assert fetched.preprocessing is not None
    assert fetched.preprocessing.channels == ("B", "G", "R")
    assert fetched.preprocessing.layout == "NHWC"
    assert "seed 1" in fetched.origin
    content = fetched.onnx_path.read_bytes()
    assert os.fsencode(Path(keras.__file__).parent) not in content
    assert os.fsencode(tmp_path) not in content


def test_resnet50_sees_as_far_as_the_literature_says(keras: Any, tmp_path: Path) -> None:
    """483 and 32: the table of google-research's receptive_field, for strides on a stage's first 1x1."""
    fetched = fetch("ResNet50?weights=none&include_top=false&input_size=64", tmp_path)
    banks = banks_of(fetched)
    assert len(banks) == 53
    assert fetched.layer_names is not None
    assert len(fetched.layer_names) == 53
    last = banks["conv5_block3_3_conv"]
    (geometry,) = trace_geometry(open_graph(fetched.onnx_path), [last], fetched.preprocessing)
    assert geometry.receptive_field == (483, 483)
    assert geometry.jump == (32, 32)


def a_model_of_every_kind(keras: Any) -> Any:
    """Every convolution layer of Keras, a batch norm, and a reshape that must not fix the batch."""
    layers = keras.layers
    picture = keras.Input((32, 32, 3), name="picture")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="first")(picture)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.SeparableConv2D(12, 3, depth_multiplier=2, padding="same", name="separable")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    squeezed = layers.Reshape((1, 1, 24))(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Conv2D(24, 1, activation="sigmoid", name="excite")(squeezed)])
    x = layers.Conv2D(6, 3, dilation_rate=2, groups=2, padding="same", use_bias=False, name="grouped")(x)
    x = layers.Conv2DTranspose(4, 4, strides=2, padding="same", name="up")(x)
    return keras.Model(picture, x)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_saved_model_is_the_same_network(suffix: str, keras: Any, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    model = a_model_of_every_kind(keras)
    path = tmp_path / f"mine{suffix}"
    model.save(path)
    workdir = tmp_path / "work"
    workdir.mkdir()
    fetched = fetch(str(path), workdir)
    assert fetched.origin.startswith(f"file mine{suffix}, exported by Keras")
    assert fetched.preprocessing is None

    assert list(banks_of(fetched)) == [
        *("first", "separable_depthwise", "separable_pointwise", "depthwise", "excite", "grouped", "up")
    ]
    session = onnxruntime.InferenceSession(fetched.onnx_path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    pictures = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    (answer,) = session.run(None, {given.name: pictures})
    np.testing.assert_allclose(answer, model.predict(pictures, verbose=0), rtol=1e-4, atol=1e-5)
    graph = onnx.load(fetched.onnx_path)
    assert not graph.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_code_inside_a_file_is_not_run(suffix: str, keras: Any, tmp_path: Path) -> None:
    path = tmp_path / f"sly{suffix}"
    keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Lambda(lambda x: x * 2)]
    ).save(path)
    with pytest.raises(SourceError, match="contains custom code"):
        fetch(str(path), tmp_path)


def test_garbage_is_no_model(keras: Any, tmp_path: Path) -> None:
    path = tmp_path / "garbage.keras"
    path.write_bytes(b"garbage")
    with pytest.raises(SourceError, match=r"cannot load garbage\.keras") as caught:
        fetch(str(path), tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_downloaded_name_the_other_way(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILTERKIT_CACHE", str(tmp_path / "cache"))
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nobody listens
    with pytest.raises(SourceError, match="cannot download the weights of MobileNet") as caught:
        fetch("MobileNet?include_top=false&input_size=128", tmp_path)
    assert "filterkit add vgg16" in (caught.value.hint or "")


def test_what_keras_refuses_is_told_in_its_words(keras: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 32x32"):
        fetch("VGG16?weights=none&include_top=false&input_size=8", tmp_path)


@pytest.mark.parametrize(
    ("ref", "message", "hint"),
    [
        ("", "no Keras model given", "keras:VGG16"),
        ("VGG61", "no application 'VGG61'", "'VGG16'"),
        ("VGG16?seed=1", "requires random weights", "weights=none"),
        ("VGG16?weigths=none", "has no option 'weigths'", "'weights'"),
        ("VGG16?weights=none&input_size=0", "at least 1", ""),
        ("VGG16?weights=none&seed=-1", "must be between 0", ""),
        ("VGG16?include_top=perhaps", "true or false", ""),
        ("model.keras?weights=none", "a Keras file has no option 'weights'", "input_size"),
    ],
)
def test_wrong_use(
    ref: str, message: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message) as caught:
        fetch(ref, tmp_path)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("ref", ["nowhere.keras", "VGG16?weights=nowhere.h5"])
def test_missing_files(ref: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        fetch(ref, tmp_path)


def test_names_the_extra_where_something_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(SourceError, match="onnxscript") as caught:
        fetch("VGG16?weights=none", tmp_path)
    assert "cnn-filterkit[keras]" in (caught.value.hint or "")
