"""`weights:PATH[?layout=OIHW]`: a checkpoint, that is, weights without the network they belong to."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitWarning, NotFoundError, SourceError, UsageError
from filterkit.plugins.known import BROUGHT_BY
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel
from filterkit.sources.refs import read_options, split_options
from filterkit.sources.weights_layout import LAYOUTS

if TYPE_CHECKING:
    from filterkit.graph.file_kinds import FileKind

SUFFIXES = (".safetensors", ".npz", ".h5")
_GRAMMAR = "write it like this: weights:model.safetensors, or weights:model.npz?layout=HWIO"


class WeightsFile:
    """Makes a layer of every array that has a convolution's shape."""

    scheme = "weights"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Write the weights in the file at `ref` as a graph of convolutions that never meet.

        Parameters
        ----------
        ref
            ``PATH``, and perhaps ``?layout=OIHW``, ``?layout=HWIO`` or ``?layout=OHWI``: the order of the
            arrays' axes, which is HWIO in Keras's ``.h5`` files and found out for others. It is meant for 1-D
            and 3-D kernels too.

        Raises
        ------
        UsageError
            No path, a file of another kind, or an unknown option.
        NotFoundError
            There is no such file.
        SourceError
            The file is damaged, no array in it is a convolution's, or h5py is missing.
        """
        name, given = split_options(ref)
        if not name:
            raise UsageError("no file of weights is named", hint=_GRAMMAR)
        path = Path(name).expanduser()
        if path.suffix.lower() not in SUFFIXES:
            from filterkit.graph.file_kinds import file_kind

            kind = file_kind(path)
            raise UsageError(
                f"no weights are read from '{path.name}'" + (f", {kind.what}" if kind else ""),
                hint=_instead(name, kind),
            )
        options = read_options(given, {"layout": _layout}, of="a file of weights")
        if not path.exists():
            raise NotFoundError(f"there is no file '{name}'")
        if not path.is_file():
            raise NotFoundError(f"'{name}' is not a file", hint=_GRAMMAR)
        progress(f"reading {path.name}", 0, None)
        made = workdir / f"{path.stem.removesuffix('.weights')}.onnx"
        names = to_onnx(path, made, layout=options.get("layout"))
        return FetchedModel(made, f"weights in file {path.name}", layer_names=names)


def to_onnx(path: Path, target: Path, *, layout: str | None = None, within: str = "") -> dict[str, str]:
    """Write the convolutions among the arrays of `path` as the ONNX file `target`.

    Parameters
    ----------
    layout
        ``"OIHW"``, ``"HWIO"``, ``"OHWI"``, or None for what the file seems to have; a warning says so where
        that is in doubt.
    within
        Beginning of the names of the arrays that count.

    Returns
    -------
    dict
        From the nodes' names to the layers'.

    Raises
    ------
    SourceError
        Where there is none, or the file is damaged.
    """
    from filterkit.graph.checkpoint import write_checkpoint
    from filterkit.sources.effective_weights import named, with_effective_weights
    from filterkit.sources.stored_arrays import open_arrays
    from filterkit.sources.weights_layers import find_layers, is_convolution, layout_of
    from filterkit.sources.weights_roles import without_extras

    with open_arrays(path) as arrays:
        effective = with_effective_weights([array for array in arrays if array.name.startswith(within)])
        weights = without_extras(effective)
        chosen, in_doubt = layout, False
        if chosen is None:
            chosen = "HWIO"
            if path.suffix.lower() != ".h5":
                chosen, in_doubt = layout_of(weights, "OIHW")
        layers = find_layers(weights, chosen)
        if not layers:
            what = "real numbers, or codes with a scale"
            raise SourceError(
                f"none of the {len(arrays)} arrays in {path.name} has a convolution's shape",
                hint=f"three to five axes of {what}; ?layout=OIHW, HWIO or OHWI says in which order",
            )
        if in_doubt:
            others = " or ".join(f"?layout={each}" for each in LAYOUTS if each != chosen)
            told = f"the axes of the weights in {path.name} are taken to be {chosen}; {others} says otherwise"
            warnings.warn(told, FilterkitWarning, stacklevel=2)
        kept = {array.name for array in weights}
        left = [each.name for each in effective if each.name not in kept and is_convolution(each, chosen)]
        if left:
            what = "what an optimizer keeps, copies, tables or masks, by name"
            warnings.warn(f"{named(left)} left out: {what}", FilterkitWarning, stacklevel=2)
        write_checkpoint(target, [layer.convolution for layer in layers])
    return {layer.convolution.weights.name: layer.name for layer in layers}


def _instead(name: str, kind: FileKind | None) -> str:
    """How a file of another kind is added."""
    from filterkit.graph.file_kinds import HDF5, NUMPY, PICKLE, PYTORCH, SAFETENSORS

    suffix = Path(name).suffix.lower()
    quoted = shlex.quote(name)
    if kind is not None and kind.what not in (PYTORCH.what, PICKLE.what):
        for found, right in ((SAFETENSORS, ".safetensors"), (NUMPY, ".npz"), (HDF5, ".h5")):
            if kind.what == found.what:
                return f"rename it to {Path(name).with_suffix(right).name}"
        return kind.hint
    if suffix == ".onnx":
        return f"it holds a network: filterkit add {quoted}"
    if suffix == ".keras":
        return f"it holds a network: filterkit add {shlex.quote('keras:' + name)}"
    if kind is not None or suffix in (".pth", ".pt", ".pt2", ".ckpt", ".bin"):
        brought = BROUGHT_BY["source", "torch"]
        return (
            f"with the plugin {brought}: filterkit add {shlex.quote('torch:' + name)}; "
            "or save the weights alone as .safetensors: safetensors.torch.save_file"
        )
    return f"from {', '.join(SUFFIXES)}"


def _layout(text: str) -> str:
    if text.upper() not in LAYOUTS:
        raise ValueError(f"it is {' or '.join(LAYOUTS)}")
    return text.upper()
