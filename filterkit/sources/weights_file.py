"""`weights:PATH[?layout=OIHW]`: a checkpoint, that is, weights without the network they belong to."""

from __future__ import annotations

from pathlib import Path

from filterkit.errors import NotFoundError, SourceError, UsageError
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel
from filterkit.sources.refs import read_options, split_options

SUFFIXES = (".safetensors", ".npz", ".h5")
LAYOUTS = ("OIHW", "HWIO")
_GRAMMAR = "write it like this: weights:model.safetensors, or weights:model.npz?layout=HWIO"


class WeightsFile:
    """Makes a layer of every array that has a convolution's shape."""

    scheme = "weights"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Write the weights in the file at `ref` as a graph of convolutions that never meet.

        Parameters
        ----------
        ref
            ``PATH``, and perhaps ``?layout=OIHW`` or ``?layout=HWIO``: the order of the arrays' axes, which
            is HWIO in Keras's ``.h5`` files and OIHW in others. It is meant for 1-D and 3-D kernels too.

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
            raise UsageError(f"no weights are read from '{path.name}'", hint=f"from {', '.join(SUFFIXES)}")
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
        ``"OIHW"``, ``"HWIO"``, or None for what files of that kind have.
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
    from filterkit.sources.stored_arrays import open_arrays
    from filterkit.sources.weights_layers import find_layers

    chosen = layout or ("HWIO" if path.suffix.lower() == ".h5" else "OIHW")
    with open_arrays(path) as arrays:
        layers = find_layers([array for array in arrays if array.name.startswith(within)], chosen)
        if not layers:
            raise SourceError(
                f"none of the {len(arrays)} arrays in {path.name} has a convolution's shape",
                hint="three to five axes of real numbers; ?layout=OIHW or ?layout=HWIO says in which order",
            )
        write_checkpoint(target, [layer.convolution for layer in layers])
    return {layer.convolution.weights.name: layer.name for layer in layers}


def _layout(text: str) -> str:
    if text.upper() not in LAYOUTS:
        raise ValueError(f"it is {' or '.join(LAYOUTS)}")
    return text.upper()
