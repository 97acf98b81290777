"""Weights without their network: which arrays become layers, under which names, and how they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_graphs import random
from safetensors.numpy import save_file
from weight_files import V, banks_of, read, write_h5

from filterkit.errors import FilterkitWarning, NotFoundError, SourceError, UsageError
from filterkit.sources.weights_file import WeightsFile
from filterkit.sources.weights_layers import layer_name


def test_arrays_of_pytorch_become_layers_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    arrays = {f"features.{n}.weight": random(4, 3 + n, 3, 3, seed=n) for n in (0, 2, 10)}
    arrays |= {
        "features.2.bias": random(4),
        "bn.weight": random(4),
        "bn.bias": random(4),
        "fc.weight": random(9, 4),
    }
    save_file(arrays, tmp_path / "net.safetensors")
    banks = read(tmp_path / "net.safetensors", tmp_path / "work")
    assert list(banks) == ["features.0", "features.2", "features.10"]
    for name, bank in banks.items():
        np.testing.assert_array_equal(bank.weights, arrays[f"{name}.weight"])
    assert banks["features.0"].bias is None
    np.testing.assert_array_equal(banks["features.2"].bias, arrays["features.2.bias"])


def test_the_order_of_an_npz_is_the_one_in_which_it_was_written(tmp_path: Path) -> None:
    arrays = {"stem_W": random(2, 3, 5), "body_W": random(2, 2, 3, 3, 3), "a/kernel": random(2, 2, 1, 3)}
    np.savez_compressed(
        tmp_path / "net.npz", **arrays, stem_b=random(2), counts=np.arange(60).reshape(3, 4, 5)
    )
    banks = read(tmp_path / "net.npz", tmp_path / "work")
    assert list(banks) == ["stem", "body", "a"]
    assert [bank.kernel_shape for bank in banks.values()] == [(5,), (3, 3, 3), (1, 3)]
    assert banks["stem"].bias is not None


def test_layout_says_how_the_axes_lie(tmp_path: Path) -> None:
    weights = random(3, 5, 7, 8)
    np.savez(tmp_path / "net.npz", w=weights)
    [bank] = read(f"{tmp_path / 'net.npz'}?layout=HWIO", tmp_path / "work").values()
    np.testing.assert_array_equal(bank.weights, weights.transpose(3, 2, 0, 1))
    assert (bank.source_layout, bank.in_channels, bank.out_channels) == ("HWIO", 7, 8)
    [bank] = read(f"{tmp_path / 'net.npz'}?layout=oihw", tmp_path / "work").values()
    assert (bank.source_layout, bank.weights.shape) == ("OIHW", (3, 5, 7, 8))


@pytest.mark.parametrize(
    ("array", "layer"),
    [
        ("block1/layers/conv2d/vars/0", "block1_conv2d"),
        ("model_weights/block1_conv1/block1_conv1/kernel:0", "block1_conv1"),
        ("block1_conv1/block1_conv1_W_1:0", "block1_conv1_block1_conv1_W_1:0"),
        ("layer1.0.conv1.weight", "layer1.0.conv1"),
        ("_layer_checkpoint_dependencies\\conv2d\\vars\\0", "_layer_checkpoint_dependencies_conv2d"),
        ("conv1_weights", "conv1"),
        ("weight", "array"),
        ("", "array"),
        ("../../etc/kernel", ".._etc"),
    ],
)
def test_names(array: str, layer: str) -> None:
    assert layer_name(array) == layer


def test_names_that_lead_elsewhere_stay_names(tmp_path: Path) -> None:
    names = [
        "../../up.weight",
        "a/b\x1b[31m.weight",
        "é ü.weight",
        "x" * 3000,
        "x" * 3000 + "y",
        "",
        "a b",
        "a/b",
    ]
    save_file({name: random(2, 3, 3, 3) for name in names}, tmp_path / "net.safetensors")
    banks = read(tmp_path / "net.safetensors", tmp_path / "work")
    assert len(banks) == len(names)
    assert not any(set(name) & set("/\\ \x1b") or name.startswith(".") or len(name) > 100 for name in banks)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.safetensors", "work"]


def test_what_only_looks_like_a_convolution(tmp_path: Path) -> None:
    arrays = {
        "pos_embed": random(1, 197, 768),
        "layer_scale": random(96, 1, 1),
        "empty": random(0, 3, 3, 3),
        "codes": np.ones((2, 2, 3, 3), np.int8),
        "six": random(1, 2, 1, 2, 1, 2),
        "conv.weight": random(96, 2, 1),
    }
    save_file(arrays, tmp_path / "net.safetensors")
    assert list(read(tmp_path / "net.safetensors", tmp_path / "work")) == ["conv"]


def test_the_only_vector_beside_a_kernel_is_its_bias(tmp_path: Path) -> None:
    arrays = {f"{n}.filters": random(4, 2, 3, 3) for n in "abcd"}
    arrays |= {
        "a.shift": random(4),
        "b.gamma": random(4),
        "c.shift": random(3),
        "d.x": random(4),
        "d.y": random(4),
    }
    np.savez(tmp_path / "net.npz", **arrays)
    banks = read(tmp_path / "net.npz", tmp_path / "work")
    assert [bank.bias is not None for bank in banks.values()] == [True, False, False, False]


def test_the_layer_that_reads_colours_comes_first(tmp_path: Path) -> None:
    arrays = {"conv_head.weight": random(8, 4, 1, 1), "conv_stem.weight": random(4, 3, 3, 3)}
    save_file(arrays, tmp_path / "net.safetensors")
    assert list(read(tmp_path / "net.safetensors", tmp_path / "work")) == ["conv_stem", "conv_head"]


def test_the_file_can_be_run_layer_by_layer(tmp_path: Path) -> None:
    kernel = random(3, 3, 4, 2)
    path = write_h5(tmp_path / "net.h5", {"depthwise/vars/0": kernel, "half/vars/0": kernel.astype("f2")})
    fetched = WeightsFile().fetch(str(path), tmp_path, lambda *_: None)
    session = onnxruntime.InferenceSession(fetched.onnx_path, providers=["CPUExecutionProvider"])
    picture = random(1, 4, 6, 6)
    feed = {"depthwise/vars/0 input": picture, "half/vars/0 input": picture.astype(np.float16)}
    depthwise, half = session.run(None, feed)
    assert (depthwise.shape, half.shape, half.dtype) == ((1, 8, 4, 4), (1, 2, 4, 4), np.float16)
    wanted = np.einsum("ihw,hwim->im", picture[0, :, :3, :3], kernel).ravel()
    np.testing.assert_allclose(depthwise[0, :, 0, 0], wanted, rtol=1e-5)


@pytest.mark.parametrize("ref", ["", "net.pth", "net.npz?layout=HWOI", "net.npz?axes=1"])
def test_wrong_use(ref: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", w=random(2, 3, 3, 3))
    with pytest.raises(UsageError):
        read(f"{tmp_path}/{ref}" if ref else ref, tmp_path / "work")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("net.onnx", "filterkit add net.onnx"),
        ("m.keras", "filterkit add keras:m.keras"),
        (
            "old.pth",
            "filterkit-torch, then: filterkit add torch:old.pth; or save only the weights as .safetensors",
        ),
        ("net.txt", "supported: .safetensors, .npz, .h5"),
    ],
)
def test_files_of_other_kinds_are_added_otherwise(name: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"cannot read weights from '{name}'") as caught:
        read(name, tmp_path / "work")
    assert hint in (caught.value.hint or "")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        read(tmp_path / "net.npz", tmp_path / "work")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(NotFoundError, match="not a file"):
        read(tmp_path / "folder.h5", tmp_path / "work")


def test_nothing_of_a_convolutions_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", fc=random(5, 4), bias=random(4))
    with pytest.raises(
        SourceError, match=r"none of the 2 arrays in net\.npz has the shape of a convolution weight"
    ) as caught:
        read(tmp_path / "net.npz", tmp_path / "work")
    assert "layout" in (caught.value.hint or "")


@pytest.mark.parametrize("container", ["params/", "params.", "module."])
def test_what_stands_before_all_names_is_no_part_of_them(container: str, tmp_path: Path) -> None:
    names = [f"{container}a.weight", f"{container}b.weight"]
    np.savez(tmp_path / "net.npz", **dict.fromkeys(names, V))
    assert list(read(tmp_path / "net.npz", tmp_path / "work")) == ["a", "b"]
    np.savez(tmp_path / "net.npz", **dict.fromkeys([*names, "c.weight"], V))
    mark = container[-1].replace("/", "_")
    assert list(read(tmp_path / "net.npz", tmp_path / "work")) == [
        f"{container[:-1]}{mark}a",
        f"{container[:-1]}{mark}b",
        "c",
    ]


def test_dense_layers_of_attention_are_no_convolutions(tmp_path: Path) -> None:
    arrays = {"conv/kernel": random(3, 3, 3, 8), "Attention_0/out/kernel": random(4, 8, 32)}
    np.savez(tmp_path / "net.npz", **arrays)
    assert list(read(tmp_path / "net.npz", tmp_path / "work")) == ["conv"]


def test_transposed_convolutions_are_known_by_their_bias(tmp_path: Path) -> None:
    up, same = random(64, 32, 2, 2), random(8, 8, 2, 2)
    arrays = {
        "up.weight": up,
        "up.bias": random(32),
        "down.weight": random(64, 32, 3, 3),
        "down.bias": random(64),
    }
    banks = banks_of(arrays | {"same.weight": same, "same.bias": random(8), "bare.weight": up}, tmp_path)
    kinds = {name: (bank.op, bank.out_channels, bank.in_channels) for name, bank in banks.items()}
    assert kinds == {
        "up": ("ConvTranspose", 32, 64),
        "down": ("Conv", 64, 32),
        "same": ("Conv", 8, 8),
        "bare": ("Conv", 64, 32),
    }
    np.testing.assert_array_equal(banks["up"].weights, up.swapaxes(0, 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *(("_orig_mod.{}", "{}"), ("module._orig_mod.{}", "{}"), ("state_dict.module.{}", "{}")),
        *(("_fsdp_wrapped_module.{}", "{}"), ("a._checkpoint_wrapped_module.{}", "a.{}")),
        *(("model._orig_mod.{}", "model.{}"), ("optimizer/target/params/{}", "{}")),
    ],
)
def test_what_wraps_layers_is_no_part_of_their_names(before: str, after: str, tmp_path: Path) -> None:
    names = ["conv1", "layer.conv2"]
    arrays = {f"{before.format(name)}.weight": V for name in names}
    assert list(banks_of(arrays, tmp_path)) == [after.format(name) for name in names]


def test_layers_keep_names_that_differ_by_what_wraps_them(tmp_path: Path) -> None:
    names = ["a._orig_mod.conv", "a.conv"]
    assert len(banks_of({f"{name}.weight": V for name in names}, tmp_path)) == 2


def test_a_file_of_nothing_but_state_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"left out: 'optimizer.exp_avg' is optimizer") as caught:
        banks_of({"optimizer.exp_avg": V}, tmp_path)
    assert "?only=optimizer.*" in (caught.value.hint or "")


def test_the_pattern_that_is_told_reads_what_was_left_out_and_nothing_else(tmp_path: Path) -> None:
    arrays = {"net.conv.weight": V, "net.pos_embed": random(1, 9, 4), "net.rel_pos": random(1, 4, 4)}
    with pytest.warns(FilterkitWarning, match=r"\?only=net.pos_embed reads only that one"):
        banks_of(arrays, tmp_path)
    assert len(banks_of(arrays, tmp_path, "?only=net.pos_embed&layout=OIHW")) == 1


def test_modulated_convolutions(tmp_path: Path) -> None:
    modulated, last = random(1, 16, 12, 3, 3), random(1, 3, 16, 1, 1)
    voxels = random(1, 16, 3, 3, 3)
    arrays = {"c.weight": modulated, "rgb.weight": last, "noises.noise_0": random(1, 1, 4, 4)}
    with pytest.warns(FilterkitWarning, match="'noises.noise_0' is left out"):
        banks = banks_of(arrays, tmp_path, "?layout=OIHW")
    np.testing.assert_array_equal(banks["c"].weights, modulated[0])
    np.testing.assert_array_equal(banks["rgb"].weights, last[0])
    [bank] = banks_of({"d.weight": voxels}, tmp_path, "?layout=OIHW").values()
    assert bank.weights.shape == voxels.shape


@pytest.mark.parametrize(("bias", "operator", "outputs"), [(6, "Conv", 6), (4, "ConvTranspose", 4)])
def test_a_bias_says_whether_keras_or_flax_wrote_it(
    bias: int, operator: str, outputs: int, tmp_path: Path
) -> None:
    arrays = {"conv_transpose/kernel": random(2, 2, 4, 6), "conv_transpose/bias": random(bias)}
    [bank] = banks_of(arrays, tmp_path, "?layout=HWIO").values()
    assert (bank.op, bank.out_channels) == (operator, outputs)
