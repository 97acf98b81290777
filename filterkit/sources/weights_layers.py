"""Find the convolutions in a weights file: axis order, weights, biases and layer names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from filterkit import budget
from filterkit.errors import one_line
from filterkit.geometry import product
from filterkit.graph.loading.checkpoint import Convolution, Stored
from filterkit.graph.loading.names import free_name
from filterkit.sources.stored_array import StoredArray

LONGEST_KERNEL = 256
"""Longer axes belong to embeddings and attention; the longest kernels occur in audio networks."""

LONGEST_LABEL = 200
"""Maximum length of an array's name in the graph."""

_KERNEL = re.compile(r"[/\\._]?((depthwise|pointwise)_)?(kernel|weights?|[Ww])(:\d+)?$")
"""Suffix that marks the kernel of a layer."""

_WRAPPERS = re.compile(r"(^|(?<=[._]))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)[._]")
"""Levels of a name that are not modules of the network."""

_CONTAINERS = ("params.", "params_", "module.", "state_dict.", "model_state_dict.", "optimizer_target_")
"""Prefixes that all names may share."""

_NUMBERED = re.compile(r"[/\\]vars[/\\]([0-9]{1,9})$")
"""Names of a layer's variables in Keras 3: kernels, then the bias."""

_TO_BIAS = ((r"weight", "bias"), (r"(\b|(?<=_))W", "b"), (r"(\b|(?<=_))w", "b"))
"""Parts of a kernel's name and their counterparts in the name of its bias."""

_NO_BIAS = re.compile(r"gamma|beta|mean|var|scale|norm|bn", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CheckpointLayer:
    """A convolution of a checkpoint and the name of its layer."""

    name: str
    convolution: Convolution


def layout_of(arrays: Sequence[StoredArray], usual: str) -> tuple[str, bool]:
    """`find_layout` for all arrays that are convolutions in any axis order."""
    kernels = [array for array in arrays if any(is_convolution(array, layout) for layout in LAYOUTS)]
    around = _Around.of(kernels, [array for array in arrays if len(array.shape) == 1])

    def bias(kernel: StoredArray) -> int | None:
        found = None if "depthwise" in kernel.name else _named_bias(kernel, around)
        return None if found is None else found.shape[0]

    return find_layout(kernels, bias, usual)


def find_layers(arrays: Sequence[StoredArray], layout: str) -> list[CheckpointLayer]:
    """The convolutions among `arrays`, in order; if exactly one reads colour channels, it comes first.

    A convolution has three to five axes, kernel sides of at most 256 and filters of more than one value. One
    whose bias has as many values as its input axis is transposed. With `layout` ``HWIO``, ``depthwise`` and
    ``transpose`` in a name mark weights whose last two axes Keras swaps.
    """
    kernels = [array for array in arrays if is_convolution(array, layout)]
    around = _Around.of(kernels, [array for array in arrays if len(array.shape) == 1])
    stored = _stored(arrays)
    names = _without_container([array.layer or layer_name(array.name) for array in kernels])
    often = Counter(names)
    layers = []
    for array, name in zip(kernels, names, strict=True):
        budget.step("finding the bias of '{}'", name)
        part = _part(array.name) if often[name] > 1 else ""
        depthwise, transposed = _kind(array, around, layout)
        # The bias of a separable convolution belongs to its pointwise part.
        bias = None if part == "depthwise" else _bias(array, around, layout)
        convolution = Convolution(
            stored[array.name],
            None if bias is None else stored[bias.name],
            layout=layout,
            depthwise=depthwise,
            transposed=transposed,
        )
        layers.append(CheckpointLayer(f"{name}_{part}" if part else name, convolution))
    colours = [layer for layer in layers if _reads_colours(layer.convolution)]
    return sorted(layers, key=lambda layer: layer not in colours) if len(colours) == 1 else layers


def layer_name(array: str) -> str:
    """Name of the layer of an array: ``block1_conv2d`` for ``block1/layers/conv2d/vars/0``."""
    bare = _NUMBERED.sub("", array)
    bare = bare if bare != array else _KERNEL.sub("", array)
    parts = [part for part in re.split(r"[/\\]", bare) if part not in ("", "layers", "model_weights")]
    return "_".join(dict.fromkeys(parts)) or "array"


def _without_container(names: Sequence[str]) -> Sequence[str]:
    """Strip training wrappers and prefixes shared by all names, which the exported graph lacks.

    They come from DataParallel, torch.compile, FSDP, Flax, and from dictionaries around the weights.
    """
    bare = [_WRAPPERS.sub("", name) or name for name in names]
    while bare:
        container = next((each for each in _CONTAINERS if all(_is_in(name, each) for name in bare)), None)
        if container is None:
            break
        bare = [name[len(container) :] for name in bare]
    return bare if len(set(bare)) >= len(set(names)) else names


def _is_in(name: str, container: str) -> bool:
    return name.startswith(container) and name != container


def is_convolution(array: StoredArray, layout: str) -> bool:
    """Whether it has the shape of a convolution weight with axes in the order `layout`."""
    shape = array.shape
    if not 3 <= len(shape) <= 5 or 0 in shape:
        return False
    return max(kernel_of(shape, layout)) <= LONGEST_KERNEL and product(shape) > channels(shape, layout)[0]


def has_convolutions(arrays: Sequence[StoredArray]) -> bool:
    """Whether any has the shape of a convolution weight, in any axis order."""
    return any(is_convolution(array, layout) for array in arrays for layout in LAYOUTS)


def _kind(array: StoredArray, around: _Around, layout: str) -> tuple[bool, bool]:
    """Whether the weight is depthwise (last axes: channels, filters per channel), and whether transposed."""
    part = _part(array.name)
    if layout == "HWIO" and "depthwise" in (part or array.name):
        return True, False
    bias = _named_bias(array, around)
    outputs, inputs = channels(array.shape, layout)
    if layout == "HWIO" and not part and "transpose" in array.name:
        # Flax does not swap the axes; a bias may tell which it is.
        return False, bias is None or bias.shape[0] == inputs or bias.shape[0] != outputs
    return False, bias is not None and bias.shape[0] == inputs != outputs


def _part(name: str) -> str:
    """``depthwise`` or ``pointwise`` for an array of such a convolution; empty for any other."""
    numbered = _NUMBERED.search(name)
    if numbered and "separable" in name:
        return {"0": "depthwise", "1": "pointwise"}.get(numbered[1], "")
    marked = _KERNEL.search(name)
    return (marked[2] or "") if marked else ""


@dataclass(frozen=True, slots=True)
class _Around:
    """Candidates for biases: vectors by name; per parent level, its vectors and the number of its kernels."""

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
    """The bias of a kernel: found by name, or the only vector beside the only kernel."""
    depthwise, transposed = _kind(array, around, layout)
    outputs, inputs = channels(array.shape, layout)
    filters = outputs * inputs if depthwise else inputs if transposed else outputs
    named = _named_bias(array, around, filters)
    if named is not None:
        return named
    parent = _parent(array.name)
    beside = around.beside.get(parent, ())
    if not parent or len(beside) != 1 or around.kernels[parent] != 1:
        return None
    return beside[0] if beside[0].shape == (filters,) and not _NO_BIAS.search(beside[0].name) else None


def _named_bias(array: StoredArray, around: _Around, length: int | None = None) -> StoredArray | None:
    """The vector whose name matches a kernel's, optionally of a given length."""
    named = (around.vectors.get(name) for name in _bias_names(array.name))
    return next((one for one in named if one is not None and length in (None, one.shape[0])), None)


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
    return plain and channels(shape, layer.layout)[1] == 3


def _stored(arrays: Sequence[StoredArray]) -> dict[str, Stored]:
    """The arrays by name, with short unique names for the graph."""
    taken: dict[str, int] = {}
    stored = {}
    for array in arrays:
        label = one_line(array.name[:LONGEST_LABEL].encode("utf-8", "replace").decode())[:LONGEST_LABEL]
        name = free_name(label or "array", taken)
        stored[array.name] = Stored(name, array.dtype, array.shape, array.read)
    return stored


LAYOUTS = ("OIHW", "HWIO", "OHWI")

LARGEST_USUAL = 31
"""Longer kernel sides are rare, while such numbers of channels are common."""

MUCH = 2.0
"""Between orders of equal score, one is ruled out whose kernels are larger by this log factor on average."""

PICTURES = (1, 2, 3, 4)
"""Numbers of input channels of the network itself."""


def channels(shape: Sequence[int], layout: str) -> tuple[int, int]:
    """Output and input channels of a kernel; swapped for a transposed one."""
    return {"OIHW": (shape[0], shape[1]), "HWIO": (shape[-1], shape[-2]), "OHWI": (shape[0], shape[-1])}[
        layout
    ]


def kernel_of(shape: Sequence[int], layout: str) -> tuple[int, ...]:
    """The spatial shape of a kernel."""
    return tuple({"OIHW": shape[2:], "HWIO": shape[:-2], "OHWI": shape[1:-1]}[layout])


def find_layout(
    kernels: Sequence[StoredArray], bias: Callable[[StoredArray], int | None], usual: str
) -> tuple[str, bool]:
    """The axis order that best explains a file, and whether another one is about as plausible.

    The score of an order sums over all kernels: whether the kernel is small, and square rather than a line;
    whether its inputs match the outputs of some layer or the channels of a picture; whether its bias has one
    value per output (or per input, for a transposed convolution); and whether it is named ``kernel``, as in
    TensorFlow and Flax.

    Parameters
    ----------
    bias
        Returns the length of the bias whose name matches a kernel's, or None.
    usual
        The order that wins a tie.
    """
    scores = {layout: _score(kernels, bias, layout) for layout in LAYOUTS}
    sizes = {layout: _size(kernels, layout) for layout in LAYOUTS}
    chosen = max(LAYOUTS, key=lambda layout: (scores[layout], layout == usual, -sizes[layout]))
    if chosen != usual and scores[usual] >= scores[chosen] - 1:
        return chosen, not (
            chosen == "HWIO" and scores[usual] < scores[chosen] and all(map(_is_named, kernels))
        )
    # Between orders of equal score, one with much larger kernels is implausible.
    larger = {layout: sizes[layout] - sizes[chosen] for layout in LAYOUTS if layout != chosen}
    equal = [layout for layout in larger if scores[layout] == scores[chosen]]
    return chosen, any(larger[layout] < MUCH * len(kernels) for layout in equal)


def _is_named(kernel: StoredArray) -> bool:
    """Whether it is named as TensorFlow and Flax name kernels."""
    return kernel.name.partition(":")[0].endswith("kernel")


def _score(kernels: Sequence[StoredArray], bias: Callable[[StoredArray], int | None], layout: str) -> int:
    outputs = {channels(kernel.shape, layout)[0] for kernel in kernels}
    score = 0
    for kernel in kernels:
        made, read = channels(kernel.shape, layout)
        window = kernel_of(kernel.shape, layout)
        if max(window) <= LARGEST_USUAL and (len({*window, 1}) <= 2 or len(window) == 3):
            flat = len(window) == 3 and window[0] <= max(window[1:])  # as in video networks
            score += 2 if len(set(window)) == 1 or flat else 1
            # In 1-D, 3 and 4 are kernel lengths rather than channels.
            score += read in outputs or read in (PICTURES[:2] if len(window) == 1 else PICTURES)
        score += layout == "HWIO" and _is_named(kernel)
        length = bias(kernel)
        if length is not None:
            score += 2 if length in (made, read) else -2
    return score


def _size(kernels: Sequence[StoredArray], layout: str) -> float:
    return sum(math.log(max(size, 1)) for kernel in kernels for size in kernel_of(kernel.shape, layout))
