"""The commands in the README run as shown, in a shell.

``vgg16`` and ``vgg16-hed`` are tiny models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from filterkit.testing import build_model, code_blocks, node, run_block
from PIL import Image

PLUGIN = Path(__file__).parents[1]
COMMANDS = code_blocks((PLUGIN / "README.md").read_text(encoding="utf-8"))


def write_network(path: Path, scale: float) -> Path:
    random = np.random.default_rng(0)
    names = ("block1_conv1", "block1_conv2", "block3_conv1")
    tensors = ("image", "one", "two", "three")
    weights = {
        f"{name}.weight": random.normal(size=(4, 4 if place else 3, 3, 3)).astype(np.float32) * scale
        for place, name in enumerate(names)
    }
    nodes = [
        node("Conv", f"{tensors[place]} {name}.weight", tensors[place + 1], name, pads=[1, 1, 1, 1])
        for place, name in enumerate(names)
    ]
    path.write_bytes(build_model(nodes, {"image": ["N", 3, 32, 32]}, weights).SerializeToString())
    return path


def test_the_commands(tmp_path: Path) -> None:
    for name, scale in {"vgg16": 1, "vgg16-hed": 0.5}.items():
        run_block(f"filterkit add {write_network(tmp_path / f'{name}.onnx', scale)}", tmp_path)
    Image.new("RGB", (40, 40), "orange").save(tmp_path / "photo.jpg")
    run_block(COMMANDS[0], tmp_path)
    pages = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")]
    assert {"kernels.html", "maps.html", "similar.html", "differences.html"} < set(pages)
    assert sum(page.startswith("pages/") for page in pages) == 3
    assert all("Plotly" in (tmp_path / page).read_text(encoding="utf-8") for page in pages)


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 2
