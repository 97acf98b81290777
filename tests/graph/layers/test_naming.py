"""Layer names derived from what exporters write."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_graphs import banks, build, node, opened, random

from filterkit.graph.layers.naming import MODULE_NAMES_KEY, name_layers, noted_modules
from filterkit.graph.loading.load import open_graph
from filterkit.graph.loading.names import LONGEST_NAME
from filterkit.records import FilterBank


def bank(name: str = "", weight: str = "", output: str = "") -> FilterBank:
    graph = opened(build([node("Conv", "x w", "y")], {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 3, 3)}))
    made = dataclasses.replace(banks(graph)[0], node=name, weight_tensor=weight)
    return dataclasses.replace(made, pre_tensor=output, post_tensor=output)


CALL = "StatefulPartitionedCall"

CALLED = [
    (f"model/conv2d/{CALL}/{CALL}", "Conv2D", "ReadVariableOp", "conv2d"),
    (f"{CALL}/{CALL}/sequential/c1", "BiasAdd", "ReadVariableOp", "c1"),
    (f"{CALL}/model/stem/PartitionedCall_1/c1", "Conv2D", "ReadVariableOp", "stem.c1"),
    (f"{CALL}/__inference_call_12/model_1/c1", "Conv2D", "w", "c1"),
    ("jax2tf_f_/pjit_f_/Net/Conv_0", "Conv2D", "transpose_3", "Conv_0"),
    (f"{CALL}/jax2tf_f_/jit(f)/Net/Block_0/Conv_1", "XlaConvV2", "w", "Block_0.Conv_1"),
    ("jit(f)/jit(main)/Net/stem/Conv_0", "conv_general_dilated", "w", "stem.Conv_0"),
    ("jax2tf_f_/pjit_f_/Net/Net.encode/conv_init", "BiasAdd", "transpose", "conv_init"),
    ("net/~/conv2_d", "Conv2D", "w", "net.conv2_d"),
    ("model/Conv_1", "Conv2D", "w", "Conv_1"),
    ("MobilenetV2/Conv_1", "Conv2D", "w", "MobilenetV2.Conv_1"),
]
"""A module path, an operation in it, the reader of the weight, and the layer."""

MOBILE = "mobilenetv2_1.00_224"

MORE = [
    # TensorFlow, of both generations, and its converters.
    ("conv/Conv2D", "conv/weights/read:0", "", "conv"),
    ("I/I/Conv2d_1a/Conv2D", "I/Conv2d_1a/weights/read/_59__cf__59:0", "", "I.Conv2d_1a"),
    (f"{MOBILE}/Conv1/Conv2D", f"{MOBILE}/Conv1/Conv2D/ReadVariableOp:0", "", f"{MOBILE}.Conv1"),
    ("Conv1", "w", "y", "Conv1"),
    ("model/net/conv2d_transpose/BiasAdd", "w", "y", "net.conv2d_transpose"),
    ("model/sep/separable_conv2d", "model/sep/separable_conv2d/ReadVariableOp_1:0", "", "sep"),
    ("model/c/Conv1D/ExpandDims_1", "w", "model/c/Conv1D/Squeeze:0", "c"),
    ("model/c/conv1d", "model/c/conv1d/ExpandDims_1:0", "model/c/conv1d/Squeeze:0", "c"),
    ("model/d/Conv2D/SpaceToBatchND", "w", "model/d/BatchToSpaceND:0", "d"),
    ("model/act/Relu6;model/bn/FusedBatchNormV3;model/conv_3/Conv2D", "w", "y", "conv_3"),
    ("", "conv1/7x7_s2_w", "y", "conv1.7x7_s2"),
    ("1012", "1012_weight", "1012", "1012"),
    # JAX.
    ("Net/Conv_0/conv_general_dilated", "w", "y", "Conv_0"),
    ("vmap(jit(f))/Net/Conv_3/conv_general_dilated", "w", "y", "Conv_3"),
    ("jit_main/Net/stem/Conv_2/conv", "w", "y", "stem.Conv_2"),
    ("Conv_7", "params/Conv_0/kernel", "y", "Conv_0"),
    ("net/~/conv2_d_1", "net/~/conv2_d_1/w", "y", "net.conv2_d_1"),
    # PyTorch.
    ("/model/stem/Conv", "onnx::Conv_9", "", "model.stem"),
    ("/stem/_orig_mod/conv/Conv", "onnx::Conv_9", "", "stem.conv"),
    ("node_Conv_57", "_orig_mod.w", "conv2d_8", "w"),
    ("node_Conv_57", "head.w", "conv2d_8", "head.w"),
    ("/head/Conv", "head.w", "9", "head.w"),
    ("/Conv", "w", "9", "w"),
    ("node_Conv_183", "clone_2", "add", "Conv_183"),
    ("node_conv2d_3", "val_9", "conv2d_3", "conv2d_3"),
    ("Conv_7", "conv.weight_orig", "8", "conv"),
    ("Conv_7", "conv.parametrizations.weight.original", "8", "conv"),
    # Paddle.
    ("Conv.0", "conv2d_0.w_0_deepcopy_0", "p2o.pd_op.conv2d.0.0", "conv2d_0"),
    ("p2o.Conv.3", "p2o.helper.constant.3", "relu_0.tmp_0", "p2o.Conv.3"),
    # ONNX Runtime, after optimizing and quantizing.
    ("fused /features/features.0/Conv_BatchNormalization", "x", "y", "features.0"),
    ("/features/features.0/Conv_nchwc", "reorder", "y", "features.0"),
    ("a/BiasAdd_quant_token_15", "a/BiasAdd_weights_fused_bn_quantized", "", "a"),
    ("Conv__440", "Conv__440_weights_fused_bn_quantized", "qdq_s8_to_u8_quant_token_3", "Conv__440"),
    ("Conv_3", "conv1.weight_dequantized", "y", "conv1"),
    ("e\u0301", "w", "y", "\u00e9"),
]


@pytest.mark.parametrize(
    ("name", "weight", "output", "expected"),
    [
        ("Conv_12", "encoder.conv.weight", "13", "encoder.conv"),
        ("Conv_75", "onnx::Conv_3380", "onnx::PRelu_3379", "Conv_75"),
        ("/encoder/en_convs.0/conv/Conv", "onnx::Conv_9", "/encoder/c_output_0", "encoder.en_convs.0.conv"),
        ("/features/features.0/Conv", "onnx::Conv_9", "", "features.0"),
        ("Conv__440", "Conv__440_weights_fused_bn", "bn_1/FusedBatchNormV3:0", "conv_1"),
        ("stage0/BiasAdd", "stage0/BiasAdd_weights_fused_bn", "", "stage0"),
        ("functional_1/b1_conv1_1/BiasAdd", "functional_1/b1_conv1_1/ReadVariableOp:0", "", "b1_conv1"),
        ("model/conv2d_5/Conv2D__58:0", "const_fold_opt__664", "", "conv2d_5"),
        ("m/relu/Relu;m/bn/Fused;m/conv2d_4/BiasAdd;m/conv2d_2/Conv2D", "w", "", "m.conv2d_4"),
        ("StatefulPartitionedCall/net/conv/Conv2D", "", "", "net.conv"),
        ("Conv__440_quant", "Conv__440_weights_fused_bn_quantized", "bn_1/Cast:0_quantized", "conv_1"),
        ("s0/BiasAdd_quant", "s0/BiasAdd_weights_fused_bn_quantized", "bn_s0/F:0_quantized", "s0"),
        ("Conv__4", "Conv__4_weights_fused_bn_DequantizeLinear_Output", "Relu:0", "Conv__4"),
        ("Conv_1_quant", "enc.0.weight_quantized", "y_quantized", "enc.0"),
        ("", "features.0.weight", "", "features.0"),
        ("node_Conv_12", "features.0.weight", "val_3", "features.0"),
        ("Convolution28", "Parameter5", "Plus30_Output_0", "Convolution28"),
        ("n4", "gpu_0/res2_0_branch2a_w_0", "r4", "res2_0_branch2a"),
        ("Mixed_7/Conv2D", "", "", "Mixed_7"),
        ("model/fc1/MatMul", "model/fc1/MatMul/ReadVariableOp:0", "model/fc1/BiasAdd:0", "fc1"),
        ("/layers.0/linear1/MatMul", "onnx::MatMul_9", "/layers.0/linear1/Add_output_0", "layers.0.linear1"),
        ("/fc/Gemm", "fc.weight", "9", "fc"),
        ("", "", "", "conv"),
        *((f"{at}/{op}", f"{at}/{op}/{read}:0", f"{at}/{op}:0", name) for at, op, read, name in CALLED),
        ("StatefulPartitionedCall", "", "", "StatefulPartitionedCall"),
        ("conv1_output", "w", "conv1_output", "conv1"),
        ("", "w", "block1_conv1_output:0", "block1_conv1"),
        ("12_output", "3", "12_output", "12"),
        ("n4", "conv2d_0.w_0", "r4", "conv2d_0"),
        ("/layer1/layer1.0/conv1/Conv", "onnx::Conv_9", "", "layer1.0.conv1"),
        ("", "layer1.0.conv1.weight", "", "layer1.0.conv1"),
        *MORE,
        ("a b/c:d*[e],?\x1b[0m", "", "", "a_b.c_d_e_0m"),
        ("../../etc/passwd", "", "", "etc.passwd"),
    ],
)  # fmt: skip
def test_what_exporters_write(name: str, weight: str, output: str, expected: str) -> None:
    assert name_layers([bank(name, weight, output)]) == [expected]


def test_layers_with_the_same_name_are_numbered() -> None:
    assert name_layers([bank("a"), bank("a"), bank("a_2"), bank("a")]) == ["a", "a_2", "a_2_2", "a_3"]


def test_names_are_unique_ignoring_case() -> None:
    assert name_layers([bank("conv_a"), bank("Conv_A")]) == ["conv_a", "Conv_A_2"]


def test_data_parallel_level_is_removed() -> None:
    made = [
        bank("Conv_0", "module.conv1.weight"),
        bank("/module/layer1/layer1.0/conv1/Conv", "module.layer1.0.conv1.weight"),
        bank("/module/head/Conv", "onnx::Conv_9"),
    ]
    assert name_layers(made) == ["conv1", "layer1.0.conv1", "head"]
    beside = bank("/head/Conv", "onnx::Conv_9")
    assert name_layers([*made[:2], beside]) == ["module.conv1", "module.layer1.0.conv1", "head"]
    assert name_layers([bank("", "module.weight")]) == ["module"]
    assert name_layers([]) == []


def test_data_parallel_below_other_modules() -> None:
    made = [bank("", "model.module.conv1.weight"), bank("/model/module/a/a.0/Conv", "onnx::Conv_9")]
    assert name_layers([*made, bank("", "head.weight")]) == ["model.conv1", "model.a.0", "head"]
    made += [bank("", "model.stem.weight")]
    assert name_layers(made) == ["model.module.conv1", "model.module.a.0", "model.stem"]


def test_name_of_a_keras_model_is_removed() -> None:
    at = "StatefulPartitionedCall/vgg16"
    made = [bank(f"{at}/block1_conv1/Conv2D"), bank(f"{at}/block1_conv2/BiasAdd")]
    assert name_layers(made) == ["block1_conv1", "block1_conv2"]
    assert name_layers([*made, bank("other/conv/Conv2D")])[0] == "vgg16.block1_conv1"
    assert name_layers(made[:1]) == ["vgg16.block1_conv1"]  # may be a block
    exported = [bank("vgg16_1/block1_conv1_1/convolution"), bank("vgg16_1/block1_conv2_1/BiasAdd")]
    assert name_layers(exported) == ["block1_conv1", "block1_conv2"]
    twins = [bank("net_1/conv_1/Conv2D"), bank("net_1/conv_2/Conv2D")]
    assert name_layers(twins) == ["conv_1", "conv_2"]
    assert name_layers([bank("/a/b/Conv"), bank("/a/c/Conv")]) == [
        "a.b",
        "a.c",
    ]  # as PyTorch names parameters


@pytest.mark.parametrize(
    "mark", ["_quant", "_token_1", "_w_0", "_bn", "/Conv2D", ";a", "module.", "/~", "_1"]
)
def test_name_of_separators_alone_takes_no_time(mark: str) -> None:
    """Linear in the number of separators; a pattern of quadratic time would take minutes."""
    text = mark * (LONGEST_NAME // len(mark))
    for whole in (text, f"{text}!"):
        assert name_layers([bank(whole, whole, whole)] * 2)


def test_suffix_shared_by_some_layers_stays() -> None:
    names = name_layers([bank("functional/a_1/Conv2D"), bank("functional/a_2/Conv2D")])
    assert names == ["a_1", "a_2"]


@pytest.mark.parametrize("key", ["n", "w", "t"])
def test_names_from_the_source_come_first(key: str) -> None:
    """By node, output tensor or weight; layers that the source does not name get derived names."""
    assert name_layers([bank("n", "w", "t"), bank("other")], {key: "block1/conv1"}) == [
        "block1.conv1",
        "other",
    ]


@given(st.lists(st.text(), max_size=6))
def test_names_fit_an_address(raw: list[str]) -> None:
    names = name_layers([dataclasses.replace(BANK, node=text) for text in raw])
    assert len({name.casefold() for name in names}) == len(raw)  # also on file systems that ignore case
    assert all(re.fullmatch(r"[\w.\-]{1,100}", name) for name in names)


BANK = bank(output="y")


def test_long_names_keep_their_end() -> None:
    names = name_layers([bank("x" * 300 + ".conv")] * 2)
    assert [len(name) for name in names] == [100, 100]
    assert names[0].endswith(".conv") and names[1].endswith("_2")


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("model", "some"),
    [
        ("vgg16", {0: "block1_conv1", 1: "block1_conv2", 12: "block5_conv3"}),
        ("open-nsfw", {0: "conv_1", 3: "conv_stage0_block0_branch2b", 52: "conv_stage3_block2_branch2c"}),
        ("gtcrn", {0: "Conv_75", 11: "decoder.de_convs.0.point_conv1", 21: "decoder.de_convs.4.conv"}),
        ("basic-pitch", {0: "cq_t2010v2_1.conv1d_1", 28: "contours-reduced", 31: "conv2d_5"}),
        ("mnist-cnn", {0: "Convolution28", 1: "Convolution110"}),
    ],
)
def test_zoo(zoo_model: Callable[[str], Path], model: str, some: dict[int, str]) -> None:
    names = name_layers(banks(open_graph(zoo_model(model))))
    assert {place: names[place] for place in some} == some
    assert not [name for name in names if re.search(r"_\d+_\d+$", name) or len(name) > 50]


def test_modules_in_node_metadata() -> None:
    nodes = [node("Conv", "x w", name, name) for name in ("a", "b", "c", "d")]
    notes = {"a": "['', 'body', 'body.first', 'conv2d']", "b": "['', 'conv2d']", "c": "broken", "d": ""}
    for each in nodes:
        if notes[each.name]:
            each.metadata_props.add(key=MODULE_NAMES_KEY, value=notes[each.name])
    nodes.append(node("Sum", "a b c d", "y"))
    graph = opened(build(nodes, {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 3, 3)}))
    assert noted_modules(graph) == {"a": "body.first"}
    names = name_layers(banks(graph), modules=noted_modules(graph))
    assert names == ["body.first", "b", "c", "d"]
