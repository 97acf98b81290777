"""`weights:PATH[?layout=OIHW&only=PATTERN]`: a checkpoint, weights without their network."""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitWarning, NotFoundError, SourceError, UsageError, one_line
from filterkit.graph.loading.file_kinds import PICKLE, PYTORCH, FileKind, file_kind
from filterkit.plugins.first_party import BROUGHT_BY
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel
from filterkit.sources.refs import read_options, split_options
from filterkit.sources.weights_layout import LAYOUTS

if TYPE_CHECKING:
    from filterkit.sources.stored_array import StoredArray

SUFFIXES = (".safetensors", ".npz", ".h5")
_TORCH = (".pth", ".pt", ".pt2", ".ckpt", ".bin")
_EXTRAS = "what an optimizer keeps, copies, tables or masks, by name"
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
            and 3-D kernels too. ``?only=ema.*`` reads the arrays alone whose names match the pattern, also
            copies and what an optimizer keeps, which are left out otherwise. Options are joined by ``&``.

        Raises
        ------
        UsageError
            No path, a file of another kind by its suffix, an unknown option, or a pattern without a match.
        NotFoundError
            There is no such file.
        SourceError
            The file is damaged or of another kind by its first bytes, no array in it is a convolution's, or
            h5py is missing.
        """
        from filterkit.sources.stored_arrays import format_of

        name, given = split_options(ref)
        if not name:
            raise UsageError("no file of weights is named", hint=_GRAMMAR)
        path = Path(name).expanduser()
        form = format_of(path) if path.is_file() and not _is_pytorch(path) else path.suffix.lower()
        if form not in SUFFIXES:
            kind = file_kind(path)
            raise UsageError(
                f"no weights are read from '{path.name}'" + (f", {kind.what}" if kind else ""),
                hint=_instead(name, kind),
            )
        options = read_options(given, {"layout": _layout, "only": str}, of="a file of weights")
        if not path.exists():
            raise NotFoundError(f"there is no file '{name}'")
        if not path.is_file():
            raise NotFoundError(f"'{name}' is not a file", hint=_GRAMMAR)
        progress(f"reading {path.name}", 0, None)
        made = workdir / f"{path.stem.removesuffix('.weights')}.onnx"
        names = to_onnx(path, made, layout=options.get("layout"), only=options.get("only"))
        return FetchedModel(made, f"weights in file {path.name}", layer_names=names)


def to_onnx(
    path: Path, target: Path, *, layout: str | None = None, within: str = "", only: str | None = None
) -> dict[str, str]:
    """Write the convolutions among the arrays of `path` as the ONNX file `target`.

    Parameters
    ----------
    layout
        ``"OIHW"``, ``"HWIO"``, ``"OHWI"``, or None for what the file seems to have; a warning says so where
        that is in doubt.
    within
        Beginning of the names of the arrays that count.
    only
        A pattern that their names match, as those of files in a shell.

    Returns
    -------
    dict
        From the nodes' names to the layers'.

    Raises
    ------
    SourceError
        Where there is none, or the file is damaged.
    UsageError
        Where no name matches `only`.
    """
    from filterkit.graph.loading.checkpoint import write_checkpoint
    from filterkit.sources.effective_weights import named, with_effective_weights
    from filterkit.sources.stored_arrays import format_of, open_arrays
    from filterkit.sources.weights_layers import find_layers, has_convolutions, is_convolution, layout_of
    from filterkit.sources.weights_roles import without_extras

    with open_arrays(path) as arrays:
        meant = [array for array in arrays if array.name.startswith(within)]
        if only is not None:
            meant = [array for array in meant if fnmatchcase(array.name, only)]
            if not meant:
                raise UsageError(
                    f"no array in {path.name} has a name like '{only}'", hint=_names_there(arrays)
                )
        effective = with_effective_weights(meant)
        weights = without_extras(effective)
        if only is not None and not has_convolutions(weights):  # that is what was asked for
            weights = effective
        chosen, in_doubt = layout, False
        if chosen is None:
            chosen = "HWIO"
            if format_of(path) != ".h5":
                chosen, in_doubt = layout_of(weights, "OIHW")
        layers = find_layers(weights, chosen)
        kept = {array.name for array in weights}
        left = [each.name for each in effective if each.name not in kept and is_convolution(each, chosen)]
        if not layers:
            told = f"none of the {len(arrays)} arrays in {path.name} has a convolution's shape"
            if left:
                hint = f"?only={_pattern(left, ())[0]} reads what is called so"
                raise SourceError(f"{told} but what is left out: {named(left)} {_EXTRAS}", hint=hint)
            what = "real numbers, or codes with a scale"
            hint = f"three to five axes of {what}; ?layout=OIHW, HWIO or OHWI says in which order"
            raise SourceError(told, hint=hint)
        if in_doubt:
            others = " or ".join(f"?layout={each}" for each in LAYOUTS if each != chosen)
            told = f"the axes of the weights in {path.name} are taken to be {chosen}; {others} says otherwise"
            warnings.warn(told, FilterkitWarning, stacklevel=2)
        if left:
            pattern, read = _pattern(left, [layer.convolution.weights.name for layer in layers])
            told = f"{named(left)} left out: {_EXTRAS}; with ?only={pattern} {read}"
            warnings.warn(told, FilterkitWarning, stacklevel=2)
        write_checkpoint(target, [layer.convolution for layer in layers])
    return {layer.convolution.weights.name: layer.name for layer in layers}


def _is_pytorch(path: Path) -> bool:
    """Whether a file is what its suffix says, and that is one of PyTorch's."""
    kind = file_kind(path)
    is_one = kind is not None and kind.what in (PYTORCH.what, PICKLE.what)
    return is_one and path.suffix.lower() in _TORCH


def _pattern(names: Sequence[str], others: Sequence[str]) -> tuple[str, str]:
    """What the names have in common and no other has, as a value of ``only``, and what is read with it."""
    begin = re.sub(r"[^/\\.]*$", "", _beginning(names))
    end = re.sub(r"^[^/\\.]*", "", _beginning([name[::-1] for name in names])[::-1])
    common = [f"{escape(begin)}*"] * bool(begin) + [f"*{escape(end)}"] * bool(end)
    fitting = [each for each in common if not any(fnmatchcase(other, each) for other in others)]
    pattern = fitting[0] if fitting else escape(names[0])
    read = "they alone are read" if fitting and len(names) > 1 else "that one alone is read"
    return one_line(pattern.replace("%", "%25").replace("&", "%26"))[:80], read


def _beginning(names: Sequence[str]) -> str:
    """What all of them begin with; of all, the first and the last in order differ most."""
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _names_there(arrays: Sequence[StoredArray]) -> str:
    some = ", ".join(one_line(array.name)[:80] for array in arrays[:3])
    return f"there are {some}{', …' * (len(arrays) > 3)}" if arrays else "it holds no arrays of real numbers"


def _instead(name: str, kind: FileKind | None) -> str:
    """How a file of another kind is added."""
    suffix = Path(name).suffix.lower()
    quoted = shlex.quote(name)
    if suffix == ".onnx":
        return f"it holds a network: filterkit add {quoted}"
    if suffix == ".keras":
        return f"it holds a network: filterkit add {shlex.quote('keras:' + name)}"
    if kind is not None or suffix in _TORCH:
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
