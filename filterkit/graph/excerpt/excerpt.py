"""Extract the part of a model that computes the wanted tensors, dequantized and for any input size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from filterkit.errors import RuntimeFailure
from filterkit.graph.excerpt.branches import Wanted, dequantize_outputs, expose, prune, why_not_exposed
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.excerpt.free_sizes import free_sizes
from filterkit.graph.view.walk import MAIN

NOTES = "filterkit"
"""Metadata key of the other attributes of an excerpt that is written to a file."""


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """The part of a model that computes some tensors.

    Attributes
    ----------
    model
        Its outputs are the wanted tensors, as floating-point numbers.
    tensors
        Maps each wanted tensor to the name of its output, which has shape (0,) where the tensor was not
        computed.
    left_out
        Maps each scope whose tensors cannot be outputs to the reason.
    inputs
        Names of the inputs of the whole model; the excerpt may need only some of them.
    """

    model: onnx.ModelProto
    tensors: Mapping[Wanted, str]
    left_out: Mapping[str, str]
    inputs: frozenset[str]

    def to_bytes(self) -> bytes:
        """Serialize the excerpt to an ONNX file, with all other attributes in its metadata."""
        notes = {
            "tensors": [[*wanted, name] for wanted, name in self.tensors.items()],
            "left_out": dict(self.left_out),
            "inputs": sorted(self.inputs),
        }
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        del copy.metadata_props[:]
        copy.metadata_props.add(key=NOTES, value=json.dumps(notes))
        return bytes(copy.SerializeToString())

    @classmethod
    def from_bytes(cls, content: bytes) -> Excerpt:
        """Load what `to_bytes` wrote; other content raises errors of protobuf, JSON and Python."""
        model = onnx.ModelProto.FromString(content)
        notes = json.loads(next(entry.value for entry in model.metadata_props if entry.key == NOTES))
        tensors = {Wanted(scope, tensor): name for scope, tensor, name in notes["tensors"]}
        return cls(model, tensors, notes["left_out"], frozenset(notes["inputs"]))


def excerpt(
    model: onnx.ModelProto,
    wanted: Sequence[Wanted],
    *,
    picture_input: str | None = None,
    layout: str | None = None,
) -> Excerpt:
    """Extract the part of `model` that computes the `wanted` tensors.

    Parameters
    ----------
    model
        Not changed. From `load_model`, so that its functions are inlined.
    wanted
        Tensors of the main graph or of bodies.
    picture_input, layout
        The input whose batch size and picture size are made symbolic, and its axes.

    Raises
    ------
    NotFoundError
        The graph has no such tensor or body.
    RuntimeFailure
        None of the tensors can be an output.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = frozenset(value.name for value in model.graph.input) - constants
    scopes = sorted({one.scope for one in wanted} - {MAIN})
    reasons = {scope: why_not_exposed(model.graph, scope) for scope in scopes}
    left_out = {scope: reason for scope, reason in reasons.items() if reason is not None}
    kept = list(dict.fromkeys(one for one in wanted if one.scope not in left_out))
    if wanted and not kept:
        raise RuntimeFailure(f"the layer cannot be run: {next(iter(left_out.values()))}")
    names = {one: one.tensor for one in kept}
    inside = [one for one in kept if one.scope != MAIN]
    if inside:
        model, exposed = expose(model, inside)
        names |= exposed
    result = cut(model, list(names.values()))
    if inside:
        prune(result.graph.node, set(names.values()))
        result = cut(result, list(names.values()))  # without what only the pruned outputs needed
    outputs = dequantize_outputs(result)
    left = {value.name for value in result.graph.input}
    if picture_input is not None and layout is not None and picture_input in left:
        free_sizes(result, picture_input, layout)
    tensors = dict(zip(names, outputs, strict=True))
    return Excerpt(result, tensors, left_out, inputs)
