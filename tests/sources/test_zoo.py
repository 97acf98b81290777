"""The known networks, fetched for real."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from filterkit.errors import UsageError
from filterkit.hashing import file_sha256
from filterkit.sources import cache, zoo
from filterkit.sources.zoo import ZooSource, known, names

IMAGE_MODELS = ("vgg16", "open-nsfw", "mnist-cnn", "vgg16-hed")
MADE = ("vgg16", "vgg16-hed")
"""Networks whose ONNX file is made of the one that is fetched."""


def test_lists_what_it_knows() -> None:
    rows = {row["name"]: row for row in known()}
    assert set(rows) == {"vgg16", "open-nsfw", "gtcrn", "basic-pitch", "silero-vad", "mnist-cnn", "vgg16-hed"}
    for row in rows.values():
        assert len(row["sha256"]) == 64
        assert row["bytes"] > 0
        assert "==" in row["requirement"]
        assert row["license"]
        assert row["what"]
    assert rows["vgg16"]["layers"] == 13


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no 'vgg61'") as caught:
        ZooSource().fetch("vgg61", tmp_path, lambda *_: None)
    assert "'vgg16'" in (caught.value.hint or "")


@pytest.mark.zoo
@pytest.mark.parametrize("name", names())
def test_brings_what_was_pinned(name: str, zoo_model: Callable[[str], Path], tmp_path: Path) -> None:
    zoo_model(name)
    row = next(row for row in known() if row["name"] == name)
    assert row["cached"]
    fetched = ZooSource().fetch(name, tmp_path, lambda *_: None)
    assert fetched.onnx_path.name == f"{name}.onnx"
    assert row["sha256"] in fetched.origin
    assert fetched.license == row["license"]
    assert (fetched.preprocessing is not None) == (name in IMAGE_MODELS)
    onnx.checker.check_model(fetched.onnx_path)
    stated = tomllib.loads(Path(zoo.__file__).with_name("zoo.toml").read_text("utf-8"))[name]
    kept = cache.look_up(f"{stated['requirement']}!{stated['member']}")
    assert kept is not None
    assert kept[1].wheel_sha256 == stated["wheel_sha256"]
    if name not in MADE:
        assert file_sha256(fetched.onnx_path) == row["sha256"]


@pytest.mark.zoo
def test_vgg16_is_the_trunk_alone_and_takes_any_picture(
    zoo_model: Callable[[str], Path], tmp_path: Path
) -> None:
    path = zoo_model("vgg16")
    again = ZooSource().fetch("vgg16", tmp_path, lambda *_: None)
    assert again.onnx_path.read_bytes() == path.read_bytes()
    assert again.preprocessing is not None
    assert again.preprocessing.channels == ("B", "G", "R")

    graph = onnx.load(path).graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    parameters = sum(weights[name].size for node in convolutions for name in node.input[1:])
    assert (len(convolutions), parameters) == (13, 14_714_688)
    first = weights[convolutions[0].input[1]][0, 0]
    assert first[0] == pytest.approx([0.42947057, 0.373467, -0.06136011])

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [axis if isinstance(axis, int) else "free" for axis in session.get_inputs()[0].shape] == [
        *("free", "free", "free", 3)
    ]
    for shape in ((1, 32, 32, 3), (2, 64, 96, 3)):
        (answer,) = session.run(None, {"input": np.zeros(shape, np.float32)})
        assert answer.shape == (shape[0], 512, shape[1] // 32, shape[2] // 32)
