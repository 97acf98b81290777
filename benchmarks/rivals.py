"""Other ways to compute the feature maps of VGG16's 13 convolutions from prepared pictures, batch first.

Each function returns a function that runs one batch and returns the maps as NumPy arrays, in layer order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

Array = np.ndarray[Any, Any]
Run = Callable[[], list[Array]]
Bank = tuple[Array, Array]
"""Weights, shape (F, I, kH, kW), and bias of one layer."""

PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}


def bare_session(path: Path, tensors: Sequence[str], provider: str, threads: int) -> Any:
    """The same file in ONNX Runtime, with these tensors as its outputs and cut after the last one."""
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors
    )
    while tensors[-1] not in model.graph.node[-1].output:
        del model.graph.node[-1]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=PROVIDERS[provider])


def bare(session: Any, pictures: Array) -> Run:
    """Bare ONNX Runtime; `pictures` of shape (N, H, W, 3), B, G, R, as the file expects them."""
    [entry] = session.get_inputs()
    return lambda: list(session.run(None, {entry.name: pictures}))


def bound(session: Any, pictures: Array) -> Run:
    """Bare ONNX Runtime with input and outputs bound in host memory, where NumPy's arrays are."""
    [entry] = session.get_inputs()
    binding = session.io_binding()
    binding.bind_cpu_input(entry.name, pictures)

    def run() -> list[Array]:
        for output in session.get_outputs():
            binding.bind_output(output.name, "cpu")
        session.run_with_iobinding(binding)
        return [value.numpy() for value in binding.get_outputs()]

    return run


def has_torch(provider: str) -> bool:
    """Whether PyTorch is installed and can run on `provider`."""
    if find_spec("torch") is None:
        return False
    import torch

    return provider == "cpu" or torch.cuda.is_available()


def torch_hooks(banks: Sequence[Bank], pictures: Array, provider: str, threads: int) -> Run:
    """PyTorch, with a forward hook at every activation."""
    import torch

    maps: list[Array] = []
    network = _in_torch_with_hooks(
        banks, lambda module, given, answer: maps.append(answer.cpu().numpy()), threads
    ).to(provider)
    batch = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))

    def run() -> list[Array]:
        maps.clear()
        with torch.inference_mode():
            network(batch.to(provider))
        return list(maps)

    return run


def torch_top_k(banks: Sequence[Bank], pictures: Array, threads: int, top: int) -> Callable[[], Any]:
    """PyTorch on a CPU, with forward hooks that keep the highest and lowest responses of each filter.

    Of each picture the highest, with its position and the number of the picture.
    """
    import torch

    kept: dict[Any, Any] = {}

    def keep(module: Any, given: Any, answer: Any) -> None:
        maps = answer.flatten(2)
        for largest in (True, False):
            values, places = maps.max(2) if largest else maps.min(2)
            numbers = torch.arange(len(values))[:, None].expand_as(values)
            found = [values, places, numbers]
            if (module, largest) in kept:
                found = [torch.cat(each) for each in zip(kept[module, largest], found, strict=True)]
            best, order = found[0].topk(min(top, len(found[0])), 0, largest)
            kept[module, largest] = best, found[1].gather(0, order), found[2].gather(0, order)

    network = _in_torch_with_hooks(banks, keep, threads)
    batch = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))

    def run() -> dict[Any, Any]:
        kept.clear()
        with torch.inference_mode():
            network(batch)
        return kept

    return run


def _in_torch_with_hooks(banks: Sequence[Bank], hook: Callable[[Any, Any, Any], None], threads: int) -> Any:
    """VGG16's convolutions as a torch module."""
    import torch

    torch.set_num_threads(threads)
    layers: list[torch.nn.Module] = []
    for number, (weights, bias) in enumerate(banks):
        if number in (2, 4, 7, 10):
            layers.append(torch.nn.MaxPool2d(2))
        convolution = torch.nn.Conv2d(weights.shape[1], weights.shape[0], weights.shape[2], padding=1)
        convolution.load_state_dict(
            {"weight": torch.from_numpy(weights.copy()), "bias": torch.from_numpy(bias.copy())}
        )
        layers += [convolution, torch.nn.ReLU()]
        layers[-1].register_forward_hook(hook)
    return torch.nn.Sequential(*layers).eval()


def keras_predict(banks: Sequence[Bank], pictures: Array) -> Run:
    """Keras, as a model of 13 outputs; it runs on PyTorch and with its threads, so after `torch_hooks`."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    trunk = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    layers = [layer for layer in trunk.layers if "_conv" in layer.name]
    for layer, (weights, bias) in zip(layers, banks, strict=True):
        layer.set_weights([weights.transpose(2, 3, 1, 0), bias])
    network = keras.Model(trunk.inputs, [layer.output for layer in layers])

    def run() -> list[Array]:
        answers = network.predict(pictures, batch_size=len(pictures), verbose=0)
        return [maps.transpose(0, 3, 1, 2) for maps in answers]

    return run


def in_torch(model: onnx.ModelProto) -> Any:
    """A network of convolutions, pools and dense layers as a torch module that takes N C H W.

    Returns
    -------
    torch.nn.Module
        Returns the input of a final Softmax; its attribute `made` has the module that computes each tensor.
    """
    import torch
    from torch import nn

    stored = {
        tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        for tensor in model.graph.initializer
    }

    class Sum(nn.Module):
        def forward(self, one: Any, other: Any) -> Any:
            return one + other

    def module(node: onnx.NodeProto, given: dict[str, Any]) -> nn.Module:
        if node.op_type == "Conv":
            weights = stored[node.input[1]]
            made = nn.Conv2d(
                *weights.shape[1::-1], weights.shape[2:], given["strides"], given.get("pads", [0])[0]
            )
            made.load_state_dict({"weight": weights, "bias": stored[node.input[2]]})
            return made
        if node.op_type == "MaxPool":
            top, left, bottom, right = given["pads"]
            pool = nn.MaxPool2d(given["kernel_shape"], given["strides"])
            return nn.Sequential(nn.ConstantPad2d((left, right, top, bottom), -torch.inf), pool)
        if node.op_type == "AveragePool":
            return nn.AvgPool2d(given["kernel_shape"], given["strides"])
        if node.op_type == "MatMul":
            dense = nn.Linear(*stored[node.input[1]].shape, bias=False)
            dense.load_state_dict({"weight": stored[node.input[1]].T})
            return dense
        return {"Relu": nn.ReLU, "Add": Sum, "Reshape": nn.Flatten, "Transpose": nn.Identity}[node.op_type]()

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nodes = [node for node in model.graph.node if node.op_type != "Softmax"]
            self.each = nn.ModuleList(module(node, _attributes(node)) for node in self.nodes)
            self.made = {node.output[0]: each for node, each in zip(self.nodes, self.each, strict=True)}

        def forward(self, pictures: Any) -> Any:
            values = {model.graph.input[0].name: pictures}
            for node, each in zip(self.nodes, self.each, strict=True):
                count = 2 if node.op_type == "Add" else 1
                values[node.output[0]] = each(*(values.get(n, stored.get(n)) for n in node.input[:count]))
            return values[self.nodes[-1].output[0]]

    return Network().eval()


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
