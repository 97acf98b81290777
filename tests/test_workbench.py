"""The Python API: one object on one catalog, and results that display themselves."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import filterkit
from filterkit.errors import FilterkitError, ImageError, NotFoundError, UsageError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.records import Normalized
from filterkit.results.maps import FeatureMaps
from filterkit.results.rows import Rows
from filterkit.results.sheet import Sheet
from filterkit.sheets.maps import maps_sheet

pytestmark = pytest.mark.zoo


@pytest.fixture
def bench(vgg16_catalog: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(vgg16_catalog) as opened:
        yield opened


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    blocks = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((48, 32), Image.Resampling.BILINEAR))


def png_size(data: bytes | None) -> tuple[int, int]:
    assert data is not None
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        picture.load()
        return picture.size


def test_banks_of_vgg16(bench: filterkit.Workbench) -> None:
    bank = bench.bank("vgg16/block1_conv1")
    assert (bank.shape, bank.dtype) == ((64, 3, 3, 3), np.float32)
    known = [
        [0.42947057, 0.373467, -0.06136011],
        [0.27476987, 0.03868078, -0.36722335],
        [-0.05746817, -0.26224968, -0.35009676],
    ]
    np.testing.assert_allclose(bank[0, 0], known, rtol=1e-6)
    bias = bench.bias("vgg16/block1_conv1")
    assert bias is not None
    np.testing.assert_allclose(bias[:4], [0.73429835, 0.09340367, 0.06775674, 0.8862966], rtol=1e-6)
    assert bench.bias("classic/edge_sobel_x") is None or not bench.bias("classic/edge_sobel_x").any()
    with pytest.raises(ValueError, match="read-only"):
        bank[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        bias[0] = 0


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads Linux's list of mappings")
def test_a_bank_is_mapped_not_loaded(bench: filterkit.Workbench) -> None:
    bank = bench.bank("vgg16/block5_conv3")
    maps = Path("/proc/self/maps").read_text()
    [mapped] = [line for line in maps.splitlines() if ".safetensors" in line][:1]
    start, _, end = mapped.split()[0].partition("-")
    address = bank.__array_interface__["data"][0]
    assert int(start, 16) <= address < int(end, 16)


@pytest.mark.parametrize(
    ("address", "filters", "kernels"),
    [
        ("vgg16/block1_conv2/7", [7], slice(None)),
        ("vgg16/block1_conv2/0:6", slice(0, 6), slice(None)),
        ("vgg16/block1_conv2/::8", slice(None, None, 8), slice(None)),
        ("vgg16/block1_conv2/9,1,5/0:16", [9, 1, 5], slice(0, 16)),
        ("vgg16/block1_conv2/3/0:16:5", [3], slice(0, 16, 5)),
        ("vgg16/block1_conv2/*/63", slice(None), [63]),
    ],
)
def test_slices(bench: filterkit.Workbench, address: str, filters: object, kernels: object) -> None:
    whole = np.array(bench.bank("vgg16/block1_conv2"))
    found = bench.bank(address)
    np.testing.assert_array_equal(found, whole[filters][:, kernels])  # type: ignore[index]
    assert not found.flags.writeable
    bias = bench.bias(address)
    assert bias is not None
    np.testing.assert_array_equal(bias, np.array(bench.bias("vgg16/block1_conv2"))[filters])  # type: ignore[index]


def test_arrays_outlive_the_workbench(vgg16_catalog: Path) -> None:
    with filterkit.open(vgg16_catalog) as bench:
        bank = bench.bank("vgg16/block4_conv1")
    gc.collect()
    assert np.isfinite(bank).all()


def test_what_is_of_one_layer_refuses_several(bench: filterkit.Workbench) -> None:
    for ask in (bench.bank, bench.bias, bench.sheet):
        with pytest.raises(UsageError, match="names 2") as caught:
            ask("vgg16/block1_*")
        assert "vgg16/block1_conv1" in str(caught.value.hint)
    with pytest.raises(NotFoundError) as missing:
        bench.bank("vgg16/block1_conv3")
    assert "_conv3'" in str(missing.value.hint)


def test_sheets_are_normalized_with_their_whole_layer(bench: filterkit.Workbench) -> None:
    weights = bench.bank("vgg16/block1_conv1")
    by_hand = (weights - weights.min()) / (weights.max() - weights.min())
    sheet = bench.sheet("vgg16/block1_conv1/0:6")
    assert isinstance(sheet, filterkit.TileSheet)
    assert (sheet.rows, sheet.columns, sheet.tile_shape, sheet.count) == (6, 3, (3, 3), 18)
    assert sheet.column_labels == ("B", "G", "R")
    np.testing.assert_allclose(sheet.tiles, by_hand[:6], atol=1e-6)
    assert (sheet.vmin, sheet.vmax) == (weights.min(), weights.max())

    signed = bench.sheet("vgg16/block1_conv1/0:6", normalizer="symmetric")
    largest = np.abs(weights).max()
    np.testing.assert_allclose(signed.tiles, weights[:6] / largest / 2 + 0.5, atol=1e-6)
    with pytest.raises(UsageError) as caught:
        bench.sheet("vgg16/block1_conv1", normalizer="minmx")
    assert "'minmax'" in str(caught.value.hint)


def test_colours_are_red_green_blue(bench: filterkit.Workbench) -> None:
    separate = bench.sheet("vgg16/block1_conv1")
    colour = bench.sheet("vgg16/block1_conv1", channels="rgb")
    assert colour.is_colour
    assert colour.count == 64
    tiles = colour.tiles.reshape(-1, 3, 3, 3)[:64]
    np.testing.assert_array_equal(tiles, separate.tiles.transpose(0, 2, 3, 1)[..., ::-1])


def test_what_a_figure_has_no_room_for_becomes_a_mosaic(bench: filterkit.Workbench) -> None:
    wide = maps_sheet(
        Normalized(np.zeros((2, 1, 1, 20_000), dtype=np.float32), 0.0, 1.0, None),
        filters=range(2),
        filter_labels=("0", "1"),
        title="wide",
    )
    assert png_size(bench.render(wide, suffix=".png"))[0] >= 20_000
    with pytest.raises(UsageError, match="too large") as caught:
        bench.render(wide, "grid", suffix=".png")
    assert "mosaic" in (caught.value.hint or "")
    with pytest.raises(UsageError, match=r"writes \.png or .*, not \.txt"):
        bench.render(wide, "grid", suffix=".txt")


def test_render_gives_bytes(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet("vgg16/block1_conv2")
    assert sheet.count == 4096
    assert png_size(bench.render(sheet, renderer="mosaic:scale=1,gap=0")) == (192, 192)
    assert png_size(bench.render(sheet))[0] > 192, "too many for a grid: a mosaic"
    small = bench.sheet("vgg16/block1_conv1/0:6")
    assert bench.render(small, suffix=".svg").lstrip().startswith(b"<?xml")
    assert bench.render(small, suffix=".pdf").startswith(b"%PDF-")
    assert "block1_conv1" in bench.render(small, suffix=".txt").decode("utf-8")
    assert png_size(bench.render(small, "mosaic", scale=9)) > png_size(bench.render(small, "mosaic", scale=3))
    for wrong in ({"renderer": "mosaik"}, {"suffix": ".gif"}, {"renderer": "mosaic", "suffix": ".svg"}):
        with pytest.raises(UsageError):
            bench.render(small, **wrong)


def test_feature_maps_of_a_path_an_array_and_a_pil_image(
    bench: filterkit.Workbench, pixels: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    asked = ("vgg16/block1_conv1", {"size": "original", "provider": "cpu"})
    of_path = bench.feature_maps(asked[0], tmp_path / "photo.png", **asked[1])
    of_text = bench.feature_maps(asked[0], str(tmp_path / "photo.png"), **asked[1])
    of_array = bench.feature_maps(asked[0], pixels, **asked[1])
    of_image = bench.feature_maps(asked[0], Image.fromarray(pixels), **asked[1])
    assert isinstance(of_path, FeatureMaps)
    assert of_path.array.shape == (64, 32, 48)
    for other in (of_text, of_array, of_image):
        np.testing.assert_array_equal(other.array, of_path.array)
    assert (of_path.provider, of_path.at, of_path.stage) == ("cpu", "post", "after relu")
    assert (of_path.image_name, Path(of_path.image)) == ("photo", tmp_path / "photo.png")
    assert np.asarray(of_path, dtype=np.float64).dtype == np.float64


def test_feature_maps_of_several_layers(bench: filterkit.Workbench, pixels: np.ndarray) -> None:
    maps = bench.feature_maps("vgg16/block[12]_conv1/0:4", pixels, size="32x48")
    assert {name: array.shape for name, array in maps.maps.items()} == {
        "block1_conv1": (4, 32, 48),
        "block2_conv1": (4, 16, 24),
    }
    assert maps.only("block2_conv1").array.shape == (4, 16, 24)
    with pytest.raises(UsageError, match="2 layers"):
        np.asarray(maps)
    with pytest.raises(UsageError, match="different sizes"):
        bench.sheet(maps)


def test_several_pictures_stream(bench: filterkit.Workbench, pixels: np.ndarray) -> None:
    results = bench.iter_feature_maps("vgg16/block1_conv1/0", [pixels, pixels[::-1]], size="16")
    first, second = results
    assert (first.image_name, second.image_name) == ("picture_0", "picture_1")
    assert not np.array_equal(first.array, second.array)


def test_no_picture_takes_anothers_name(
    bench: filterkit.Workbench, pixels: np.ndarray, tmp_path: Path
) -> None:
    names = ["a.png", "a.bmp", "a_2.png", "A.gif"]
    for name in names:
        Image.fromarray(pixels).save(tmp_path / name)
    results = bench.iter_feature_maps("classic/edge_sobel_x", [tmp_path / name for name in names])
    assert [maps.image_name for maps in results] == ["a", "a_2", "a_2_2", "A_3"]


def test_convolve_is_the_networks_own_convolution(bench: filterkit.Workbench, pixels: np.ndarray) -> None:
    before = bench.feature_maps("vgg16/block1_conv1", pixels, at="pre", size="original").array
    alone = bench.convolve("vgg16/block1_conv1", pixels)
    assert alone.array.shape == before.shape
    np.testing.assert_allclose(alone.array, before, atol=1e-3)
    one = bench.convolve("vgg16/block1_conv1/5", pixels)
    np.testing.assert_allclose(one.array[0], before[5], atol=1e-3)


def test_convolve_with_one_kernel(bench: filterkit.Workbench, pixels: np.ndarray) -> None:
    gray = pixels @ np.array([0.299, 0.587, 0.114]) / 255
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    expected = sum(kernel[y, x] * gray[y : y + 30, x : x + 46] for y in range(3) for x in range(3))
    np.testing.assert_allclose(bench.convolve("classic/edge_sobel_x", pixels).array[0], expected, atol=1e-5)
    assert bench.convolve("classic/edge_sobel_x", pixels, per_channel=True).array.shape == (3, 30, 46)
    with pytest.raises(ImageError, match="64 channels"):
        bench.convolve("vgg16/block2_conv1/0", pixels)


class Cells(HTMLParser):
    """Collects the text of the cells of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def test_rows_are_tables_that_show_themselves(bench: filterkit.Workbench) -> None:
    models, layers = bench.models(), bench.layers("vgg16")
    assert isinstance(layers, Rows)
    assert layers == list(layers) and list(layers) == layers
    assert (len(models), len(layers)) == (2, 13)
    assert tuple(layers[0]) == layers.columns
    filters = bench.filters("vgg16/block1_conv1", where="bias > 0", sort="-l2_norm", limit=3)
    assert [row["l2_norm"] for row in filters] == sorted((row["l2_norm"] for row in filters), reverse=True)
    assert bench.skipped("vgg16") == []
    assert bench.query("select count(*) as n from filter")[0]["n"] == 4224 + 13

    parser = Cells()
    parser.feed(layers._repr_html_())
    assert parser.found[: len(layers.columns)] == list(layers.columns)
    assert "block5_conv3" in parser.found
    hostile = Rows([{"name": "<script>alert(1)</script>"}], ["name"])
    assert "<script>" not in hostile._repr_html_()


def test_pictures_show_themselves(bench: filterkit.Workbench, pixels: np.ndarray) -> None:
    few, many = bench.sheet("vgg16/block1_conv1/0:6"), bench.sheet("vgg16/block1_conv2")
    assert isinstance(few, Sheet)
    width, height = png_size(few._repr_png_())
    assert height > width
    assert min(png_size(many._repr_png_())) >= 192
    maps = bench.feature_maps("vgg16/block1_conv1/0:4", pixels, size="16")
    assert min(png_size(maps._repr_png_())) > 50
    assert not np.shares_memory(np.array(maps), maps.array), "a copy is a copy"
    assert np.shares_memory(np.asarray(maps), maps.array)
    found = f"(4, 16, 16) float32, 0 to {maps.array.max():.4g}"
    assert repr(maps) == f"<FeatureMaps of picture 0: vgg16/block1_conv1/0:4 {found}>"
    assert png_size(bench.feature_maps("classic", pixels)._repr_png_())
    assert bench.feature_maps("vgg16", pixels, size="16")._repr_png_() is None, "maps of five sizes"


@dataclass(frozen=True)
class Large:
    """An extractor with an option: convolutions whose kernels are large enough."""

    least: int = 1

    def extract(self, graph: filterkit.GraphView) -> Iterator[filterkit.FilterBank | filterkit.Skipped]:
        for found in ConvolutionExtractor().extract(graph):
            if isinstance(found, filterkit.FilterBank) and min(found.kernel_shape) >= self.least:
                yield found


class LargePlugin:
    @filterkit.hookimpl
    def filterkit_weight_extractors(self) -> list[filterkit.Contribution[Large]]:
        return [filterkit.Contribution("large", "Large kernels only", Large)]


def test_a_model_remembers_what_made_it_with_its_options(tmp_path: Path) -> None:
    host = load_plugins(discover=False)
    host.add(LargePlugin(), name="filterkit-large", version="2.1")
    with filterkit.Workbench(tmp_path / "catalog.db", registry=Registry(host)) as bench:
        assert bench.add("classic", extractors=["large:least=5"]).layers == 2
        [row] = bench.query("select plugins from model")
        metrics = [str(metric) for metric in bench.registry.metrics()]
    assert "filterkit.metrics/basic" in metrics
    assert json.loads(row["plugins"]) == {
        "filterkit.sources": {"version": filterkit.__version__, "made_by": ["filterkit.sources/classic"]},
        "filterkit-large": {"version": "2.1", "made_by": ["filterkit-large/large:least=5"]},
        "filterkit.metrics": {"version": filterkit.__version__, "made_by": metrics},
    }


def test_preprocessing_can_be_stated(tmp_path: Path, bench: filterkit.Workbench, pixels: np.ndarray) -> None:
    [row] = (row for row in bench.models() if row["model"] == "vgg16")
    [model] = (bench.catalog().store.folder / "models" / row["sha256"]).glob("*.onnx")
    with filterkit.open(tmp_path / "other.db") as other:
        assumed = other.add(model, name="assumed")
        assert assumed.assumed
        stated = other.add(model, name="stated", preprocessing="caffe")
        assert not stated.assumed
        with pytest.raises(UsageError):
            other.add(model, name="wrong", preprocessing="cafe")
        asked = {"size": "32", "at": "pre"}
        expected = bench.feature_maps("vgg16/block1_conv1", pixels, **asked).array
        [first] = [row["address"] for row in other.layers("stated") if row["position"] == 0]
        np.testing.assert_allclose(other.feature_maps(first, pixels, **asked).array, expected, atol=1e-3)
        found = other.feature_maps(first.replace("stated", "assumed"), pixels, **asked).array
        assert not np.allclose(found, expected, atol=1)


def test_the_catalog_that_is_opened(
    vgg16_catalog: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILTERKIT_CATALOG", str(vgg16_catalog))
    with filterkit.open() as bench:
        assert len(bench.models()) == 2
        assert repr(bench) == f"Workbench({str(vgg16_catalog)!r})"
    monkeypatch.delenv("FILTERKIT_CATALOG")
    with filterkit.open() as bench:
        with pytest.raises(FilterkitError, match="no catalog") as caught:
            bench.models()
        assert "filterkit add" in str(caught.value.hint)
        assert bench.add("classic").status == "added"
        assert bench.add("classic").status == "unchanged"
        bench.remove("classic")
        assert bench.models() == []
    assert (tmp_path / "catalog.db").is_file()


def test_progress_is_reported(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    with filterkit.open(tmp_path / "c.db", progress=lambda *what: told.append(what)) as bench:
        bench.add("classic")
    assert all(total is None or done <= total for _, done, total in told)
