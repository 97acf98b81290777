"""The page about pictures: its commands run."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterkit.operations.requested_pictures import source_images
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.testing import check_image_source

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "pictures.md").read_text(encoding="utf-8")

RunPage = Callable[[str], dict[str, tuple[str, str]]]


@pytest.mark.zoo
def test_the_commands_run(with_networks: Callable[..., Path], run_page: RunPage) -> None:
    with_networks("basic-pitch")
    random = np.random.default_rng(0)
    for name in ("photos/cat/1.jpg", "photos/tree/1.jpg", "my, photo.png"):
        Path(name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(name)
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write("photos/cat/1.jpg", "cat/1.jpg")
    Path("more.txt").write_text('"my, photo.png",cat\n')
    sound = random.normal(size=(2, 43844, 1)).astype(np.float32)
    np.savez("sound.npz", **{"serving_default_input_2:0": sound})
    assert len(run_page(PAGE)) == 3
    assert sorted(path.name for path in Path("maps").iterdir()) == ["1", "1_2", "my, photo"]
    with np.load("maps.npz") as maps:
        assert len(maps["contours-reduced"]) == 2


def test_the_example_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime")]
    frames[0].save(tmp_path / "wave.gif", save_all=True, append_images=frames[1:])
    monkeypatch.syspath_prepend(str(DOCS / "examples"))  # where other processes find it
    plugin = importlib.import_module("frames_source")
    check_image_source(plugin.Frames, str(tmp_path / "wave.gif"), wrong=["", "none.gif"])
    host = load_plugins(discover=False, strict=True)
    host.add(plugin, name="filterkit-frames")
    first, second = source_images(Registry(host), f"frames:{tmp_path}/wave.gif")
    assert (first.name, second.name) == (f"{tmp_path}/wave.gif!0", f"{tmp_path}/wave.gif!1")
    pixels = [np.asarray(image.read()) for image in (first, second)]
    assert [each[0, 0].tolist() for each in pixels] == [[255, 0, 0], [0, 255, 0]]
