"""Conformance check for attribution methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.attribution.subject import Subject
from filterkit.errors import UsageError
from filterkit.graph.axes.crops import Crops
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.gradient.target import Position
from filterkit.graph.view.view import GraphView
from filterkit.plugins.host import load_plugins
from filterkit.plugins.protocols import AttributionMethod
from filterkit.plugins.registry import Registry
from filterkit.records import DEFAULT_RUN
from filterkit.runtime.differentiable import Differentiable, Entry
from filterkit.runtime.network import Target
from filterkit.runtime.network_cache import OpenNetworks
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of
from filterkit.testing.tiny_models import build_model, node

Array = NDArray[Any]

SIZE = (24, 40)
CLOSE = 1e-3
"""Tolerance between the attribution of a part and that of the whole picture, over the largest value."""


@dataclass(frozen=True)
class Trial:
    """A target of a small network, and a picture.

    Attributes
    ----------
    tensor
        ``first`` or ``second``, layers with positions, or ``scores``, an output without.
    picture
        Random numbers, or one value everywhere.
    """

    tensor: str = "second"
    channels: tuple[int, ...] | None = (1,)
    position: Position = (3, 7)
    picture: float | Literal["random"] = "random"
    colours: int = 3
    layout: str = "NCHW"
    dtype: str = "float32"
    batch: int | None = None


TRIALS = {
    "a filter": Trial(),
    "another filter at the border": Trial(channels=(4,), position=(0, 0)),
    "the mean of a filter": Trial(position="mean"),
    "all filters of a layer": Trial(channels=None),
    "the first layer": Trial("first", position=(11, 30)),
    "an output": Trial("scores", position=(0, 0)),
    "a filter that does not respond": Trial(channels=(0,)),
    "a black picture": Trial(picture=0.0),
    "a white picture": Trial("scores", position=(0, 0), picture=1.0),
    "a gray picture": Trial(picture=0.5),
    "one channel": Trial(colours=1),
    "five channels": Trial(colours=5),
    "channels last": Trial(layout="NHWC"),
    "float16": Trial(dtype="float16"),
    "a batch of 2": Trial(batch=2),
}
"""By what is special about each."""


def check_attribution(method: AttributionMethod | Callable[[], AttributionMethod]) -> None:
    """Check an attribution method with filters, a layer and an output of small networks.

    Parameters
    ----------
    method
        The object, or a class or another factory that takes no arguments.

    Raises
    ------
    ConformanceError
        Lists all violations. Attributions must be finite floats of shape (C, H, W) or (1, H, W), and not be
        zero for every target; the same picture must give the same, in any order; a `local` method must give
        the same within the receptive field when it sees nothing else; the picture must not be modified; no
        warnings, output or files; it must be picklable and its options must be valid. A method that needs
        layers may refuse targets without layers before them with a `UsageError`.
    """
    subject = subject_of("attribution", method, "attribute")
    findings, copy = subject.findings, pickled(subject)
    local = subject.inner.local
    findings.require(isinstance(local, bool), f"has local={local!r}, which is neither True nor False")
    tried: dict[str, tuple[str, Array]] = {}
    with writes_nothing(findings):
        for name in TRIALS:
            call = partial(_attributed, subject.wrapped, name)
            found = findings.attempt(name, call, allowed=UsageError)
            if found is None:
                continue
            tried[name] = name, found
            findings.require(bool(np.isfinite(found).all()), "returned values that are not finite", name)
            if local is True:
                _check_part(findings, subject.wrapped, name, found)
        findings.require(bool(tried), "refuses every target")
        is_zero = bool(tried) and not any(found.any() for _, found in tried.values())
        findings.require(not is_zero, "returned zeros for every target")
        check_repeats(findings, subject.wrapped, copy, tried, _attributed, _differs)
    findings.conclude()


def _attributed(method: AttributionMethod, name: str) -> Array:
    return method.attribute(_subject(TRIALS[name]))


def _differs(one: Array, other: Array) -> str:
    return "" if np.array_equal(one, other, equal_nan=True) else "returns a different attribution"


def _check_part(findings: Findings, method: AttributionMethod, name: str, whole: Array) -> None:
    """Compare with the attribution of the receptive field alone, which is computed for `local` methods."""
    cropped = _cropped(_subject(TRIALS[name]), TRIALS[name])
    if cropped is None:
        return
    part, field = cropped
    found = findings.attempt(f"the receptive field of {name}", partial(method.attribute, part))
    if found is None:
        return
    difference = np.abs(part.part(whole)[field] - found[field]).max(initial=0)
    same = bool(difference <= CLOSE * np.abs(whole).max(initial=1e-6))
    problem = "is local, but returns another attribution of the receptive field when it sees nothing else"
    findings.require(same, problem, name)


def _cropped(subject: Subject, trial: Trial) -> tuple[Subject, tuple[Any, ...]] | None:
    """The part of a subject that its position depends on, and where its receptive field is in it."""
    network = subject._network
    if isinstance(trial.position, str):
        return None
    fed = network.entry.fed(subject.whole[None])
    crops = Crops(GraphView(network.model, network.path), network.entry.name, trial.layout, fed.shape)
    found = crops.at(trial.tensor, network.target.layout, trial.position)
    if found is None:
        return None
    (top, bottom), (left, right) = (side.window for side in found)
    field = tuple(slice(*(end - side.window[0] for end in side.field)) for side in found)
    moved = tuple(place - side.removed for place, side in zip(trial.position, found, strict=True))
    picture = np.ascontiguousarray(subject.whole[:, top:bottom, left:right])
    part = replace(subject, picture=picture, corner=(top, left), _position=moved)
    return part, (slice(None), *field)


def _subject(trial: Trial) -> Subject:
    shape = (trial.colours, *SIZE)
    random = np.random.default_rng(0)
    whole = random.random(shape) if trial.picture == "random" else np.full(shape, trial.picture)
    whole = whole.astype(trial.dtype)
    black, white = (np.full((trial.colours, 1, 1), end, np.float32) for end in (0, 1))
    network, layers = _network(trial)
    return Subject(whole, (0, 0), whole, black, white, network, trial.position, layers, [])


@cache
def _network(trial: Trial) -> tuple[Differentiable, dict[str, Target]]:
    """Two convolutions, of which the first filter never responds, and a dense layer."""
    random = np.random.default_rng(1)
    constants = {
        "w1": random.normal(size=(6, trial.colours, 3, 3)) / 3,
        "b1": random.normal(size=6) / 4,
        "w2": random.normal(size=(5, 6, 3, 3)) / 7,
        "b2": np.array([-1000.0, 2, 2, 2, 2]),
        "w3": random.normal(size=(5, 3)),
    }
    nodes = [
        node("Conv", "turned w1 b1", "maps1", pads=[1, 1, 1, 1]),
        node("Relu", "maps1", "first"),
        node("MaxPool", "first", "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "pooled w2 b2", "maps2", pads=[1, 1, 1, 1]),
        node("Relu", "maps2", "second"),
        node("GlobalAveragePool", "second", "means"),
        node("Flatten", "means", "flat"),
        node("MatMul", "flat w3", "scores"),
    ]
    axes = {"N": trial.batch or "N", "C": trial.colours, "H": "H", "W": "W"}
    order = [trial.layout.index(letter) for letter in "NCHW"]
    model = build_model(
        [node("Transpose", "image", "turned", perm=order), *nodes],
        {"image": [axes[letter] for letter in trial.layout]},
        {name: array.astype(trial.dtype) for name, array in constants.items()},
        [trial.tensor],
        dtype=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(trial.dtype)),
    )
    target = Target(trial.tensor, trial.tensor, "NC" if trial.tensor == "scores" else "NCHW")
    names = {"first": ["first"], "second": ["first", "second"], "scores": ["first", "second"]}[trial.tensor]
    layers = {name: Target(name, name, "NCHW") for name in names}
    network = Differentiable(
        model=cut(model, [trial.tensor]),
        tensors={layer: layer.tensor for layer in (*layers.values(), target)},
        target=target,
        channels=trial.channels,
        rules=Registry(load_plugins(discover=False)).gradient_rules(),
        entry=Entry("image", trial.layout, trial.dtype, trial.batch),
        path=Path("model.onnx"),
        options=DEFAULT_RUN,
        opened=OpenNetworks(),
        key=(trial,),
    )
    return network, {name: layer for name, layer in layers.items() if name != trial.tensor}
