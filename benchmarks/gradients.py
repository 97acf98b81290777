"""Gradients of VGG16 at 224 × 224, against the forward pass and torch; the attribution of one position;
Grad-CAM, against captum; building the graph of a ResNet-50.

All run on as many threads as there are cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import rivals
from measuring import Line, in_turn, ratio, ratios
from resnet import resnet50

import filterkit
from filterkit.address import parse_address
from filterkit.catalog.addresses import resolve
from filterkit.catalog.weights import model_file
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.graph.loading.load import load_model
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose

THREADS = os.cpu_count() or 1
LAYER, FILTER = "block3_conv3", 5
TURNS = 15


def lines(catalog: Path) -> Iterator[Line | str]:
    rules = Registry(load_plugins(discover=False)).gradient_rules()
    with filterkit.open(catalog) as bench:
        yield from _of_a_filter(bench, rules)
        yield _of_a_position(bench)
        bench.add("open-nsfw")
        yield _grad_cam(bench)
        yield _building(bench, "open-nsfw", "a thin ResNet-50", rules)
        onnx.save(resnet50(), catalog.with_name("resnet50.onnx"))
        bench.add(catalog.with_name("resnet50.onnx"))
        yield _building(bench, "resnet50", "a ResNet-50", rules)


def _of_a_filter(bench: filterkit.Workbench, rules: Any) -> Iterator[Line | str]:
    layers = resolve(bench.catalog(), parse_address("vgg16"))
    names = [match.layer["name"] for match in layers]
    count = names.index(LAYER) + 1
    path = model_file(bench.catalog(), layers[0].model)
    model = load_model(path)
    tensor = layers[count - 1].layer["post_tensor"]
    prepared = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32) * 60
    entry = model.graph.input[0].name
    target = Target(tensor, "NCHW", (FILTER,))
    both = gradient(model, target, entry, rules=rules, shapes={entry: prepared.shape}, path=path)

    def running(graph: Any) -> Callable[[], Any]:
        session = open_session(graph, choose("cpu"), threads=THREADS, folder=path.parent)
        outputs = [output.name for output in session.get_outputs()]
        return lambda: run(session, outputs, {entry: prepared})

    actions = {"gradient": running(both), "forward": running(cut(model, [tensor]))}
    limits = {"forward": ("forward alone", 2.5)}
    if rivals.has_torch("cpu"):
        banks = [(bench.bank(match.address), bench.bias(match.address)) for match in layers[:count]]
        actions["torch"], limits["torch"] = _torch(banks, names, prepared), ("torch, autograd", 1.1)
        ours, theirs = actions["gradient"]()[1], actions["torch"]()
        if np.abs(ours - theirs).max() > 1e-2 * np.abs(ours).max():  # units at a kink differ
            raise SystemExit("torch does not compute the same gradient")
    times = in_turn(actions, TURNS)
    for name, (against, reach) in limits.items():
        each = ratios(times["gradient"], times[name])
        yield Line(f"gradient of a filter of {LAYER}", against, median(each), reach, each)
    if "torch" not in actions:
        yield "gradients: torch is not installed"


def _torch(banks: Any, names: list[str], prepared: rivals.Array) -> Callable[[], rivals.Array]:
    import torch

    torch.set_num_threads(THREADS)
    weights = [(torch.tensor(np.array(bank)), torch.tensor(np.array(bias))) for bank, bias in banks]

    def run_torch() -> rivals.Array:
        x = torch.tensor(prepared.transpose(0, 3, 1, 2)).requires_grad_()
        maps = x
        for index, (kernel, bias) in enumerate(weights):
            if index and names[index].endswith("conv1"):
                maps = torch.nn.functional.max_pool2d(maps, 2)
            maps = torch.relu(torch.nn.functional.conv2d(maps, kernel, bias, padding=1))
        maps[0, FILTER].mean().backward()
        return x.grad.numpy().transpose(0, 2, 3, 1)  # type: ignore[no-any-return, union-attr]

    return run_torch


def _of_a_position(bench: filterkit.Workbench) -> Line:
    """With the network open, as for the second picture."""
    target, photo = f"vgg16/{LAYER}/{FILTER}", _photo()
    times = in_turn(
        {
            "position": lambda: bench.attribute(target, photo, position=(28, 30)),
            "picture": lambda: bench.attribute(target, photo, position="mean"),
        },
        TURNS,
    )
    each = ratios(times["position"], times["picture"])
    return Line(f"attribution of a position of {LAYER}", "of all positions", median(each), 0.1, each)


def _photo() -> rivals.Array:
    return np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)


def _grad_cam(bench: filterkit.Workbench) -> Line | str:
    if not rivals.has_torch("cpu") or find_spec("captum") is None:
        return "Grad-CAM: captum is not installed"
    import torch
    from captum.attr import LayerGradCam

    torch.set_num_threads(THREADS)
    match = resolve(bench.catalog(), parse_address("open-nsfw"))[-1]
    network = rivals.in_torch(load_model(model_file(bench.catalog(), match.model)))
    method = LayerGradCam(network, network.made[match.layer["post_tensor"]])
    photo = _photo()
    prepared = np.ascontiguousarray(photo[None, ..., ::-1].transpose(0, 3, 1, 2), np.float32)
    prepared -= np.array([104, 117, 123], np.float32)[:, None, None]

    def ours() -> rivals.Array:
        return bench.attribute("open-nsfw@0:1", photo, method="grad-cam").array

    def theirs() -> rivals.Array:
        maps = method.attribute(torch.from_numpy(prepared), target=1, relu_attributions=True)
        larger = torch.nn.functional.interpolate(maps, (224, 224), mode="bilinear")
        return larger[0].detach().numpy()  # type: ignore[no-any-return]

    found, expected = ours(), theirs()
    if np.abs(found - expected).max() > 1e-3 * np.abs(expected).max():
        raise SystemExit("captum does not compute the same map")
    times = in_turn({"ours": ours, "theirs": theirs}, TURNS)
    each = ratios(times["ours"], times["theirs"])
    return Line("Grad-CAM of open-nsfw", "captum, rebuilt in torch", median(each), 1.0, each)


def _building(bench: filterkit.Workbench, name: str, called: str, rules: Any) -> Line:
    path = model_file(bench.catalog(), resolve(bench.catalog(), parse_address(name))[0].model)
    model = load_model(path)
    entry, output = model.graph.input[0].name, model.graph.output[0].name
    target = Target(output, "NC", (1,))
    shapes = {entry: (1, 3, 224, 224) if name == "resnet50" else (1, 224, 224, 3)}
    found = ratio(
        lambda: gradient(model, target, entry, rules=rules, shapes=shapes, path=path),
        lambda: open_session(model, choose("cpu"), threads=THREADS, folder=path.parent),
    )
    return Line(f"gradient graph of {called}", "opening its session", found, 1.0)
