"""Ways to turn a catalog's store against its reader."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fuzz_replacements import replace
from fuzz_scene import Scene


def store(scene: Scene, draw: random.Random) -> str:
    """One to three things in the store that filterkit did not put there."""
    said = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        said.append(
            draw.choice((_entry, _entry, _entry, _bank, _bank, _model, _foreign, _foreign, _cuts))(
                scene, draw
            )
        )
    return "; ".join(said)


def _entry(scene: Scene, draw: random.Random) -> str:
    store = scene.store
    there = [path for path in sorted(store.rglob("*")) if not path.is_symlink()] if store.is_dir() else []
    models = [path.name for path in there if path.parent.name == "models"]
    sha = draw.choice(models or ["0" * 64])
    likely = (
        *(
            store,
            store / "models",
            store / "banks",
            store / "cuts",
            store / "staging",
            store / "staging" / sha,
        ),
        *(
            store / "cuts" / sha,
            store / "models" / sha,
            store / "staging" / "banks",
            store / "staging" / "replaced",
        ),
        store / "models" / ("f" * 64),
        store / "banks" / f"{'f' * 64}.safetensors",
    )
    path = draw.choice((*likely, *there, *there))
    for above in path.parents:
        if above != scene.folder and (above.is_symlink() or (above.exists() and not above.is_dir())):
            return "nothing, as there is a link on the way"
        if above == scene.folder:
            break
    return replace(path, scene, draw)


def _bank(scene: Scene, draw: random.Random) -> str:
    banks = sorted((scene.store / "banks").glob("*")) if (scene.store / "banks").is_dir() else []
    banks = [
        path for path in banks if path.is_file() and path.lstat().st_nlink == 1 and not path.is_symlink()
    ]
    banks = [path for path in banks if path.stat().st_size < 1 << 20]
    if not banks or (scene.store / "banks").is_symlink() or scene.store.is_symlink():
        return "nothing, as there is no bank"
    path = draw.choice(banks)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    with suppress(ValueError, RecursionError, TypeError, AttributeError):  # of what was damaged before
        entries = dict(json.loads(data[8 : 8 + length]))
        for entry in draw.sample(sorted(entries), draw.choice((1, len(entries)))):
            part = draw.choice(("shape", "data_offsets", "dtype", "whole"))
            values: dict[str, Sequence[Any]] = {
                "shape": SHAPES,
                "data_offsets": OFFSETS,
                "dtype": ("F16", "F64", "BF16", "I64", "", None, 0, [], {}),
                "whole": (None, [], 0, {}, "x", {"shape": [1]}, {"data_offsets": [0, 0]}),
            }
            value = draw.choice(values[part])
            if part == "whole":
                entries[entry] = value
            elif isinstance(entries[entry], dict):
                entries[entry][part] = value
        header = json.dumps(entries).encode()
        header = draw.choice((header, header, header, *HEADERS))
        size = draw.choice((len(header),) * 6 + (0, 7, 2**31, 2**63, 2**64 - 1))
        path.write_bytes(size.to_bytes(8, "little") + header + data[8 + length :])
        return f"bank with {header[:80]!r} of length {size}"
    return "nothing, as the bank is no bank"


SHAPES: tuple[Any, ...] = (
    *(
        [],
        [0],
        [-1],
        [-1, -1],
        [1],
        [2**63],
        [2**62, 4],
        [4, -1, 3, 3],
        [0, 2**63],
        [0.5],
        ["4"],
        None,
        "x",
        {},
        [[4, 3], 3, 3],
    ),
    *([1] * 40, [1] * 70, [4, 3, 3], [4, 3, 3, 3, 1], [3, 4, 3, 3], [True], 4, [None]),
)
OFFSETS: tuple[Any, ...] = (
    *(
        [0, 0],
        [0, 1],
        [-4, -1],
        [-432, 0],
        [1, 433],
        [0, 2**63],
        [2**64, 2**64],
        [100, 0],
        [None, None],
        [0],
        [0, 4, 8],
    ),
    *(None, "ab", {}, [0.0, 432.0], [[0], [432]], [True, False], ["0", "432"]),
)
HEADERS = (
    *(
        b"",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b'{"__metadata__": 1}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe",
        b"\0" * 100,
    ),
    *(b'{"a": NaN}', b" " * 1000, b'{"a": {"data_offsets": [0, ' + b"9" * 5000 + b"]}}"),
)


def _model(scene: Scene, draw: random.Random) -> str:
    folder = scene.store / "models"
    if scene.store.is_symlink() or folder.is_symlink() or not folder.is_dir():
        return "nothing, as there are no models"
    files = [path for path in sorted(folder.glob("*/*")) if path.is_file() and not path.is_symlink()]
    files = [path for path in files if not path.parent.is_symlink() and path.lstat().st_nlink == 1]
    if not files:
        return "nothing, as there are no models"
    path, other = draw.choice(files), draw.choice(files)
    data = other.read_bytes()[: 1 << 20] if draw.random() < 0.6 else path.read_bytes()[: 1 << 20]
    if draw.random() < 0.5 and data:
        place = draw.randrange(len(data))
        data = draw.choice(
            (data[:place], data[:place] + draw.randbytes(4) + data[place + 4 :], b"weights.bin" * 9)
        )
    path.write_bytes(data)
    return f"{path.relative_to(scene.folder)} is something else"


def _foreign(scene: Scene, draw: random.Random) -> str:
    """A file or folder that is none of filterkit's, which no sweep may take."""
    sha = "0" * 64
    names = (
        *(
            "notes.txt",
            "models/README",
            f"models/{sha[:63]}",
            f"models/{sha}.bak",
            f"models/{'G' * 64}",
            "models/.git",
        ),
        *(
            "banks/notes.txt",
            f"banks/{sha}.txt",
            "banks/x.safetensors",
            f"banks/{sha}",
            f"banks/{sha}.safetensors.bak",
        ),
        *(
            "cuts/notes.txt",
            f"cuts/{sha}/notes.txt",
            f"cuts/{sha}/{'0' * 31}.onnx",
            f"cuts/{sha}/.hidden",
            "cuts/..x",
        ),
        *("photos", ".git", "models/a\nb", f"models/{sha.upper()}0"),
    )
    path = scene.store / draw.choice(names)
    for folder in (scene.store, scene.store / path.relative_to(scene.store).parts[0], path.parent, path):
        if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir() or folder == path):
            return "nothing, as the place is taken"
    if draw.random() < 0.3:
        path.mkdir(parents=True)
        path = path / "a.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"somebody's")
    scene.survivors.append(path)
    return f"{path.relative_to(scene.store)} lies in the store"


def _cuts(scene: Scene, draw: random.Random) -> str:
    """Parts of models that filterkit did not cut, more of them than are kept."""
    folder = scene.store / "cuts"
    if scene.store.is_symlink() or folder.is_symlink():
        return "nothing, as there is a link"
    shas = sorted(path.name for path in (scene.store / "models").glob("*")) if scene.store.is_dir() else []
    there = sorted(path for path in folder.glob("*/*.onnx") if path.is_file() and not path.is_symlink())
    if there and draw.random() < 0.5:
        path = draw.choice(there)
        if path.parent.is_symlink():
            return "nothing, as there is a link"
        if draw.random() < 0.5:
            return replace(path, scene, draw)
        data = path.read_bytes()[: 1 << 20]
        place = draw.randrange(len(data) + 1)
        path.unlink()
        path.write_bytes(
            draw.choice((data[:place], draw.randbytes(100), data[:place] + b"\xff" + data[place + 1 :], b""))
        )
        return f"{path.relative_to(scene.store)} is damaged"
    sha = draw.choice(shas or ["0" * 64])
    for above in (folder, folder / sha):
        if os.path.lexists(above) and (above.is_symlink() or not above.is_dir()):
            return "nothing, as there is a link"
    (folder / sha).mkdir(parents=True, exist_ok=True)
    for number in range(50):
        path = folder / sha / draw.choice((f"{number:032x}.onnx", f"{number:032x}.part", f"{number}.txt"))
        if not os.path.lexists(path):
            if draw.random() < 0.1:
                path.symlink_to(draw.choice(scene.targets))
            else:
                path.write_bytes(b"somebody's")
            if path.suffix == ".txt" and not path.is_symlink():
                scene.survivors.append(path)
    return f"50 files in cuts/{sha[:8]}"
