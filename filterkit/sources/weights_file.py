"""`weights:PATH[?layout=OIHW&only=PATTERN]`: a checkpoint (weights without a network)."""

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
from filterkit.plugins.discovery import BROUGHT_BY
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel
from filterkit.sources.refs import read_options, split_options
from filterkit.sources.weights_layers import LAYOUTS

if TYPE_CHECKING:
    from filterkit.sources.stored_array import StoredArray

SUFFIXES = (".safetensors", ".npz", ".h5")
_TORCH = (".pth", ".pt", ".pt2", ".ckpt", ".bin")
_EXTRAS = "optimizer state, copies, tables or masks, judging by name"
_GRAMMAR = "examples: weights:model.safetensors, weights:model.npz?layout=HWIO"


class WeightsFile:
    """Turns every array with the shape of a convolution weight into a layer."""

    scheme = "weights"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Write the weights in the file at `ref` as a graph of unconnected convolutions.

        Parameters
        ----------
        ref
            ``PATH``, optionally with ``?layout=OIHW``, ``?layout=HWIO`` or ``?layout=OHWI``: the order of the
            axes, also for 1-D and 3-D kernels. It is HWIO in ``.h5`` files of Keras and detected in others.
            ``?only=ema.*`` reads only the arrays whose names match the pattern, including copies and
            optimizer state, which are otherwise left out. Options are separated by ``&``.

        Raises
        ------
        UsageError
            If no path is given, the suffix or an option is not supported, or a pattern matches nothing.
        NotFoundError
            If the file does not exist.
        SourceError
            If the file is corrupted or of another kind, contains no convolution weights, or requires h5py,
            which is not installed.
        """
        from filterkit.sources.array_reader import format_of

        name, given = split_options(ref)
        if not name:
            raise UsageError("no weights file given", hint=_GRAMMAR)
        path = Path(name).expanduser()
        form = format_of(path) if path.is_file() and not _is_pytorch(path) else path.suffix.lower()
        if form not in SUFFIXES:
            kind = file_kind(path)
            raise UsageError(
                f"cannot read weights from '{path.name}'" + (f", {kind.what}" if kind else ""),
                hint=_instead(name, kind),
            )
        options = read_options(given, {"layout": _layout, "only": str}, of="a weights file")
        if not path.exists():
            raise NotFoundError(f"file '{name}' does not exist")
        if not path.is_file():
            raise NotFoundError(f"'{name}' is not a file", hint=_GRAMMAR)
        progress(f"reading {path.name}", 0, None)
        made = workdir / f"{path.stem.removesuffix('.weights')}.onnx"
        names = to_onnx(path, made, layout=options.get("layout"), only=options.get("only"))
        return FetchedModel(made, f"weights in file {path.name}", layer_names=names)


def to_onnx(
    path: Path, target: Path, *, layout: str | None = None, within: str = "", only: str | None = None
) -> dict[str, str]:
    """Write the convolution weights in `path` to the ONNX file `target`.

    Parameters
    ----------
    layout
        ``"OIHW"``, ``"HWIO"``, ``"OHWI"``, or None to detect it; a warning is issued if the
        result is uncertain.
    within
        Prefix of the names of the arrays to read.
    only
        Shell-style pattern that their names must match.

    Returns
    -------
    dict
        Maps node names to layer names.

    Raises
    ------
    SourceError
        If there is no convolution, or the file is corrupted.
    UsageError
        If no name matches `only`.
    """
    from filterkit.graph.loading.checkpoint import write_checkpoint
    from filterkit.sources.array_reader import format_of, open_arrays
    from filterkit.sources.effective_weights import named, with_effective_weights
    from filterkit.sources.weights_copies import without_extras
    from filterkit.sources.weights_layers import find_layers, has_convolutions, is_convolution, layout_of

    with open_arrays(path) as arrays:
        meant = [array for array in arrays if array.name.startswith(within)]
        if only is not None:
            meant = [array for array in meant if fnmatchcase(array.name, only)]
            if not meant:
                raise UsageError(f"no array in {path.name} matches '{only}'", hint=_names_there(arrays))
        effective = with_effective_weights(meant)
        weights = without_extras(effective)
        if only is not None and not has_convolutions(weights):  # explicitly requested
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
            message = f"none of the {len(arrays)} arrays in {path.name} has the shape of a convolution weight"
            if left:
                hint = f"?only={_pattern(left, ())[0]} reads them anyway"
                raise SourceError(f"{message}, except those left out: {named(left)} {_EXTRAS}", hint=hint)
            what = "three to five axes of floating-point values, or of codes with a scale"
            hint = f"a convolution weight has {what}; ?layout=OIHW, HWIO or OHWI states their order"
            raise SourceError(message, hint=hint)
        if in_doubt:
            others = " or ".join(f"?layout={each}" for each in LAYOUTS if each != chosen)
            message = f"assuming axis order {chosen} for the weights in {path.name}; override with {others}"
            warnings.warn(message, FilterkitWarning, stacklevel=2)
        if left:
            pattern, read = _pattern(left, [layer.convolution.weights.name for layer in layers])
            message = f"{named(left)} left out: {_EXTRAS}; ?only={pattern} {read}"
            warnings.warn(message, FilterkitWarning, stacklevel=2)
        write_checkpoint(target, [layer.convolution for layer in layers])
    return {layer.convolution.weights.name: layer.name for layer in layers}


def _is_pytorch(path: Path) -> bool:
    """Whether a file has a suffix of PyTorch and matching content."""
    kind = file_kind(path)
    is_one = kind is not None and kind.what in (PYTORCH.what, PICKLE.what)
    return is_one and path.suffix.lower() in _TORCH


def _pattern(names: Sequence[str], others: Sequence[str]) -> tuple[str, str]:
    """A value of ``only`` that matches `names` and none of `others`, if possible, and what it reads."""
    begin = re.sub(r"[^/\\.]*$", "", _common_prefix(names))
    end = re.sub(r"^[^/\\.]*", "", _common_prefix([name[::-1] for name in names])[::-1])
    common = [f"{escape(begin)}*"] * bool(begin) + [f"*{escape(end)}"] * bool(end)
    fitting = [each for each in common if not any(fnmatchcase(other, each) for other in others)]
    pattern = fitting[0] if fitting else escape(names[0])
    read = "reads only them" if fitting and len(names) > 1 else "reads only that one"
    return one_line(pattern.replace("%", "%25").replace("&", "%26"))[:80], read


def _common_prefix(names: Sequence[str]) -> str:
    """Common prefix; in sorted order the first and last name differ most."""
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _names_there(arrays: Sequence[StoredArray]) -> str:
    some = ", ".join(one_line(array.name)[:80] for array in arrays[:3])
    return f"it contains {some}{', …' * (len(arrays) > 3)}" if arrays else "it contains no arrays of numbers"


def _instead(name: str, kind: FileKind | None) -> str:
    """A hint how to add a file of another kind."""
    suffix = Path(name).suffix.lower()
    quoted = shlex.quote(name)
    if suffix == ".onnx":
        return f"it contains a network: filterkit add {quoted}"
    if suffix == ".keras":
        return f"it contains a network: filterkit add {shlex.quote('keras:' + name)}"
    if kind is not None or suffix in _TORCH:
        brought = BROUGHT_BY["source", "torch"]
        return (
            f"install the plugin {brought}, then: filterkit add {shlex.quote('torch:' + name)}; "
            "or save only the weights as .safetensors with safetensors.torch.save_file"
        )
    return f"supported: {', '.join(SUFFIXES)}"


def _layout(text: str) -> str:
    if text.upper() not in LAYOUTS:
        raise ValueError(f"must be {' or '.join(LAYOUTS)}")
    return text.upper()
