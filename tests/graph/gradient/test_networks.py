"""Gradients of whole networks: trained ones of the zoo, and small ones of the usual architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from differentiable_networks import SMALL
from gradient_checks import DIFFERENCE, close, in_float64, rules, run
from onnx.reference import ReferenceEvaluator
from onnx_graphs import random

from filterkit.graph.excerpt.cut import cut
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.recent_opset import upgrade
from filterkit.graph.gradient.taken_branches import take_branches
from filterkit.graph.gradient.target import Target
from filterkit.graph.loading.load import load_model

Arrays = Mapping[str, Any]
Record = Callable[[str, object], None]


def used(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    return {value.name: inputs[value.name] for value in model.graph.input if value.name in inputs}


def unit_of(model: onnx.ModelProto, inputs: Arrays, tensor: str, seed: int) -> tuple[Any, tuple[int, ...]]:
    """A tensor, and the place of a random element."""
    part = cut(model, [tensor])
    (values,) = run(part, used(part, inputs))
    generator = np.random.default_rng(seed)
    return values, tuple(int(generator.integers(size)) for size in values.shape)


def derived(model: onnx.ModelProto, inputs: Arrays, tensor: str, place: Any, shape: Any, wrt: str) -> Any:
    """The gradient of one element."""
    target = Target(tensor, "C" * len(shape), (int(np.ravel_multi_index(place, shape)),))
    shapes = {name: array.shape for name, array in inputs.items()}
    built = gradient(model, target, wrt, rules=rules(), shapes=shapes)
    return run(built, used(built, inputs))[1]


@pytest.mark.parametrize("name", SMALL)
def test_slopes_of_small_networks(name: str) -> None:
    """Along random directions, by central differences in float64."""
    model, inputs = SMALL[name](), {"x": random(1, 3, 16, 16, seed=7)}
    output = model.graph.output[0].name
    values, place = unit_of(model, inputs, output, 1)
    found = derived(model, inputs, output, place, values.shape, "x")
    evaluator = ReferenceEvaluator(in_float64(model))
    width = 1e-6
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=found.shape)
        ahead, behind = (
            evaluator.run(None, {"x": inputs["x"] + sign * width * direction})[0][place] for sign in (1, -1)
        )
        expected = (ahead - behind) / (2 * width)
        scale = np.abs(found).max() * np.sqrt(found.size)
        assert abs((found * direction).sum() - expected) <= 1e-5 * scale


def compare(model: onnx.ModelProto, inputs: Arrays, tensor: str, wrt: str, *, units: int = 2) -> float:
    """Compare with torch in float64, with every element on the side of its kink where it is in float32.

    Returns the largest difference, over the largest gradient.

    Elements on different sides in float32 and in float64 are within 1e-6 of the kink, over the largest one.
    """
    from onnx_in_torch import KINKED, outputs_in_torch, torch

    part = cut(model, [tensor])
    upgrade(part)
    kinked = list(dict.fromkeys(node.input[0] for node in part.graph.node if node.op_type in KINKED))
    sides = dict(zip(kinked, run(cut(part, kinked), used(part, inputs)), strict=True)) if kinked else {}
    x = torch.tensor(inputs[wrt], dtype=torch.float64, requires_grad=True)
    values, *own = outputs_in_torch(part, {**_float64(inputs), wrt: x}, [tensor, *kinked], sides)
    relus = {node.input[0] for node in part.graph.node if node.op_type == "Relu"}
    for name, exact in zip(kinked, own, strict=True):
        if not torch.is_tensor(exact):  # it does not depend on the input
            continue
        exact, side = exact.detach().numpy(), sides[name]
        crossing = np.abs(exact[(exact > 0) != (side > 0)]) if name in relus else np.zeros(0)
        assert crossing.max(initial=0) <= 1e-6 * np.abs(exact).max()
    found = []
    for seed in range(units):
        _, place = unit_of(model, inputs, tensor, seed)
        (expected,) = torch.autograd.grad(values[place], x, retain_graph=True)
        assert expected.any()
        found.append(close(derived(model, inputs, tensor, place, values.shape, wrt), expected.numpy()))
    return max(found)


def _float64(inputs: Arrays) -> dict[str, Any]:
    return {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in inputs.items()
    }


@pytest.mark.keras
@pytest.mark.parametrize("name", SMALL)
def test_small_networks_in_torch(name: str, record_property: Record) -> None:
    model = SMALL[name]()
    x = {"x": random(1, 3, 16, 16, seed=7)}
    record_property(DIFFERENCE, compare(model, x, model.graph.output[0].name, "x", units=4))


CONVOLUTIONS = {
    "mnist-cnn": (0, -1),
    "open-nsfw": (20, -1),
    "basic-pitch": (14, 20),
    "gtcrn": (4,),
}
"""Which convolutions are targets; that of gtcrn is before the first recurrent layer."""


def pictures(model: onnx.ModelProto) -> dict[str, Any]:
    """Random numbers for the inputs, with length 1 for symbolic axes but 96 for those of a picture."""
    stored = {tensor.name for tensor in model.graph.initializer}
    found = {}
    for seed, value in enumerate(each for each in model.graph.input if each.name not in stored):
        dims = value.type.tensor_type.shape.dim
        sizes = [dim.dim_value or (96 if place in (1, 2) else 1) for place, dim in enumerate(dims)]
        found[value.name] = random(*sizes, seed=seed)
    return found


@pytest.mark.zoo
@pytest.mark.keras
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_zoo_in_torch(zoo_model: Callable[[str], Path], name: str, record_property: Record) -> None:
    model = load_model(zoo_model(name))
    inputs = pictures(model)
    wrt = max(inputs, key=lambda each: inputs[each].size)
    tensors = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    found = [compare(model, inputs, tensors[place], wrt, units=1) for place in CONVOLUTIONS[name]]
    record_property(DIFFERENCE, max(found))


@pytest.mark.zoo
@pytest.mark.keras
def test_convolutions_in_branches(zoo_model: Callable[[str], Path], record_property: Record) -> None:
    """Those of silero-vad, one set of which is used for each sampling rate."""
    inputs = {
        "input": random(1, 576) / 8,
        "state": random(2, 1, 128, seed=1),
        "sr": np.array(16000, np.int64),
    }
    whole = load_model(zoo_model("silero-vad"))
    model, names = take_branches(whole, lambda part: run(part, used(part, inputs)))
    tensors = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    assert {wanted.scope for wanted, name in names.items() if name in tensors} == {"If_0/then_branch"}
    found = [compare(model, inputs, tensor, "input", units=1) for tensor in (tensors[0], tensors[4])]
    record_property(DIFFERENCE, max(found))
