"""The modules that nodes of the exported graph belong to."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path

import onnx
import onnx_ir as ir
import torch

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def names_of_program(program: torch.onnx.ONNXProgram, parameters: Collection[str]) -> dict[str, str]:
    """From the name of each weighted node to its module's, from the metadata that PyTorch's exporter writes.

    Parameters
    ----------
    parameters
        Names of the network's parameters and buffers.
    """
    names = {}
    for node in ir.traversal.RecursiveGraphIterator(program.model.graph):
        if node.op_type in WEIGHTED and node.name:
            scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
            module = scopes[-2] if len(scopes) > 1 else ""
            name = _name(module, [_stored(value) for value in node.inputs[1::-1]], parameters)
            if name:
                names[node.name] = name
    return names


def names_of_script(path: Path, parameters: Collection[str]) -> dict[str, str]:
    """The same for TorchScript, whose exporter writes no metadata, only the parameters' names."""
    graph = onnx.load(path, load_external_data=False).graph
    return {
        node.name: name
        for node in graph.node
        if node.op_type in WEIGHTED and (name := _name("", node.input[1::-1], parameters))
    }


def _stored(value: ir.Value | None) -> str:
    """Name of the parameter that a value is, possibly transposed."""
    while value is not None and (node := value.producer()) is not None and node.op_type == "Transpose":
        value = node.inputs[0]
    return (value.name or "") if value is not None else ""


def _name(module: str, weights: Collection[str], parameters: Collection[str]) -> str:
    """The module, if it has a weight of its own; else the parameter, as in functional calls.

    A module whose weight is computed from other parameters (weight norm) is found by the metadata alone.
    """
    if f"{module}.weight" in parameters:
        return module
    stored = next((name for name in weights if name in parameters), None)
    return module if stored is None else stored.removesuffix(".weight")
