"""What a trainer keeps beside the weights: state of optimizers, averages, copies of a whole network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import random
from weight_files import BIAS, G, V, banks_of, nets

from filterkit.errors import FilterkitWarning, UsageError


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
        FilterkitWarning, match=r"left out: .*; \?only=\S+ reads only (them|that one)$"
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
