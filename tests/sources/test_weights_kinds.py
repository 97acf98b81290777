"""Files of weights as trainers of all kinds write them: in parts, in other orders, beside other arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx_graphs import random
from safetensors.numpy import save_file
from test_weights_file import read, write_h5

from filterkit.errors import FilterkitWarning, SourceError, UsageError
from filterkit.records import FilterBank

V, BIAS = random(4, 3, 3, 3), random(4, seed=1)
G = np.abs(random(4, 1, 1, 1, seed=2))


def banks_of(arrays: Mapping[str, Any], tmp_path: Path, options: str = "") -> dict[str, FilterBank]:
    save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, tmp_path / "net.safetensors"
    )
    return read(f"{tmp_path / 'net.safetensors'}{options}", tmp_path / "work")


def close(bank: FilterBank, expected: np.ndarray) -> None:
    assert bank.weights.dtype == np.float32
    np.testing.assert_allclose(bank.weights, expected, rtol=1e-5)


def length(values: np.ndarray, *axes: int) -> np.ndarray:
    return np.sqrt((values.astype(np.float64) ** 2).sum(axes, keepdims=True))


@pytest.mark.parametrize(
    "names",
    [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weight_norm(names: tuple[str, str], dtype: type[np.generic], tmp_path: Path) -> None:
    g, v = G.astype(dtype), V.astype(dtype)
    banks = banks_of({f"conv.{names[0]}": g, f"conv.{names[1]}": v, "conv.bias": BIAS}, tmp_path)
    assert list(banks) == ["conv"]
    close(banks["conv"], g.astype(np.float64) * v / length(v, 1, 2, 3))
    np.testing.assert_array_equal(banks["conv"].bias, BIAS)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 1, 1), (1, 2)), ((1, 3, 1), (0, 2)), ((1, 1, 5), (0, 1)), ((), (0, 1, 2)), ((4,), (1, 2))],
)
def test_weight_norm_over_other_axes(shape: tuple[int, ...], axes: tuple[int, ...], tmp_path: Path) -> None:
    v, g = random(4, 3, 5), np.abs(random(*shape, seed=3)).astype(np.float32)
    [bank] = banks_of({"c.weight_g": g, "c.weight_v": v}, tmp_path).values()
    whole = g.reshape(4, 1, 1) if shape == (4,) else g
    close(bank, whole * v / length(v, *axes))


def test_a_transposed_convolution_with_weight_norm_is_known_by_its_bias(tmp_path: Path) -> None:
    v, g = random(6, 3, 4), np.abs(random(6, 1, 1, seed=3))
    arrays = {"ups.0.weight_g": g, "ups.0.weight_v": v, "ups.0.bias": random(3)}
    [bank] = banks_of(arrays, tmp_path).values()
    assert (bank.op, bank.in_channels, bank.out_channels, bank.bias is None) == ("ConvTranspose", 6, 3, False)
    close(bank, (g * v / length(v, 1, 2)).swapaxes(0, 1))


@pytest.mark.parametrize(
    "names",
    [
        ("weight_orig", "weight_u", "weight_v"),
        ("weight_bar", "weight_u", "weight_v"),
        ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"),
    ],
)
def test_spectral_norm(names: tuple[str, str, str], tmp_path: Path) -> None:
    u, v = random(4, seed=5), random(27, seed=6)
    [bank] = banks_of(
        {f"conv.{name}": value for name, value in zip(names, (V, u, v), strict=True)}, tmp_path
    ).values()
    close(bank, V / (u @ V.reshape(4, -1) @ v))


def test_spectral_norm_of_a_transposed_convolution_and_without_v(tmp_path: Path) -> None:
    weight, u, v = random(6, 3, 2, 2), random(3), random(24)
    arrays = {
        "a.weight_orig": weight,
        "a.weight_u": u,
        "a.weight_v": v,
        "b.weight_orig": V,
        "b.weight_u": BIAS,
    }
    banks = banks_of(arrays, tmp_path)
    close(banks["a"], weight / (u @ weight.swapaxes(0, 1).reshape(3, -1) @ v))
    matrix = V.reshape(4, -1)
    direction = matrix.T @ BIAS
    close(banks["b"], V / (BIAS @ matrix @ (direction / np.linalg.norm(direction))))


def test_pruning_and_weights_that_are_there_as_a_whole(tmp_path: Path) -> None:
    mask = (V > 0).astype(np.float32)
    arrays = {"a.weight_orig": V, "a.weight_mask": mask, "b.weight": V, "b.weight_v": V, "b.weight_g": G}
    banks = banks_of(arrays, tmp_path)
    assert list(banks) == ["a", "b"]
    close(banks["a"], V * mask)
    close(banks["b"], V)


@pytest.mark.parametrize(
    "parts",
    [
        {"c.weight_v": V},
        {"c.weight_v": V, "c.weight_g": random(5, 1, 1, 1)},
        {"c.weight_v": V, "c.weight_g": random(4, 2, 1, 1)},
        {"c.parametrizations.weight.original1": V},
        {"c.parametrizations.weight.original": V},
        {"c.weight_orig": V},
        {"c.weight_orig": V, "c.weight_mask": V[:2]},
        {"c.weight_bar": V, "c.weight_u": random(5)},
    ],
)
def test_a_part_of_a_weight_alone_is_no_layer(parts: dict[str, Any], tmp_path: Path) -> None:
    name = next(iter(parts))
    with pytest.warns(FilterkitWarning, match=f"'{name}' is left out: the file contains no matching norm"):
        assert list(banks_of(parts | {"d.weight": V}, tmp_path)) == ["d"]
    with (
        pytest.warns(FilterkitWarning, match="left out"),
        pytest.raises(SourceError, match="has the shape of a convolution weight"),
    ):
        banks_of(parts, tmp_path)


def test_parts_without_their_others_are_counted_in_one_line(tmp_path: Path) -> None:
    parts = {f"{letter}.weight_v": V for letter in "abcef"}
    words = r"5 arrays \('a.weight_v', 'b.weight_v', 'c.weight_v', …\) are left out"
    with pytest.warns(FilterkitWarning, match=words):
        assert list(banks_of(parts | {"d.weight": V, "v.weight": V}, tmp_path)) == ["d", "v"]


CODES = np.arange(-54, 54).reshape(4, 3, 3, 3)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"c.weight": CODES.astype(np.int8), "c.weight_scale": G}, CODES * G),
        ({"c.weight": CODES.astype(np.int8), "c.weight.scale": G.ravel()}, CODES * G),
        ({"c.weight": CODES.astype(np.int8), "c.scale": np.float32([0.5])}, CODES * 0.5),
        (
            {
                "c.weight": (CODES + 128).astype(np.uint8),
                "c.weight_scale": G.ravel(),
                "c.weight_zero_point": np.uint8([128, 127, 126, 125]),
            },
            (CODES + np.reshape([0, 1, 2, 3], (4, 1, 1, 1))) * G,
        ),
    ],
)
def test_codes_are_dequantized(arrays: dict[str, Any], expected: np.ndarray, tmp_path: Path) -> None:
    [bank] = banks_of(arrays, tmp_path).values()
    close(bank, expected)
    np.savez(tmp_path / "net.npz", **arrays)
    [bank] = read(tmp_path / "net.npz", tmp_path / "work").values()
    close(bank, expected)


def test_codes_of_floats(tmp_path: Path) -> None:
    codes = V.astype(ml_dtypes.float8_e4m3fn)
    [bank] = banks_of({"c.weight": codes, "c.weight_scale_inv": np.float32(3)}, tmp_path).values()
    close(bank, codes.astype(np.float32) * 3)


@pytest.mark.parametrize("scale", [None, random(5), random(4, 3)])
def test_codes_without_a_scale_are_never_weights(scale: np.ndarray | None, tmp_path: Path) -> None:
    arrays = {"c.weight": CODES.astype(np.int8)} | ({} if scale is None else {"c.weight_scale": scale})
    with pytest.raises(SourceError) as caught:
        banks_of(arrays, tmp_path)
    assert "codes with a scale" in (caught.value.hint or "")
    assert list(banks_of(arrays | {"d.weight": V}, tmp_path)) == ["d"]


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


@pytest.mark.parametrize(
    "name",
    [
        *(
            "optimizer.exp_avg.conv.weight",
            "conv.weight.exp_avg",
            "optimizer_states/0/conv/kernel",
            "opt_state/mu/k",
        ),
        *("conv/kernel/Adam", "conv/kernel/Adam_1", "conv/kernel/Momentum", "state.0.momentum_buffer"),
        *(
            "model_ema.conv.weight",
            "ema.conv.weight",
            "conv/weight/ExponentialMovingAverage",
            "ema_model.convweight",
        ),
        *(
            "pos_embed",
            "encoder.pos_embedding",
            "cls_token",
            "class_token",
            "query_tokens",
            "rel_pos",
            "rel_pos_h",
        ),
        *("layer.0.relative_coords_table", "layer.0.attn_mask", "pixel_mean", "norm.gamma", "anchors"),
    ],
)
def test_what_is_no_weight_of_the_network(name: str, tmp_path: Path) -> None:
    with pytest.warns(FilterkitWarning, match=f"'{name}' is left out: optimizer state"):
        banks = banks_of({"conv.weight": V, name: V}, tmp_path)
    assert list(banks) == ["conv"]


def test_what_is_left_out_is_counted_in_one_line(tmp_path: Path) -> None:
    state = {f"optimizer.{number}.exp_avg": V for number in range(4)} | {"optimizer.4.step": BIAS}
    with pytest.warns(FilterkitWarning) as caught:
        assert list(banks_of({"conv.weight": V, **state}, tmp_path)) == ["conv"]
    said = [str(each.message) for each in caught if "left out" in str(each.message)]
    names = "'optimizer.0.exp_avg', 'optimizer.1.exp_avg', 'optimizer.2.exp_avg', …"
    assert said == [
        f"4 arrays ({names}) are left out: optimizer state, copies, tables or masks, judging by name; "
        "?only=optimizer.* reads only them"
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("gradient", "velocity", "adam_head", "net.momentum.conv", "ema", "conv"),
        ("exp_avg_pool", "grad.conv", "adam.1", "rmsprop"),
        ("model.3.ema.conv1x1", "model.3.conv3x3"),
        ("ema.conv", "backbone.conv"),
    ],
)
def test_layers_may_be_called_like_what_an_optimizer_keeps(names: tuple[str, ...], tmp_path: Path) -> None:
    shape = random(8, 3, 3, 3)
    assert set(banks_of({f"{name}.weight": shape for name in names}, tmp_path)) == set(names)


@pytest.mark.parametrize(
    ("original", "average"),
    [
        *(("c.weight", "c.weight_ema"), ("c.weight", "ema_c.weight"), ("c.weight", "ema.c.weight")),
        *(("model.c.weight", "model_ema.c.weight"), ("g.c.weight", "g_ema.c.weight")),
        *(("params/c/kernel", "ema_params/c/kernel"), ("c/kernel", "c/kernel/ExponentialMovingAverage")),
    ],
)
def test_an_average_beside_its_original_is_a_copy(original: str, average: str, tmp_path: Path) -> None:
    values = {original: V, average: 2 * V}
    with pytest.warns(FilterkitWarning, match=f"'{average}' is left out"):
        [bank] = banks_of(values, tmp_path).values()
    assert bank.weights.max() == V.max()
    assert len(banks_of({original: V[:3], average: V}, tmp_path)) == 2  # of another shape: no copy


def test_what_only_sounds_like_it(tmp_path: Path) -> None:
    names = ["patch_embed.proj", "momentum_encoder.conv", "pos_embed.conv", "tokenizer.stem", "schema.conv"]
    assert len(banks_of({f"{name}.weight": V for name in names}, tmp_path)) == len(names)


def test_averages_are_weights_where_there_are_no_others(tmp_path: Path) -> None:
    assert list(
        banks_of({"model_ema.a.weight": V, "model_ema.b.weight": V, "fc.weight": G[:, 0, 0]}, tmp_path)
    ) == [
        "model_ema.a",
        "model_ema.b",
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


def nets(*prefixes: str, layers: int = 3) -> dict[str, np.ndarray]:
    """The same small network under several names, with the same numbers times 1, 2, …"""
    weights = [random(4, 3 if number == 0 else 4, 3, 3, seed=number) for number in range(layers)]
    return {
        f"{prefix}conv{number}.weight": (place + 1) * weight
        for place, prefix in enumerate(prefixes)
        for number, weight in enumerate(weights)
    }


@pytest.mark.parametrize(
    ("original", "copy"),
    [
        *(("", "ema."), ("model.", "model_ema."), ("student.", "teacher."), ("net.", "shadow.")),
        *(("module.", "module_ema."), ("model.", "averaged."), ("online_network.", "target_network.")),
        *(("state_dict.", "ema_state_dict."), ("unet.", "unet_ema."), ("unet.", "ema.")),
        *(("student.module.backbone.", "teacher.backbone."), ("student.backbone.", "teacher.backbone.")),
        *(("module.encoder_q.", "module.encoder_k."), ("online_encoder.", "target_encoder.")),
        *(("critic.", "critic_target."), ("critic.", "target_critic."), ("q_net.", "target_q_net.")),
        *(("encoder.", "momentum_encoder."), ("params.", "params_ema."), ("generator.", "g_ema.")),
        *(("state_dict.model.", "ema.module."), ("_orig_mod.", "ema_model._orig_mod."), ("model.", "swa.")),
        *(("G.", "G_ema."), ("a.b.", "a.b_avg_model."), ("model.", "avg_model."), ("", "Adam.m.")),
        *(("", "Adam."), ("model.", "training.Adam.v."), ("params.", "mu.params."), ("params.", "nu.")),
    ],
)
@pytest.mark.parametrize("layers", [1, 3])
def test_copies_of_a_network_are_left_out(original: str, copy: str, layers: int, tmp_path: Path) -> None:
    known_by_their_number = [("unet.", "ema."), ("a.b.", "a.b_avg_model."), ("generator.", "g_ema.")]
    arrays = nets(original, copy, layers=layers)
    if layers == 1 and (original, copy) in known_by_their_number[:2]:
        assert len(banks_of(arrays, tmp_path)) == 2
        return
    with pytest.warns(
        FilterkitWarning, match=r"left out: .*; \?only=\S+ reads only (them|that one)"
    ) as caught:
        banks = banks_of(arrays, tmp_path)
    wanted = nets(original, layers=layers)
    assert len(banks) == layers
    for bank, weight in zip(banks.values(), wanted.values(), strict=True):
        np.testing.assert_array_equal(bank.weights, weight)
    [said] = [str(each.message) for each in caught if "left out" in str(each.message)]
    pattern = said.partition("?only=")[2].partition(" ")[0]
    banks = banks_of(arrays, tmp_path, f"?only={pattern}")
    assert len(banks) == layers
    for bank, weight in zip(banks.values(), wanted.values(), strict=True):
        np.testing.assert_array_equal(bank.weights, 2 * weight)


def test_copies_that_are_numbered(tmp_path: Path) -> None:
    net = nets("model.")
    ema = {f"ema.shadow_params.{number}": 2 * weight for number, weight in enumerate(net.values())}
    with pytest.warns(FilterkitWarning, match="3 arrays .* are left out"):
        assert list(banks_of(net | ema, tmp_path)) == [f"model.conv{number}" for number in range(3)]
    assert len(banks_of(ema, tmp_path)) == 3
    ema["ema.shadow_params.3"] = random(5, 5, 3, 3)
    assert len(banks_of(net | ema, tmp_path)) == 7


@pytest.mark.parametrize(
    "prefixes",
    [
        *(("netG_A.", "netG_B."), ("fnet.", "cnet."), ("left.", "right."), ("velocity.", "pressure.")),
        *(("template.", "search."), ("a.target_head.", "a.source_head."), ("encoder.", "decoder.")),
    ],
)
def test_two_networks_of_the_same_shape_are_no_copies(prefixes: tuple[str, ...], tmp_path: Path) -> None:
    assert len(banks_of(nets(*prefixes), tmp_path)) == 6


def test_a_larger_teacher_is_another_network(tmp_path: Path) -> None:
    student, teacher = nets("student."), nets("teacher.", layers=8)
    assert len(banks_of(student | teacher, tmp_path)) == 11
    head = {"teacher.head.weight": random(9, 4, 3, 3)}
    with pytest.warns(FilterkitWarning, match="3 arrays .* are left out"):
        banks = banks_of(student | nets("teacher.") | head, tmp_path)
    assert set(banks) == {"student.conv0", "student.conv1", "student.conv2", "teacher.head"}


def test_only(tmp_path: Path) -> None:
    arrays = nets("a.", "b&c.") | {"optimizer.a.exp_avg": V, "b&c.pos_embed": random(3, 4, 5)}
    assert list(banks_of(arrays, tmp_path, "?only=b%26c.*")) == [f"b_c.conv{n}" for n in range(3)]
    assert list(banks_of(arrays, tmp_path, "?layout=OIHW&only=*conv0*")) == ["a.conv0", "b_c.conv0"]
    assert list(banks_of(arrays, tmp_path, "?only=optimizer.*")) == ["optimizer.a.exp_avg"]
    with pytest.raises(UsageError, match=r"no array in net.safetensors matches 'c.\*'") as caught:
        banks_of(arrays, tmp_path, "?only=c.*")
    assert "it contains a.conv0.weight, " in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["old.pth", "net.bin", "net", "weights.hdf5", "net.npz", "net.h5"])
@pytest.mark.parametrize("kind", ["safetensors", "npz", "h5"])
def test_what_a_file_is_its_first_bytes_tell(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"made.{kind}"
    kernel = random(3, 3, 3, 8)
    if kind == "safetensors":
        save_file({"conv.kernel": kernel, "conv.bias": random(8)}, path)
    elif kind == "npz":
        np.savez(path, **{"conv.kernel": kernel, "conv.bias": random(8)})
    else:
        write_h5(path, {"conv/kernel": kernel, "conv/bias": random(8)})
    path.rename(tmp_path / name)
    [bank] = read(tmp_path / name, tmp_path / "work").values()
    np.testing.assert_array_equal(bank.weights, kernel.transpose(3, 2, 0, 1))


@pytest.mark.parametrize("name", ["old.pth", "net.bin", "net", "net.safetensors", "net.npz", "net.h5"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\x1f\x8b" + bytes(20), "a gzip archive"),
    ],
)
def test_what_a_file_is_instead_of_weights(name: str, content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=f"{name} is not a weights file but {what}") as caught:
        read(tmp_path / name, tmp_path / "work")
    assert caught.value.hint


def test_a_file_of_pytorch(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.pth", "w") as archive:
        archive.writestr("old/data.pkl", b"")
    with pytest.raises(UsageError, match=r"cannot read weights from 'old\.pth'") as caught:
        read(tmp_path / "old.pth", tmp_path / "work")
    assert "save only the weights" in (caught.value.hint or "")
    (tmp_path / "old.pth").rename(tmp_path / "old.npz")
    with pytest.raises(SourceError, match=r"old\.npz is not a weights file but a PyTorch file"):
        read(tmp_path / "old.npz", tmp_path / "work")


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
