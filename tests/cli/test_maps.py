"""``filterkit maps``: feature maps of pictures, folders of them, and raw inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import Run, size_of, write_photo
from onnx.reference import ReferenceEvaluator

KEYS = ["address", "image", "shape", "min", "max", "mean", "provider", "file"]

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> None:
    pass


def test_one_layer_as_picture_and_numbers(run: Run, photo: Path) -> None:
    words = ("maps", "vgg16/block1_conv1", photo, "--size", "original", "--format", "json")
    [row] = run(*words, "-o", "maps.png").rows
    assert list(row) == KEYS
    assert (row["address"], row["image"]) == ("vgg16/block1_conv1", str(photo))
    assert row["shape"] == [64, 32, 48]
    assert (row["min"], row["provider"], row["file"]) == (0, "cpu", "maps.png")
    size_of(Path("maps.png"))

    [row] = run(*words, "-o", "maps.npy").rows
    maps = np.load("maps.npy")
    assert maps.shape == (1, 64, 32, 48)
    assert (row["min"], row["max"]) == (maps.min(), maps.max())
    assert run(*words, "--quiet").stderr == ""


def test_before_the_activation(run: Run, photo: Path) -> None:
    words = ("maps", "vgg16/block1_conv2", photo, "--size", "32")
    assert run(*words, "-o", "post.npy").exit_code == 0
    assert run(*words, "-o", "pre.npy", "--at", "pre").exit_code == 0
    pre, post = np.load("pre.npy"), np.load("post.npy")
    assert pre.min() < 0
    np.testing.assert_allclose(np.maximum(pre, 0), post, atol=1e-3)


def test_chosen_filters_only(run: Run, photo: Path) -> None:
    words = ("maps", "vgg16/block1_conv1", photo, "--size", "32")
    run(*words, "-o", "all.npy")
    [row] = run("maps", "vgg16/block1_conv1/5,3", *words[2:], "-o", "two.npy", "--format", "json").rows
    assert row["address"] == "vgg16/block1_conv1/5,3"
    np.testing.assert_array_equal(np.load("two.npy")[0], np.load("all.npy")[0, [5, 3]])


def test_a_model_alone_means_all_its_layers(run: Run, photo: Path) -> None:
    rows = run("maps", "vgg16", photo, "--size", "32", "-o", "maps.npz", "--format", "json").rows
    with np.load("maps.npz") as stored:
        shapes = {name: stored[name].shape for name in stored.files}
    assert [row["address"] for row in rows] == [f"vgg16/{name}" for name in shapes]
    assert len(shapes) == 13
    assert shapes["block1_conv1"] == (1, 64, 32, 32)
    assert shapes["block5_conv3"] == (1, 512, 2, 2)

    rows = run("maps", "vgg16", photo, "--size", "32", "-o", "folder", "--format", "json").rows
    files = {Path(row["file"]) for row in rows}
    assert files == set(Path("folder").iterdir())
    assert {path.name for path in files} == {f"{name}.png" for name in shapes}
    assert all(min(size_of(path)) > 10 for path in files)

    code, error, hint = run("maps", "vgg16", photo, "--size", "32", "-o", "one.png").failure
    assert code == 2
    assert "13 layers" in error
    assert hint
    code, _, hint = run("maps", "vgg16", photo, "--size", "32", "-o", "one.npy").failure
    assert code == 2
    assert "one.npz" in hint
    assert not Path("one.png").exists()
    assert not Path("one.npy").exists()


def test_the_photo_through_the_classic_filters(run: Run, photo: Path) -> None:
    rows = run("maps", "classic", photo, "-o", "classic.png", "--format", "json").rows
    assert len(rows) == 13
    assert {tuple(row["shape"]) for row in rows} == {(1, 32, 48)}
    assert {row["file"] for row in rows} == {"classic.png"}
    size_of(Path("classic.png"))


def test_raw_tensors_for_a_network_of_sounds(run: Run, zoo_model: object, tmp_path: Path) -> None:
    assert run("add", "gtcrn", "--catalog", "sound.db").exit_code == 0
    path = next((tmp_path / "sound.store").glob("models/*/model.onnx"))
    model = onnx.load(path)
    generator = np.random.default_rng(0)
    inputs = {
        value.name: generator.normal(
            size=[max(1, dim.dim_value) for dim in value.type.tensor_type.shape.dim]
        ).astype(np.float32)
        for value in model.graph.input
    }
    np.savez("inputs.npz", **inputs)
    words = ("--catalog", "sound.db", "--input", "inputs.npz", "--at", "pre")
    [first, *_] = run("layers", "gtcrn", "--catalog", "sound.db", "--format", "json").rows
    [row] = run("maps", first["address"], *words, "-o", "maps.npy", "--format", "json").rows
    assert row["image"] == "input"

    [tensor] = run(
        *("query", f"select pre_tensor as t from layer where name = '{first['layer']}'"),
        *("--catalog", "sound.db", "--format", "json"),
    ).rows
    # The reference implementation fails at a grouped ConvTranspose further up.
    last = next(i for i, each in enumerate(model.graph.node) if tensor["t"] in each.output)
    del model.graph.node[last + 1 :], model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(tensor["t"], 1, None))
    [expected] = ReferenceEvaluator(model).run(None, inputs)
    np.testing.assert_allclose(np.load("maps.npy"), expected, atol=1e-4)

    code, error, hint = run("maps", "gtcrn", write_photo(tmp_path / "p.png"), "--catalog", "sound.db").failure
    assert code == 1
    assert "no pictures" in error
    assert "--input" in hint
    np.savez("wrong.npz", nonsense=np.zeros(3))
    wrong = ("maps", "gtcrn", "--catalog", "sound.db", "--input", "wrong.npz")
    code, error, hint = run(*wrong).failure
    assert code in (1, 2)
    assert all(name in f"{error} {hint}" for name in list(inputs)[:1])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["vgg16/block1_conv1"], 2, "--input"),
        (["vgg16/block1_conv1", "missing.png"], 1, "missing.png"),
        (["vgg16/block1_conv1", "broken.png"], 1, "broken.png"),
        (["vgg16/block1_conv1", "empty"], 1, "empty"),
        (["vgg16/block1_conv9", "photo.png"], 1, "block1_conv"),
        (["*/*", "photo.png"], 2, "one model"),
        (["vgg16/block1_conv1", "photo.png", "--size", "big"], 2, "240x320"),
        (["vgg16/block1_conv1", "photo.png", "--size", "0"], 2, "240x320"),
        (["vgg16/block1_conv1", "photo.png", "--size", "64x"], 2, "240x320"),
        (["vgg16/block1_conv1/0/1", "photo.png"], 2, "filterkit convolve vgg16/block1_conv1/0/1"),
        (["vgg16/block1_conv1", "photo.png", "--normalizer", "zscor"], 2, "'zscore'"),
        (["vgg16/block1_conv1", "photo.png", "--renderer", "gird"], 2, "'grid'"),
        (["vgg16/block1_conv1", "photo.png", "--size", "100000"], 2, "smaller"),
        (["vgg16/block1_conv1", "--input", "missing.npz"], 1, "missing.npz"),
        (["vgg16/block1_conv1", "--input", "broken.png"], 2, ".npz"),
        (["vgg16/block1_conv1", "photo.png", "-o", "x.bmp"], 2, ".png"),
        (["vgg16/block1_conv1", "photo.png", "-o", "x.png", "--quality", "9"], 2, "FILE.jpg"),
        (["vgg16/block1_conv1", "photo.png", "-o", "x.npz", "--quality", "9"], 2, "FILE.jpg"),
        (["vgg16/block1_conv1", "photo.png", "-o", "x.npz", "--skip-existing"], 2, "folder"),
        (["vgg16/block1_conv1", "photo.png", "--normalizer", "zscor", "-o", "x.png"], 2, "'zscore'"),
        (["vgg16/block1_conv1", "photo.png", "--renderer", "gird", "-o", "x.png"], 2, "'grid'"),
    ],
)
def test_wrong_use_is_reported(run: Run, photo: Path, words: list[str], code: int, says: str) -> None:
    Path("broken.png").write_bytes(b"no picture" * 20)
    Path("empty").mkdir()
    found, error, hint = run("maps", *words, "--format", "csv").failure
    assert found == code, (error, hint)
    assert says in f"{error} {hint}"
    assert not list(Path().glob("x.*"))


def test_existing_pictures_are_skipped(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "filterkit")  # which --quiet changes for the whole process
    for number in (10, 9):
        write_photo(Path(f"photos/{number}.png"), seed=number)
    words = ("maps", "vgg16/block1_conv1/0:2", "photos", "--size", "32", "-o", "maps", "--format", "json")
    assert [row["image"] for row in run(*words).rows] == ["photos/9.png", "photos/10.png"]
    Path("maps/9/block1_conv1.png").unlink()
    ran = run(*words, "--skip-existing")
    assert [row["image"] for row in ran.rows] == ["photos/9.png"]
    assert "skipped 1 picture whose files exist already" in caplog.text
    assert run(*words, "--skip-existing").rows == []
    compressed = run(*words, "--skip-existing", "--renderer", "grid:format=webp", "--quality", "30")
    assert [Path(row["file"]).suffix for row in compressed.rows] == [".webp", ".webp"]
    code, error, _ = run("maps", "vgg16/block1_conv1", "photos", "--skip-existing").failure
    assert (code, error) == (2, "--skip-existing has no effect without -o")


def test_options_with_fixed_values_name_them(run: Run, photo: Path) -> None:
    for option, values in {"--at": ("post", "pre"), "--provider": ("auto", "cpu", "cuda")}.items():
        ran = run("maps", "vgg16/block1_conv1", photo, option, "nonsense")
        assert ran.exit_code == 2
        assert all(value in ran.stderr for value in values)
