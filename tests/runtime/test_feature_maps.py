"""Networks opened from files, graphs and cut graphs that are kept for the next process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import build, node, random
from small_networks import CAFFE, RGB, Zoo, assert_close, banks_of, pixels, small_model, targets_of

from filterkit.errors import ModelError, NotFoundError, RuntimeFailure, UsageError
from filterkit.graph.excerpt.branches import Wanted
from filterkit.records import RunOptions
from filterkit.runtime import feature_maps
from filterkit.runtime.feature_maps import MOST, Target, excerpt_of, open_network
from filterkit.runtime.providers import probe


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


def two_layers(folder: Path, *, external: bool = False) -> Path:
    """Some 100 kB of weights, at odd places in the file."""
    model = build(
        [node("Conv", "x v", "a"), node("Relu", "a", "b"), node("Conv", "b w", "c"), node("Relu", "c", "d")],
        {"x": ["N", 3, "H", "W"]},
        {"v": random(16, 3, 3, 3), "w": random(160, 16, 3, 3)},
        outputs=["d"],
    )
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=external, location="weights", size_threshold=0)
    return path


def read(path: Path, kept: Path | None, tensor: str = "d") -> Any:
    return excerpt_of(path, [Wanted("", tensor)], picture_input="x", layout="NCHW", cache_dir=kept)


def answer(path: Path, kept: Path | None, tensor: str = "d") -> Any:
    targets = [Target("layer", tensor, "NCHW")]
    network = open_network(
        path,
        targets,
        picture_input="x",
        layout="NCHW",
        options=RunOptions(provider="cpu", threads=1),
        cache_dir=kept,
    )
    return network.maps({"x": random(2, 3, 8, 8, seed=1)})["layer"]


@pytest.mark.parametrize("external", [False, True])
def test_a_kept_graph_answers_as_the_model_does(tmp_path: Path, external: bool) -> None:
    path = two_layers(tmp_path / "models", external=external)
    kept = tmp_path / "cuts"
    expected = answer(path, None)
    np.testing.assert_array_equal(answer(path, kept), expected)
    [file] = kept.iterdir()
    assert file.stat().st_size < 4096 + 16 * 3 * 9 * 4 < path.with_name("model.onnx").stat().st_size + 92160
    np.testing.assert_array_equal(answer(path, kept), expected)
    assert list(kept.iterdir()) == [file]


def test_a_kept_graph_is_read_and_the_model_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = two_layers(tmp_path / "models")
    first = read(path, tmp_path / "cuts")

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(feature_maps, "load_model", never)
    again = read(path, tmp_path / "cuts")
    assert (again.tensors, again.left_out, again.inputs) == (first.tensors, first.left_out, first.inputs)
    assert again.model.graph == first.model.graph
    with pytest.raises(AssertionError):
        read(path, tmp_path / "cuts", tensor="b")


@pytest.mark.parametrize("damage", ["empty", "text", "half", "elsewhere"])
def test_a_damaged_kept_graph_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = two_layers(tmp_path / "models")
    kept = tmp_path / "cuts"
    expected = answer(path, kept)
    [file] = kept.iterdir()
    content = file.read_bytes()
    broken = {
        "empty": b"",
        "text": b"not a graph",
        "half": content[: len(content) // 2],
        "elsewhere": content.replace(b"model.onnx", b"../elsewhe"),
    }[damage]
    file.write_bytes(broken)
    np.testing.assert_array_equal(answer(path, kept), expected)
    assert file.read_bytes() == content


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    path = two_layers(tmp_path / "models")
    (tmp_path / "cuts").write_text("a file where the folder should be")
    np.testing.assert_array_equal(answer(path, tmp_path / "cuts"), answer(path, None))


def test_so_many_are_kept_and_the_last_ones_asked_for(tmp_path: Path) -> None:
    path = two_layers(tmp_path / "models")
    kept = tmp_path / "cuts"
    read(path, kept)
    [oldest] = kept.iterdir()
    os.utime(oldest, (1, 1))
    for number in range(MOST + 3):
        excerpt_of(path, [Wanted("", "a")], picture_input=f"{number}", layout="NCHW", cache_dir=kept)
    assert len(list(kept.iterdir())) == MOST
    assert not oldest.exists()


@pytest.mark.zoo
def test_weights_of_a_real_network_are_mapped_from_its_file(zoo_model: Zoo) -> None:
    path = zoo_model("vgg16")
    output = next(each.output[0] for each in reversed(onnx.load(path).graph.node) if each.op_type == "Conv")
    part = excerpt_of(path, [Wanted("", output)], picture_input="input", layout="NHWC", cache_dir=None)
    size = len(part.to_bytes())
    assert size < path.stat().st_size / 1000
    inside = [tensor for tensor in part.model.graph.initializer if len(tensor.raw_data) >= 4096]
    assert not inside
