"""Feature visualization of VGG16 at 128 × 128, compared with its gradients alone, and with torch.

The torch version is the same optimization in the usual way: ``torch.fft``, ``grid_sample``, autograd and
``torch.optim.Adam``; as filterkit does, it evaluates the pictures at the start and four times, and returns
the best. It stands for lucent, which cannot be imported beside torch 2.13 alone: torch-lucent 0.1.8 imports
torchvision, and requires kornia 0.4.1 or older. All run on as many threads as there are cores.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rivals
from measuring import Line, in_turn, ratios

import filterkit
from filterkit.address import parse_address
from filterkit.catalog.addresses import resolve
from filterkit.catalog.weights import model_file
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.graph.loading.load import load_model
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose
from filterkit.visualization import ascent
from filterkit.visualization.spectrum import COLOURS, CONTRAST, NOISE, SMOOTH
from filterkit.visualization.transforms import DEGREES, MARGIN, SCALES, SHIFT

THREADS = os.cpu_count() or 1
LAYER, FILTER, SIZE = "block3_conv3", 5, 128
TURNS = int(os.environ.get("TURNS", "3"))
WARM_UP = 2
"""Steps of the warm-up turn, which opens the networks."""

MEANS = (103.939, 116.779, 123.68)


def lines(catalog: Path, *, one: int = 256, several: int = 64) -> Iterator[Line | str]:
    """The lines of the table.

    Fewer steps give ratios sooner that are too high: a run evaluates its pictures five times without
    transforms, however many steps it has. With 4 steps that alone is half of the gradients' time.
    """
    with filterkit.open(catalog, progress=False) as bench:
        gradients = _gradients(bench)
        each = _compared(lambda n: _visualize(bench, [FILTER], n), gradients, one, TURNS)
        what = f"visualize a filter of {LAYER}, {SIZE} px, {one} steps"
        yield Line(what, f"{one} × forward and backward", median(each), 1.1, each)
        if not rivals.has_torch("cpu"):
            yield "visualize: torch is not installed"
            return
        numbers = range(16)
        in_torch = torch_visualization(bench, LAYER)
        # A run takes half a minute, and its steps average out what else the machine does.
        turns = max(TURNS - 1, 2)
        each = _compared(
            lambda n: _visualize(bench, numbers, n), lambda n: in_torch(numbers, SIZE, n), several, turns
        )
        what = f"visualize 16 filters, {SIZE} px, {several} steps"
        yield Line(what, "the same in torch", median(each), 1.1, each)


def _compared(
    ours: Callable[[int], object], theirs: Callable[[int], object], steps: int, turns: int
) -> list[float]:
    """The ratios of two functions of the number of steps."""

    def actions(count: int) -> dict[str, Callable[[], object]]:
        return {"ours": partial(ours, count), "theirs": partial(theirs, count)}

    times = in_turn(actions(steps), turns, actions(min(WARM_UP, steps)))
    return ratios(times["ours"], times["theirs"])


_seeds = iter(range(1, 10**9))
"""Results are kept: another seed is computed again."""


def _visualize(bench: filterkit.Workbench, numbers: Sequence[int], steps: int) -> object:
    chosen = ",".join(map(str, numbers))
    options = {"size": SIZE, "steps": steps, "seed": next(_seeds), "provider": "cpu"}
    return bench.visualize(f"vgg16/{LAYER}/{chosen}", threads=THREADS, **options)


def _gradients(bench: filterkit.Workbench) -> Callable[[int], None]:
    """Runs the gradient graph of one filter so many times."""
    [match] = resolve(bench.catalog(), parse_address(f"vgg16/{LAYER}"))
    path = model_file(bench.catalog(), match.model)
    model = load_model(path)
    entry, shape = model.graph.input[0].name, (1, SIZE, SIZE, 3)
    rules = Registry(load_plugins(discover=False)).gradient_rules()
    target = Target(match.layer["post_tensor"], "NCHW", (FILTER,))
    graph = gradient(model, target, entry, rules=rules, shapes={entry: shape}, path=path)
    session = open_session(graph, choose("cpu"), threads=THREADS, folder=path.parent)
    outputs = [output.name for output in session.get_outputs()]
    fed = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 60

    def steps(count: int) -> None:
        for _ in range(count):
            run(session, outputs, {entry: fed})

    return steps


def torch_visualization(bench: filterkit.Workbench, layer: str) -> Callable[..., rivals.Array]:
    """The same optimization in torch: filters, size and steps to pictures (N, H, W, 3)."""
    import torch

    torch.set_num_threads(THREADS)
    names = [row["address"].rpartition("/")[2] for row in bench.layers("vgg16")]
    names = names[: names.index(layer) + 1]
    banks = [
        (torch.tensor(np.array(bench.bank(f"vgg16/{n}"))), torch.tensor(np.array(bench.bias(f"vgg16/{n}"))))
        for n in names
    ]
    colours = torch.tensor(COLOURS / np.linalg.norm(COLOURS, axis=0).max())
    means = torch.tensor(MEANS)[:, None, None]

    def pictures(coefficients: Any, scale: Any, size: int) -> Any:
        waves = torch.fft.irfft2(torch.view_as_complex(coefficients) * scale, s=(size, size))
        return torch.sigmoid(torch.einsum("ij,njhw->nihw", colours, waves))

    def transformed(given: Any, size: int, rng: Any) -> Any:
        angle = np.deg2rad(rng.uniform(-DEGREES, DEGREES))
        factor, (y, x) = rng.uniform(*SCALES), rng.uniform(-SHIFT, SHIFT, 2) * 2 / size
        cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
        inner = (size - 1) / (given.shape[2] - 1)
        theta = torch.tensor([[[cos, sin, x], [-sin, cos, y]]], dtype=torch.float32) * inner
        grid = torch.nn.functional.affine_grid(theta, (1, 3, size, size), align_corners=True)
        grid = grid.expand(len(given), -1, -1, -1)
        return torch.nn.functional.grid_sample(given, grid, padding_mode="reflection", align_corners=True)

    def responses(given: Any, filters: Sequence[int]) -> Any:
        """The response of each picture's own filter."""
        maps = given.flip(1) * 255 - means
        for index, (kernel, bias) in enumerate(banks):
            if index and names[index].endswith("conv1"):
                maps = torch.nn.functional.max_pool2d(maps, 2)
            if index == len(banks) - 1:  # the other filters of the layer do not matter
                kernel, bias = kernel[list(filters)], bias[list(filters)]
            maps = torch.relu(torch.nn.functional.conv2d(maps, kernel, bias, padding=1))
        own = torch.arange(len(filters))
        return maps[own, own].mean(dim=(1, 2))

    def optimize(filters: Sequence[int], size: int, steps: int) -> rivals.Array:
        rng = np.random.default_rng(0)
        canvas = size + 2 * math.ceil(MARGIN * size)
        frequency = np.hypot(np.fft.fftfreq(canvas)[:, None], np.fft.rfftfreq(canvas))
        frequency = np.maximum(frequency, 1 / canvas)
        scale = CONTRAST * canvas / frequency / (1 + (frequency / SMOOTH) ** 6)
        scale = torch.tensor(scale.astype(np.float32))
        start = NOISE * rng.standard_normal((len(filters), 3, canvas, canvas // 2 + 1, 2), np.float32)
        coefficients = torch.tensor(start).requires_grad_()
        adam = torch.optim.Adam([coefficients], lr=ascent.STEP)
        edge = (canvas - size) // 2

        def kept(found: Any, best: Any) -> tuple[Any, Any]:
            with torch.no_grad():
                now = pictures(coefficients, scale, canvas)[..., edge:-edge, edge:-edge]
                values = responses(now, filters)
            better = values >= best
            return torch.where(better[:, None, None, None], now, found), torch.where(better, values, best)

        found, best = kept(torch.zeros(()), torch.full((len(filters),), -torch.inf))
        for step in range(1, steps + 1):
            adam.zero_grad()
            (
                -responses(transformed(pictures(coefficients, scale, canvas), size, rng), filters).sum()
            ).backward()
            coefficients.grad /= coefficients.grad.square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt()
            adam.step()
            if step * ascent.CHECKS // steps > (step - 1) * ascent.CHECKS // steps:
                found, best = kept(found, best)
        return found.numpy().transpose(0, 2, 3, 1)  # type: ignore[no-any-return]

    return optimize
