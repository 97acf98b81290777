"""What a network is run for: tensors of layers, and how their axes lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import RuntimeFailure
from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.excerpt.excerpt import Excerpt
from filterkit.graph.view.scopes import MAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Target(NamedTuple):
    """A tensor to expose: the layer it belongs to, its name, its axes, e.g. ``"NHWC"``, and its scope."""

    layer: str
    tensor: str
    layout: str
    scope: str = MAIN

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.scope, self.tensor)


def is_batched(part: Excerpt, tensors: Mapping[Target, str]) -> bool:
    """Whether the batch axis of every output is the input's: only then several pictures may run together."""
    outputs = {value.name: value.type.tensor_type.shape.dim for value in part.model.graph.output}
    return all(
        len(outputs[name]) == len(target.layout) and outputs[name][target.layout.index("N")].dim_param == "N"
        for target, name in tensors.items()
    )


def channels_first(values: NDArray[Any], target: Target) -> NDArray[Any]:
    """Bring a tensor to N C and then its spatial axes in the order D H W; where it has none, to N C 1 1.

    Several axes C become one, in which the last of them counts fastest.
    """
    if values.ndim != len(target.layout):
        raise RuntimeFailure(
            f"the tensor of layer '{target.layer}' has {values.ndim} axes, not {len(target.layout)}"
            f" ({target.layout})",
            hint="`filterkit doctor` says whether the catalog is in order",
        )
    order = sorted(range(values.ndim), key=lambda axis: "NCDHW123456789".index(target.layout[axis]))
    turned = values.transpose(order)
    behind = 1 + target.layout.count("C")
    turned = turned.reshape(turned.shape[0], math.prod(turned.shape[1:behind]), *turned.shape[behind:])
    return turned if turned.ndim > 2 else turned[..., None, None]
