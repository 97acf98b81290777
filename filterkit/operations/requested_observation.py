"""What is asked of an observation: its layers, its name and the options that change the result."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError, check_number, check_text, closest
from filterkit.operations.maps import check_network
from filterkit.operations.requested_pictures import parse_size
from filterkit.records import RunOptions

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.session import Session

DUPLICATES = ("skip", "keep")

NAMED = 6
"""How many layers a hint lists."""


@dataclass(frozen=True, slots=True)
class ObserveOptions:
    """What `Workbench.observe` takes besides address, pictures and `RunOptions`."""

    name: str | None = None
    top: int = 9
    duplicates: str = "skip"
    batch: int = 8
    keep_pictures: bool = False
    metrics: str | Sequence[str] | None = None


def stored_options(asked: ObserveOptions, options: RunOptions) -> dict[str, Any]:
    """The options that change the result, as the catalog has them."""
    from filterkit.catalog.validation import MOST_EXEMPLARS

    if options.at not in ("post", "pre"):
        raise UsageError(
            f"at cannot be '{options.at}'", hint="use post (after the activation) or pre (before it)"
        )
    for name, value in (("top", asked.top), ("batch", asked.batch)):
        check_number(name, value, whole=True)
        if value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")
    if asked.top > MOST_EXEMPLARS:
        raise UsageError(f"top must be at most {MOST_EXEMPLARS:,}, not {asked.top:,}")
    if asked.duplicates not in DUPLICATES:
        raise UsageError(
            f"duplicates cannot be '{asked.duplicates}'", hint=closest(str(asked.duplicates), DUPLICATES)
        )
    size = parse_size(options.size)
    text = size if size is None or isinstance(size, str) else "x".join(map(str, size))
    return {"at": options.at, "size": text, "top": int(asked.top), "duplicates": asked.duplicates}


def check_options(row: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    different = [name for name, value in asked.items() if row["options"][name] != value]
    if different:
        changes = ", ".join(
            f"{name} {row['options'][name] or 'default'}, not {asked[name] or 'default'}"
            for name in different
        )
        raise UsageError(
            f"observation '{row['name']}' was made with {changes}",
            hint="use the same options, or choose another name with --name",
        )


def observation_name(name: str | None, images: Sequence[Any]) -> str:
    """The name of the observation: by default that of the first folder or archive."""
    from filterkit.address import LONGEST_NAME, MODEL_NAME

    if name is not None:
        check_text("name", name)
        if not MODEL_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise UsageError(
                f"an observation cannot be named '{name}'",
                hint=f"use at most {LONGEST_NAME} letters, digits, '.', '_' and '-', a letter or digit first",
            )
        return name
    first = images[0] if images else None
    if not isinstance(first, str | os.PathLike):
        return "pictures"
    path = Path(os.fspath(first))
    folder = path if path.is_dir() else path.parent if path.is_file() else path.with_suffix("")
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name.rpartition(":")[2]).lstrip("._-")
    return text[:LONGEST_NAME] or "pictures"


def whole_layers(session: Session, address: str) -> list[Match]:
    matches = session.matches(address)
    if len({match.model["name"] for match in matches}) > 1:
        raise UsageError(f"'{address}' names several models", hint="observe one model at a time")
    if any(len(match.kernels) * match.layer["filters"] < match.layer["kernels"] for match in matches):
        raise UsageError(
            "whole filters respond to pictures, not single kernels", hint=f"e.g. {matches[0].address}"
        )
    check_network(matches[0])
    inside = [match for match in matches if match.layer["scope"]]
    if inside:
        raise _inside(session, inside)
    return matches


def _inside(session: Session, matches: Sequence[Match]) -> UsageError:
    """The error for layers that do not run for every picture; the hint lists the others."""
    model, layer = matches[0].model["name"], matches[0].layer
    others = [each.address for each in session.matches(model) if not each.layer["scope"]]
    shown = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED:,} more" if len(others) > NAMED else "")
    return UsageError(
        f"layer '{layer['name']}' cannot be observed: it is inside {layer['scope'].partition('/')[0]}, a "
        "branch or a loop, which not every picture runs",
        hint=f"these layers of {model} can be observed: {shown}"
        if others
        else f"no layer of {model} can be observed",
    )


def with_earlier(session: Session, matches: list[Match], known: Sequence[int], at: str) -> list[Match]:
    """The layers of a request and those that were observed before, in the order of the model."""
    asked = {match.layer["id"] for match in matches}
    if not set(known) - asked:
        return matches
    every = session.matches(matches[0].model["name"])
    return [match for match in every if match.layer["id"] in asked | set(known)]
