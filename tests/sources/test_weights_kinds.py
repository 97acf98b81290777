"""Files of weights of all kinds: prefixes of names, look-alikes of convolutions, other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import random
from weight_files import V, banks_of, read

from filterkit.errors import FilterkitWarning, SourceError


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
