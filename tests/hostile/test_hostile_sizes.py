"""Sizes that a model states: multiplied, counted and gone through within bounds, whatever they are."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from isolated import Run
from onnx import TensorProto, helper
from onnx_graphs import build, node, opened, random

from filterkit.graph.view.constants import NotConstant

HUGE = 2**62


def conv(name: str = "w", **values: Any) -> onnx.NodeProto:
    return node("Conv", f"x {name}", "y", name="conv", **values)


def made(*nodes: onnx.NodeProto, **constants: Any) -> onnx.ModelProto:
    arrays = {name: np.asarray(value) for name, value in constants.items()}
    return build([*nodes, conv()], {"x": [1, 3, 8, 8]}, arrays, outputs=["y"])


def filler(of: str, to: str, value: Any = HUGE) -> onnx.NodeProto:
    filling = helper.make_tensor("v", TensorProto.INT64, [1], [value])
    return node("ConstantOfShape", of, to, value=filling)


MANY = np.array([300_000])
STATED: dict[str, onnx.ModelProto] = {
    "fill": made(filler("n", "s"), node("ConstantOfShape", "s", "w"), n=MANY),
    "expand": made(filler("n", "s"), node("Expand", "o s", "w"), n=MANY, o=np.float32(1)),
    "tile": made(filler("n", "s"), node("Tile", "o s", "w"), n=MANY, o=np.ones((1,) * 4, np.float32)),
    "reshape": made(filler("n", "s"), node("Reshape", "o s", "w"), n=MANY, o=np.float32(1)),
    "ones": made(filler("n", "s", 1), node("ConstantOfShape", "s", "w"), n=MANY),
    "negative": made(filler("n", "s", -1), node("ConstantOfShape", "s", "w"), n=np.array([4])),
    "nothing": made(node("ConstantOfShape", "s", "w"), s=np.array([HUGE, HUGE, 0, HUGE])),
    "split": build(
        [node("Split", "o", "w r", num_outputs=2**40), conv()],
        {"x": [1, 3, 8, 8]}, {"o": random(4, 3, 3, 3)}, opset=18, outputs=["y"],
    ),
    "blocks": build(
        [node("DequantizeLinear", "o s", "w", block_size=2**40), conv()],
        {"x": [1, 3, 8, 8]}, {"o": np.ones((4, 3, 3, 3), np.int8), "s": random(4, 3, 3, 3)},
        opset=21, outputs=["y"],
    ),
    "texts": made(node("Cast", "o", "w", to=TensorProto.STRING), o=random(4, 3, 3, 3)),
    "texts by filling": made(
        node("ConstantOfShape", "s", "w", value=helper.make_tensor("v", TensorProto.STRING, [1], [b"t"])),
        s=np.array([64, 64, 3, 3]),
    ),
    "kernel_shape": build(
        [conv(kernel_shape=[HUGE] * 100_000)], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}
    ),
    "strides": build([conv(strides=[HUGE] * 100_000)], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}),
    "group": build([conv(group=HUGE)], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}),
}  # fmt: skip
"""Each has one layer, which is skipped."""


@pytest.mark.parametrize("kind", STATED)
def test_a_layer_that_states_what_cannot_be_is_skipped(run: Run, tmp_path: Path, kind: str) -> None:
    onnx.save(STATED[kind], tmp_path / "model.onnx")
    assert run("add", "model.onnx", "--format", "json").rows[0]["skipped"] == 1
    [row] = run("layers", "model", "--skipped", "--format", "json").rows
    assert len(row["reason"]) < 400


def with_axes(count: int, size: int = 1) -> onnx.ModelProto:
    model = made(w=random(4, 3, 3, 3))
    tensor = model.graph.initializer.add(name="more", data_type=TensorProto.FLOAT, raw_data=bytes(4))
    tensor.dims.extend([size] * count)
    return model


def with_input(count: int) -> onnx.ModelProto:
    model = made(w=random(4, 3, 3, 3))
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [2] * count))
    return model


def test_axes_of_a_tensor(run: Run, tmp_path: Path) -> None:
    for number, (model, words) in enumerate(
        [
            (with_axes(64), None),
            (with_axes(65), "tensor 'more' has 65 axes"),
            (with_axes(200_000, HUGE), "tensor 'more' has 200,000 axes"),
            (with_input(64), None),
            (with_input(65), "tensor 'more' has 65 axes"),
            (with_input(1_000_000), "tensor 'more' has 1,000,000 axes"),
        ]
    ):
        onnx.save(model, tmp_path / f"m{number}.onnx")
        ran = run("add", f"m{number}.onnx")
        if words is None:
            ran.fine  # noqa: B018
        else:
            assert words in ran.refusal()[0]


RUN_ALONG: dict[str, tuple[list[onnx.NodeProto], dict[str, np.ndarray]]] = {
    "strides that grow": (
        [
            node("MaxPool", f"t{n}", f"t{n + 1}", kernel_shape=[1, 1], strides=[HUGE, HUGE])
            for n in range(2000)
        ],
        {},
    ),
    "dilations": (
        [
            node("MaxPool", f"t{n}", f"t{n + 1}", kernel_shape=[HUGE, 2], dilations=[HUGE, HUGE])
            for n in range(200)
        ],
        {},
    ),
    "perm": ([node("Transpose", "t0", "t1", perm=[0] * 100_000)], {}),
    "axes": ([node("ReduceMean", "t0", "t1", axes=[1] * 100_000)], {}),
    "pads": ([node("Pad", "t0 p", "t1")], {"p": np.full(100_000, HUGE)}),
    "slices": ([node("Slice", "t0 p p p", "t1")], {"p": np.full(100_000, 1)}),
    "unpooled": (
        [
            node("ConvTranspose", f"t{n} v", f"t{n + 1}", kernel_shape=[1, 65536], pads=[0, n, 0, 0])
            for n in range(2000)
        ],
        {"v": random(3, 3, 1, 1)},
    ),
}


@pytest.mark.parametrize("kind", RUN_ALONG)
def test_what_stands_before_a_layer(run: Run, tmp_path: Path, kind: str) -> None:
    """Whatever leads to a layer, its filters are taken; where it looks is told or not."""
    nodes, constants = RUN_ALONG[kind]
    last = nodes[-1].output[0]
    model = build(
        [*nodes, node("Conv", f"{last} w", "y", name="conv")],
        {"t0": [1, 3, 8, 8]},
        {"w": random(4, 3, 3, 3), **constants},
        outputs=["y"],
        opset=13,
    )
    onnx.save(model, tmp_path / "model.onnx")
    ran = run("add", "model.onnx")
    if ran.code:
        assert ran.refusal()
    else:
        assert any(row["filters"] == 4 for row in run("layers", "model", "--format", "json").rows)


def test_budgets_count_bytes() -> None:
    """As many numbers as fit as float32 do not as complex128; as codes they count as what they become."""
    for kind, fits in {
        TensorProto.FLOAT: True,
        TensorProto.INT8: True,
        TensorProto.COMPLEX128: False,
    }.items():
        graph = opened(
            build(
                [node("Expand", "o s", "e"), node("Cast", "e", "w", to=kind), node("Identity", "w", "y")],
                {"x": [1]},
                {"o": np.ones((1, 1), np.float32), "s": np.array([2**12, 2**13])},
            )
        )
        tracemalloc.start()
        if fits:
            assert graph.constant("w").size == 2**25
        else:
            with pytest.raises(NotConstant, match="too large to compute"):
                graph.constant("w")
            assert tracemalloc.get_traced_memory()[1] < 2**29
        tracemalloc.stop()


def test_steps_count_whatever_they_make() -> None:
    """Layers that share one long chain of small constants would go through it again and again."""
    chain = [node("Identity", f"c{n}", f"c{n + 1}") for n in range(1000)]
    layers = [node("Conv", "x c1000", f"y{n}") for n in range(400)]
    graph = opened(build([*chain, *layers], {"x": [1, 1, 8, 8]}, {"c0": random(1, 1, 1, 2)}))
    computed = 0
    with pytest.raises(NotConstant, match="more constants than one model may have"):
        while computed < 400:
            graph.constant("c1000")
            computed += 1
    assert computed > 50
