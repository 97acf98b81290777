"""Which arrays of a file of weights are convolutions: their axes, their biases, their layers' names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from filterkit import budget
from filterkit.errors import one_line
from filterkit.geometry import product
from filterkit.graph.checkpoint import Convolution, Stored
from filterkit.graph.names import free_name
from filterkit.sources.stored_arrays import StoredArray

LONGEST_KERNEL = 256
"""Longer axes are those of embeddings and attention; the longest kernels of networks transform audio."""

LONGEST_LABEL = 200
"""Characters of an array's name in the graph."""

_KERNEL = re.compile(r"[/\\._]?((depthwise|pointwise)_)?(kernel|weights?|[Ww])(:\d+)?$")
"""What marks the kernel of a layer, behind the layer's name."""

_NUMBERED = re.compile(r"[/\\]vars[/\\]([0-9]{1,9})$")
"""How Keras 3 names the variables of a layer: kernels, then the bias."""

_TO_BIAS = ((r"weight", "bias"), (r"(\b|(?<=_))W", "b"), (r"(\b|(?<=_))w", "b"))
"""What is called so in a kernel's name is called so in its bias's."""

_NO_BIAS = re.compile(r"gamma|beta|mean|var|scale|norm|bn", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CheckpointLayer:
    """A convolution of a checkpoint, under the name that its layer gets."""

    name: str
    convolution: Convolution


def find_layers(arrays: Sequence[StoredArray], layout: str) -> list[CheckpointLayer]:
    """The convolutions among `arrays`, in their order; the one that reads colours first, if it is one alone.

    A convolution has three to five axes, kernels of at most 256 steps, and filters of more than one number.
    What an optimizer keeps of the weights is none. In files of `layout` ``HWIO``, ``depthwise`` and
    ``transpose`` in a name tell where Keras turns the last two axes around.
    """
    kernels = [array for array in arrays if _is_convolution(array, layout)]
    around = _Around.of(kernels, [array for array in arrays if len(array.shape) == 1])
    stored = _stored(arrays)
    names = [array.layer or layer_name(array.name) for array in kernels]
    often = Counter(names)
    layers = []
    for array, name in zip(kernels, names, strict=True):
        budget.step("finding the bias of '{}'", name)
        part = _part(array.name) if often[name] > 1 else ""
        depthwise, transposed = _kind(array.name, layout)
        # The bias of a separable convolution comes behind its second half.
        bias = None if part == "depthwise" else _bias(array, around, layout)
        convolution = Convolution(
            stored[array.name],
            None if bias is None else stored[bias.name],
            channels_last=layout == "HWIO",
            depthwise=depthwise,
            transposed=transposed,
        )
        layers.append(CheckpointLayer(f"{name}_{part}" if part else name, convolution))
    colours = [layer for layer in layers if _reads_colours(layer.convolution)]
    return sorted(layers, key=lambda layer: layer not in colours) if len(colours) == 1 else layers


def layer_name(array: str) -> str:
    """The layer that an array belongs to: ``block1/layers/conv2d/vars/0`` is of ``block1_conv2d``."""
    bare = _NUMBERED.sub("", array)
    bare = bare if bare != array else _KERNEL.sub("", array)
    parts = [part for part in re.split(r"[/\\]", bare) if part not in ("", "layers", "model_weights")]
    return "_".join(dict.fromkeys(parts)) or "array"


def _is_convolution(array: StoredArray, layout: str) -> bool:
    shape = array.shape
    if not 3 <= len(shape) <= 5 or 0 in shape or array.name.startswith("optimizer"):
        return False
    kernel, filters = (shape[2:], shape[0]) if layout == "OIHW" else (shape[:-2], shape[-1])
    return max(kernel) <= LONGEST_KERNEL and product(shape) > filters


def _kind(name: str, layout: str) -> tuple[bool, bool]:
    """Whether the last axes of a kernel of Keras are channels and filters per channel; whether O and I."""
    part = _part(name)
    depthwise = layout == "HWIO" and "depthwise" in (part or name)
    return depthwise, layout == "HWIO" and not part and not depthwise and "transpose" in name


def _part(name: str) -> str:
    """Which kernel of a depthwise or separable convolution an array is; empty for any other."""
    numbered = _NUMBERED.search(name)
    if numbered and "separable" in name:
        return {"0": "depthwise", "1": "pointwise"}.get(numbered[1], "")
    marked = _KERNEL.search(name)
    return (marked[2] or "") if marked else ""


@dataclass(frozen=True, slots=True)
class _Around:
    """Where a bias is looked for: vectors by name; by level, the vectors and how many kernels lie there."""

    vectors: Mapping[str, StoredArray]
    beside: Mapping[str, Sequence[StoredArray]]
    kernels: Mapping[str, int]

    @classmethod
    def of(cls, kernels: Sequence[StoredArray], vectors: Sequence[StoredArray]) -> _Around:
        beside: dict[str, list[StoredArray]] = {}
        for vector in vectors:
            beside.setdefault(_parent(vector.name), []).append(vector)
        by_name = {vector.name: vector for vector in vectors}
        return cls(by_name, beside, Counter(_parent(kernel.name) for kernel in kernels))


def _bias(array: StoredArray, around: _Around, layout: str) -> StoredArray | None:
    """The bias of a kernel: called as it has to be, or the only vector beside the only kernel."""
    shape, (depthwise, transposed) = array.shape, _kind(array.name, layout)
    outputs, inputs = shape[:2] if layout == "OIHW" else shape[:-3:-1]
    filters = outputs * inputs if depthwise else inputs if transposed else outputs
    for name in _bias_names(array.name):
        if name in around.vectors and around.vectors[name].shape == (filters,):
            return around.vectors[name]
    parent = _parent(array.name)
    beside = around.beside.get(parent, ())
    if not parent or len(beside) != 1 or around.kernels[parent] != 1:
        return None
    return beside[0] if beside[0].shape == (filters,) and not _NO_BIAS.search(beside[0].name) else None


def _bias_names(name: str) -> Iterator[str]:
    if numbered := _NUMBERED.search(name):
        yield f"{name[: numbered.start(1)]}{int(numbered[1]) + 1}"
        return
    yield from (f"{name}{mark}bias" for mark in "/._")
    start = len(_parent(name))
    yield name[:start] + re.sub(r"\w+", _kernel_to_bias, name[start:])
    for kernel, bias in _TO_BIAS:
        yield name[:start] + re.sub(kernel, bias, name[start:])


def _kernel_to_bias(word: re.Match[str]) -> str:
    """``depthwise_kernel`` and ``kernel`` become ``bias``."""
    text = word[0]
    place = text.rfind("_kernel")
    bare = f"bias{text[place + len('_kernel') :]}" if place > 0 else text
    return bare.replace("kernel", "bias")


def _parent(name: str) -> str:
    """`name` without its last level."""
    return name[: max(name.rfind(mark) for mark in "/\\.")] if set(name) & set("/\\.") else ""


def _reads_colours(layer: Convolution) -> bool:
    shape = layer.weights.shape
    plain = len(shape) == 4 and not (layer.depthwise or layer.transposed)
    return plain and shape[-2 if layer.channels_last else 1] == 3


def _stored(arrays: Sequence[StoredArray]) -> dict[str, Stored]:
    """The arrays by their names, for a graph, where every name is a short text and there once."""
    taken: dict[str, int] = {}
    stored = {}
    for array in arrays:
        label = one_line(array.name[:LONGEST_LABEL].encode("utf-8", "replace").decode())[:LONGEST_LABEL]
        name = free_name(label or "array", taken)
        stored[array.name] = Stored(name, array.dtype, array.shape, array.read)
    return stored
