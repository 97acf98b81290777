"""Targets of a run: tensors of layers and the order of their axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import RuntimeFailure
from filterkit.graph.excerpt import Excerpt
from filterkit.graph.scopes import MAIN
from filterkit.graph.surface import Wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Target(NamedTuple):
    """A tensor to expose: its layer, name, axes (e.g. ``"NHWC"``) and scope."""

    layer: str
    tensor: str
    layout: str
    scope: str = MAIN

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.scope, self.tensor)


def is_batched(part: Excerpt, tensors: Mapping[Target, str]) -> bool:
    """Whether all outputs share the batch axis of the input, so that several pictures can run together."""
    outputs = {value.name: value.type.tensor_type.shape.dim for value in part.model.graph.output}
    return all(
        len(outputs[name]) == len(target.layout) and outputs[name][target.layout.index("N")].dim_param == "N"
        for target, name in tensors.items()
    )


def channels_first(values: NDArray[Any], target: Target) -> NDArray[Any]:
    """Transpose a tensor to N C and spatial axes in the order D H W, or to N C 1 1 if it has none.

    Several C axes are flattened in C order.
    """
    if values.ndim != len(target.layout):
        raise RuntimeFailure(
            f"the tensor of layer '{target.layer}' has {values.ndim} axes, not {len(target.layout)}"
            f" ({target.layout})",
            hint="check the catalog with `filterkit doctor`",
        )
    order = sorted(range(values.ndim), key=lambda axis: "NCDHW123456789".index(target.layout[axis]))
    turned = values.transpose(order)
    end = 1 + target.layout.count("C")
    turned = turned.reshape(turned.shape[0], math.prod(turned.shape[1:end]), *turned.shape[end:])
    return turned if turned.ndim > 2 else turned[..., None, None]
