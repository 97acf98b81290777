"""What has to run for the tensors that are wanted: brought to the surface, cut, readable, sizes freed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from filterkit.errors import RuntimeFailure
from filterkit.graph.excerpt.branches import Wanted, prune, surface, why_not_surfaced
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.excerpt.dequantize import make_readable
from filterkit.graph.excerpt.free_sizes import free_sizes
from filterkit.graph.view.scopes import MAIN

NOTES = "filterkit"
"""Key of the metadata under which an excerpt that is written to a file says what else there is to know."""


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """The part of a model that makes some tensors.

    Attributes
    ----------
    model
        Its outputs are the wanted tensors, as floating-point numbers.
    tensors
        From what was wanted to the name of that output, which has one axis of length 0 where the tensor was
        not computed.
    left_out
        From a scope whose tensors cannot be given out to the reason.
    inputs
        Names of the inputs of the whole model, of which an excerpt may need only some.
    """

    model: onnx.ModelProto
    tensors: Mapping[Wanted, str]
    left_out: Mapping[str, str]
    inputs: frozenset[str]

    def to_bytes(self) -> bytes:
        """The excerpt as an ONNX file, everything but the model among its metadata."""
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
        """What `to_bytes` wrote; raises whatever protobuf, JSON and Python do where it is something else."""
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
    """Take out of `model` what makes the `wanted` tensors.

    Parameters
    ----------
    model
        Not changed. From `load_model`, so that calls of its own functions are inlined.
    wanted
        Tensors of the main graph or of bodies.
    picture_input, layout
        The input whose number of pictures and size are freed, and its axes.

    Raises
    ------
    NotFoundError
        The graph has no such tensor or body.
    RuntimeFailure
        None of the tensors can be given out.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = frozenset(value.name for value in model.graph.input) - constants
    scopes = sorted({one.scope for one in wanted} - {MAIN})
    reasons = {scope: why_not_surfaced(model.graph, scope) for scope in scopes}
    left_out = {scope: reason for scope, reason in reasons.items() if reason is not None}
    kept = list(dict.fromkeys(one for one in wanted if one.scope not in left_out))
    if wanted and not kept:
        raise RuntimeFailure(f"the layer cannot be run: {next(iter(left_out.values()))}")
    names = {one: one.tensor for one in kept}
    inside = [one for one in kept if one.scope != MAIN]
    if inside:
        model, surfaced = surface(model, inside)
        names |= surfaced
    result = cut(model, list(names.values()))
    if inside:
        prune(result.graph.node, set(names.values()))
        result = cut(result, list(names.values()))  # without what only the pruned branches needed
    readable = make_readable(result)
    left = {value.name for value in result.graph.input}
    if picture_input is not None and layout is not None and picture_input in left:
        free_sizes(result, picture_input, layout)
    tensors = dict(zip(names, readable, strict=True))
    return Excerpt(result, tensors, left_out, inputs)
