"""Maps and attributions of the pictures of image sources."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import build, node, random
from picture_networks import add
from PIL import Image

import filterkit
from filterkit.errors import FilterkitError, ImageError, RuntimeFailure, UsageError

PICTURES = {
    name: np.random.default_rng(seed).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    for seed, name in enumerate(("cat/1.png", "cat/2.png", "tree/1.png"))
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same pictures as files, in an archive and in a list; one of each cannot be read."""
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name, pixels in PICTURES.items():
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            archive.writestr(name, stream.getvalue())
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stream.getvalue())
        archive.writestr("tree/broken.png", "no picture")
    (tmp_path / "photos" / "tree" / "broken.png").write_text("no picture")
    names = [*PICTURES, "tree/broken.png"]
    (tmp_path / "list.txt").write_text("".join(f"photos/{name},{name[0]}\n" for name in names))
    return tmp_path


@pytest.mark.parametrize("spec", ["zip:{}/photos.zip", "list:{}/list.txt", "{}/photos", "files:{}/photos"])
def test_maps_are_the_same_wherever_the_pictures_are(
    small: filterkit.Workbench, folder: Path, spec: str
) -> None:
    unreadable: list[ImageError] = []
    maps = list(small.iter_feature_maps("net", spec.format(folder), unreadable=unreadable.append))
    assert [each.image.replace("!", "/").partition(".zip/")[2] or each.image for each in maps]
    assert [each.image_name for each in maps] == ["1", "2", "1_2"]
    for each, pixels in zip(maps, PICTURES.values(), strict=True):
        own = small.feature_maps("net", pixels)
        for layer in own:
            np.testing.assert_array_equal(each[layer], own[layer])
    [error] = unreadable
    assert "broken.png is not a picture" in error.message
    with pytest.raises(ImageError, match=r"broken\.png"):
        list(small.iter_feature_maps("net", spec.format(folder)))


def test_written_and_resumed(small: filterkit.Workbench, folder: Path) -> None:
    def run() -> list[str]:
        images = [f"zip:{folder}/photos.zip"]
        maps = small.iter_feature_maps("net", images, unreadable=lambda _: None, skip_existing=folder / "out")
        return [result.image for result, _ in small.write_maps(maps, folder / "out")]

    assert [name.partition("!")[2] for name in run()] == list(PICTURES)
    (folder / "out" / "2" / "conv1.png").unlink()
    assert [name.partition("!")[2] for name in run()] == ["cat/2.png"]
    assert {path.name for path in (folder / "out").iterdir()} == {"1", "2", "1_2"}


def test_attributions(small: filterkit.Workbench, folder: Path) -> None:
    spec = f"list:{folder}/list.txt"
    found = list(small.iter_attributions("net/conv1/0", spec, unreadable=lambda _: None))
    assert [Path(each.image).relative_to(folder / "photos").as_posix() for each in found] == list(PICTURES)
    for each, pixels in zip(found, PICTURES.values(), strict=True):
        np.testing.assert_array_equal(each.array, small.attribute("net/conv1/0", pixels).array)


SOUND = np.random.default_rng(0).normal(size=(5, 2, 40)).astype(np.float32)


@pytest.fixture
def sound(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    model = build([node("Conv", "x w", "y", name="conv")], {"x": ["N", 2, "T"]}, {"w": random(3, 2, 5)})
    add(bench, model, tmp_path)
    np.savez(tmp_path / "in.npz", x=SOUND)
    return bench


def test_inputs_of_networks_that_take_no_pictures(sound: filterkit.Workbench, tmp_path: Path) -> None:
    spec = f"npz:{tmp_path}/in.npz"
    whole = list(sound.iter_feature_maps("net/conv", inputs=tmp_path / "in.npz"))
    maps = list(sound.iter_feature_maps("net/conv", spec))
    assert len(maps) == len(whole) == len(SOUND)
    for number, (one, same) in enumerate(zip(maps, whole, strict=True)):
        assert (one.image, one.image_name) == (f"{tmp_path}/in.npz!{number}", f"in_{number}")
        np.testing.assert_allclose(one, same, rtol=1e-5, atol=1e-6)
    with pytest.raises(UsageError, match="not both"):
        list(sound.iter_feature_maps("net/conv", spec, inputs={"x": SOUND}))


def test_inputs_that_do_not_fit(sound: filterkit.Workbench, small: filterkit.Workbench, folder: Path) -> None:
    inputs, pictures = f"npz:{folder}/in.npz", f"zip:{folder}/photos.zip"
    np.savez(folder / "y.npz", y=SOUND)
    for bench, images, error in (
        (sound, f"npz:{folder}/y.npz", RuntimeFailure),
        (sound, pictures, ImageError),
        (sound, [inputs, pictures], UsageError),
        (small, inputs, RuntimeFailure),
        (small, [pictures, inputs], ImageError),
    ):
        with pytest.raises(error) as caught:
            list(bench.iter_feature_maps("net", images))
        assert isinstance(caught.value, FilterkitError)
        assert caught.value.hint
    with pytest.raises(ImageError, match="is not a picture but an input of the graph"):
        list(small.iter_attributions("net/conv1/0", inputs))


def test_a_plugin_and_a_broken_one(
    small_catalog: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "gray.py").write_text(
        "import filterkit\n"
        "class Gray:\n"
        "    def images(self, spec):\n"
        "        import numpy as np\n"
        "        for level in map(int, spec.split(',')):\n"
        "            read = lambda level=level: np.full((9, 8), level, 'u1' if level < 256 else '?!')\n"
        "            yield filterkit.SourceImage(f'gray {level}', read)\n"
        "@filterkit.hookimpl\n"
        "def filterkit_image_sources():\n"
        "    return [filterkit.Contribution('gray', 'Levels of gray', Gray)]\n"
    )
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(tmp_path / "plugins"))
    with filterkit.open(small_catalog) as bench:
        unreadable: list[ImageError] = []
        maps = list(bench.iter_feature_maps("net", "gray:0,256,255", unreadable=unreadable.append))
        assert [each.image for each in maps] == ["gray 0", "gray 255"]
        assert "plugin gray" in unreadable[0].message
        with pytest.raises(FilterkitError, match=r"plugin gray.*ValueError"):
            list(bench.iter_feature_maps("net", "gray:x"))


def test_sources_are_consumed_lazily(small: filterkit.Workbench) -> None:
    """The number of pictures does not matter."""
    read: list[str] = []

    def endless() -> Any:
        number = 0
        while True:
            number += 1
            yield filterkit.SourceImage(
                f"{number}", lambda name=str(number): read.append(name) or PICTURES["cat/1.png"]
            )

    maps = small.iter_feature_maps("net", endless())
    next(maps)
    assert len(read) < 20


def test_notes_come_once_and_in_order(
    small: filterkit.Workbench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        dark = np.full((9, 8), 100 + number, np.uint16)
        Image.fromarray(dark).save(tmp_path / f"{number}.png")
    caplog.set_level("WARNING", "filterkit")
    list(small.iter_feature_maps("net", str(tmp_path)))
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}/0.png has 16-bit pixels of at most 100; they are interpreted as 0 to 65535 "
        "(further cases are not reported)"
    ]
