"""The pages about plugins say what the code does: signatures, examples, variables, the public API."""

from __future__ import annotations

import importlib.util
import inspect
import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from command_groups import group_of, run
from gradient_checks import derived, model_of
from onnx import TensorProto, helper, numpy_helper

import filterkit
import filterkit.testing as kit
from filterkit.graph.loading.load import open_graph
from filterkit.plugins import hookspecs, protocols
from filterkit.plugins.commands import add_commands
from filterkit.plugins.host import PluginHost, load_plugins
from filterkit.plugins.registry import Registry
from filterkit.records import FilterBank, IngestEvent, Skipped, TileSheet
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
GUIDE = (DOCS / "plugins.md").read_text(encoding="utf-8")
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "plugins").glob("*.md")}
STABILITY = (DOCS / "stability.md").read_text(encoding="utf-8")
HOOKS = {
    "filterkit_model_sources": ("model-sources", "ModelSource"),
    "filterkit_weight_extractors": ("weight-extractors", "WeightExtractor"),
    "filterkit_normalizers": ("normalizers", "Normalizer"),
    "filterkit_renderers": ("renderers", "Renderer"),
    "filterkit_metrics": ("metrics", "FilterMetric", "LayerMetric"),
    "filterkit_output_formats": ("output-formats", "OutputFormat"),
    "filterkit_gradient_rules": ("gradient-rules", "GradientRule"),
    "filterkit_attributions": ("attributions", "AttributionMethod"),
    "filterkit_image_sources": ("image-sources", "ImageSource"),
    "filterkit_response_metrics": ("response-metrics", "ResponseMetric"),
    "filterkit_panels": ("panels", "Panel"),
    "filterkit_commands": ("commands",),
    "filterkit_after_ingest": ("after-ingest",),
    "filterkit_after_observe": ("after-observe",),
}
"""From each hook to its page, and to the protocols of what it contributes."""


def signatures(hook: str) -> str:
    """How a hook's page begins: its signature, and those of what its contributions must have."""
    lines = [hook + str(inspect.signature(getattr(hookspecs, hook)))]
    for protocol in HOOKS[hook][1:]:
        lines.append("")
        for name, member in vars(getattr(protocols, protocol)).items():
            if isinstance(member, property):
                kind = inspect.signature(member.fget).return_annotation
                lines.append(f"{protocol}.{name}: {kind}")
            elif inspect.isfunction(member) and not name.startswith("_"):
                signature = str(inspect.signature(member)).replace("(self, ", "(")
                lines.append(f"{protocol}.{name}{signature}")
    return "".join(f"{line}\n" for line in lines).replace("'", "")


def example(path: str) -> ModuleType:
    file = EXAMPLES / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def host() -> PluginHost:
    return load_plugins(discover=False, strict=True)


def offered(host: PluginHost, path: str) -> Registry:
    assert host.add(example(path), name="filterkit-example").state == "loaded"
    return Registry(host)


def bank_of(weights: np.ndarray, folder: Path) -> FilterBank:
    """A bank as filterkit extracts it from a real file."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv")],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", weights.shape[1], "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", weights.shape[0], "H2", "W2"])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "tiny.onnx")
    extractor = Registry(load_plugins(discover=False)).create("extractor", "convolution")
    [bank] = extractor.extract(open_graph(folder / "tiny.onnx"))
    assert isinstance(bank, FilterBank)
    return bank


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_page_with_its_signature(hook: str) -> None:
    page = HOOKS[hook][0]
    assert code_blocks(PAGES[page])[0] == signatures(hook)
    assert f"[`{hook}`](plugins/{page}.md)" in GUIDE
    assert f"`{hook}`" in STABILITY


def test_the_parts_of_an_extractor_have_their_signatures() -> None:
    names = ("read_layers", "attributes", "stored_as", "follow", "dynamic_scale")
    lines = [f"{name}{inspect.signature(getattr(filterkit, name))}\n".replace("'", "") for name in names]
    assert code_blocks(PAGES["weight-extractors"])[1] == "".join(lines)


def test_no_other_hooks_are_promised() -> None:
    assert set(HOOKS) == {name for name in vars(hookspecs) if name.startswith("filterkit_")}
    for text in (GUIDE, STABILITY, *PAGES.values()):
        named = set(re.findall(r"\bfilterkit_[a-z]+(?:_[a-z]+)*\b", text))
        assert {name for name in named if name.startswith(tuple(HOOKS))} <= set(HOOKS)


def test_every_code_block_is_an_example_that_is_tested() -> None:
    files = {path: path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*.py")}
    pages = [GUIDE, *(page for name, page in PAGES.items() if name != "testing")]
    shown = [block for page in pages for block in code_blocks(page, "python")]
    assert sorted(shown) == sorted(files.values())
    tests = Path(__file__).read_text(encoding="utf-8")
    assert not [path for path in files if path.name not in tests and path.parts[-2] != "filterkit_sketch"]
    tables = [EXAMPLES / name / "pyproject.toml" for name in ("filterkit-binary", "filterkit-sketch")]
    written = [path.read_text(encoding="utf-8") for path in tables]
    assert [*code_blocks(GUIDE, "toml"), *code_blocks(PAGES["tutorial"], "toml")] == written


def test_every_page_is_linked_from_the_first() -> None:
    assert {f"plugins/{name}.md" for name in PAGES} <= set(re.findall(r"\]\((plugins/[\w-]+\.md)\)", GUIDE))


def test_the_contribution_is_as_described() -> None:
    fields = inspect.signature(filterkit.Contribution).parameters.values()
    written = [f.name if f.default is f.empty else f"{f.name}={f.default}" for f in fields]
    assert f"`Contribution({', '.join(written)})`" in PAGES["contributions"]


def test_all_that_is_public_is_named() -> None:
    public = set(filterkit.__all__) - {"__version__"}
    for text in (PAGES["contributions"], STABILITY):
        names = set(re.findall(r"`(?:filterkit\.)?(\w+)`", text))
        assert public - {"FILTERKIT_API"} <= names
    assert f"`filterkit.FILTERKIT_API` is {filterkit.FILTERKIT_API}" in STABILITY


def test_every_variable_about_plugins_is_listed() -> None:
    package = Path(filterkit.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    used = set(re.findall(r"FILTERKIT_\w*PLUGINS\w*", source))
    assert used == set(re.findall(r"^\| `(FILTERKIT_\w+)` ", GUIDE, re.MULTILINE))


def test_the_first_plugin_can_be_installed(tmp_path: Path) -> None:
    """As an installer leaves it: the module and its metadata on the path of a new process."""
    folder = EXAMPLES / "filterkit-binary"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / "filterkit_binary-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    [(name, module)] = project["entry-points"]["filterkit"].items()
    (info / "entry_points.txt").write_text(f"[filterkit]\n{name} = {module}\n")
    code = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}, {str(folder)!r}]
import numpy
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
made = Registry(load_plugins(strict=True)).create("normalizer", "binary:threshold=0.1")
print(made, made.plugin, made.normalize(numpy.array([0.05, 0.2, numpy.nan])).values.tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (
        "filterkit-binary/binary:threshold=0.1 filterkit-binary 0.1.0 [0.0, 1.0, 0.0]\n",
        "",
    )


def test_importing_the_examples_imports_nothing_heavy() -> None:
    code = f"""
import runpy, sys
from pathlib import Path
examples = Path({str(EXAMPLES)!r})
for pattern in ("*.py", "cookbook/*.py", "*/filterkit_*/__init__.py"):
    for path in examples.glob(pattern):
        runpy.run_path(str(path))
print({{"numpy", "onnx"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_first_plugin_has_20_lines() -> None:
    assert len((EXAMPLES / "filterkit-binary/filterkit_binary.py").read_text().splitlines()) <= 20


def test_model_source(host: PluginHost, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(5, 2, 3, 4)).astype(np.float32)
    np.save(tmp_path / "bank.npy", weights)
    registry = offered(host, "numpy_source.py")
    fetched = registry.create("source", "npy").fetch(str(tmp_path / "bank.npy"), tmp_path, lambda *_: None)
    onnx.checker.check_model(onnx.load(fetched.onnx_path), full_check=True)
    [bank] = registry.create("extractor", "convolution").extract(open_graph(fetched.onnx_path))
    assert isinstance(bank, FilterBank)
    np.testing.assert_array_equal(bank.weights, weights)
    with pytest.raises(filterkit.SourceError, match="there is no file"):
        registry.create("source", "npy").fetch("absent.npy", tmp_path, lambda *_: None)


def test_weight_extractor(host: PluginHost, tmp_path: Path) -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["y"], name="dense"),
            helper.make_node("MatMul", ["y", "z"], ["out"], name="computed"),
        ],
        "dense",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [3, 3]),
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(matrix, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "dense.onnx")
    extractor = offered(host, "matmul_extractor.py").create("extractor", "matmul")
    bank, skipped = extractor.extract(open_graph(tmp_path / "dense.onnx"))
    assert isinstance(bank, FilterBank)
    np.testing.assert_array_equal(bank.weights[:, :, 0, 0], matrix.T)
    assert skipped == Skipped("computed", "MatMul", "its weight is an input of the model ('z')")


# symmetry_panel.py, signed_steps.py,
# frames_source.py, kurtosis_metric.py, ingest_log.py, observe_log.py: in other modules.
def test_gradient_rule(host: PluginHost) -> None:
    x = {"x": np.array([-2, -0.3, 0.3, 2], np.float32)}
    model = model_of([helper.make_node("Shrink", ["x"], ["y"], lambd=0.4)], x)
    kit.check_gradient_rule(example("shrink_rule.py").ShrinkRule, model)
    rules = offered(host, "shrink_rule.py").gradient_rules()
    assert derived(model, x, with_rules=rules)[0].tolist() == [1, 0, 0, 1]


def test_renderer(host: PluginHost) -> None:
    tiles = np.linspace(0, 1, 8, dtype=np.float32).reshape(1, 2, 2, 2)
    made = offered(host, "text_renderer.py").create("renderer", "text:shades=ab")
    sheet = TileSheet(tiles=tiles, count=2, title="two")
    assert made.render(sheet) == b"two\n-- 0\naa\naa\n-- 1\nbb\nbb\n"
    colour = TileSheet(tiles=np.repeat(tiles[..., np.newaxis], 3, axis=-1), count=1, title="one")
    assert made.render(colour) == b"one\n-- 0\naa\naa\n"


def test_metric(host: PluginHost, tmp_path: Path) -> None:
    weights = np.zeros((3, 1, 3, 3), np.float32)
    weights[0, 0, 1, 1], weights[1, 0, 0, 0] = 3, -4
    metric = offered(host, "nuclear_metric.py").create("metric", "nuclear")
    bank = bank_of(weights, tmp_path)
    measured: Any = metric.measure(bank)["leading"]
    assert measured.tolist() == pytest.approx([0, 1, 0])
    assert metric.measure_layer(bank) == {"nuclear_norm": pytest.approx(7)}


def test_output_format(host: PluginHost) -> None:
    stream = io.StringIO()
    made = offered(host, "markdown_format.py").create("format", "markdown")
    made.write([{"a": 1, "b": "x|y"}], ("b", "a"), stream)
    assert stream.getvalue() == "| b | a |\n|---|---|\n| x\\|y | 1 |\n"


def test_command(host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTERKIT_CATALOG", str(tmp_path / "catalog.db"))
    with filterkit.open() as bench:
        bench.add("classic")
    host.add(example("largest_command.py"), name="filterkit-largest")
    group = group_of("other")
    add_commands(host, group)
    lines = run(group, "largest", "classic", "--count", "2", "--format", "tsv").splitlines()
    assert sorted(lines[1:]) == ["blur_gaussian_5\t1\t25", "sharpen_unsharp_5\t1\t25"]


@pytest.mark.slow
def test_the_tutorials_package_passes_its_own_tests(tmp_path: Path) -> None:
    folder = EXAMPLES / "filterkit-sketch"
    info = tmp_path / "filterkit_sketch-0.1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[filterkit]\nsketch = filterkit_sketch\n")
    paths = [str(tmp_path), str(folder), str(Path(filterkit.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "test_sketch.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "7 passed" in done.stdout, done.stdout + done.stderr


def recipe(name: str) -> ModuleType:
    """A recipe of the cookbook; under its own name in memory, where pickle looks for it."""
    module = example(f"cookbook/{name}")
    sys.modules[module.__name__] = module
    return module


def test_the_recipes_are_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page says: in a folder that ``FILTERKIT_PLUGINS_DIR`` names."""
    recipes = {path.stem for path in (EXAMPLES / "cookbook").glob("*.py")}
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(EXAMPLES / "cookbook"))
    monkeypatch.setenv("FILTERKIT_PLUGINS_ONLY", ",".join(recipes))
    host = load_plugins(strict=True)
    states = {each.name: each.state for each in host.plugins if not each.name.startswith("filterkit.")}
    assert states == dict.fromkeys((name.replace("_", "-") for name in recipes), "loaded")
    registry = Registry(host)
    kit.tiny_model("plain", tmp_path)
    monkeypatch.setenv("TEAM_MODELS", str(tmp_path))
    fetched = registry.create("source", "team").fetch("plain", tmp_path, lambda *_: None)
    [bank, *_] = registry.create("extractor", "convolution").extract(open_graph(fetched.onnx_path))
    assert isinstance(bank, FilterBank)
    for spec in ("fixed:limit=0.2", "equalized"):
        assert registry.create("normalizer", spec).normalize(bank.weights).values.shape == bank.weights.shape
    assert set(registry.create("metric", "off-centre").measure(bank)) == {"off_centre"}
    stream = io.StringIO()
    registry.create("format", "latex:columns=b").write([{"a": 1, "b": 2}], ("a", "b"), stream)
    assert stream.getvalue().splitlines()[1:-1] == [r"b \\", r"\hline", r"2 \\"]


def test_the_recipes_keep_what_their_kinds_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.tiny_model("plain", tmp_path)
    monkeypatch.setenv("TEAM_MODELS", str(tmp_path))
    for limit in (0.2, 0.5):
        kit.check_normalizer(recipe("fixed_scale.py").Fixed(limit))
    kit.check_normalizer(recipe("needs_extra.py").Equalized)
    kit.check_metric(recipe("off_centre.py").OffCentre)
    kit.check_format(recipe("latex_format.py").Latex)
    kit.check_source(recipe("team_source.py").Team, "plain", wrong=["", "absent"])


def test_recipes_for_numbers(tmp_path: Path) -> None:
    drawn = recipe("fixed_scale.py").Fixed(0.5).normalize(np.array([-1.0, 0.0, 0.25])).values
    assert drawn.tolist() == [0, 0.5, 0.75]
    weights = np.zeros((3, 1, 3, 3), np.float32)
    weights[0, 0, 1, 1], weights[1, 0, 0, 2] = 3, -4
    measured = recipe("off_centre.py").OffCentre().measure(bank_of(weights, tmp_path))["off_centre"]
    assert measured.tolist() == pytest.approx([0, 2**0.5, np.nan], nan_ok=True)
    equalized = recipe("needs_extra.py").Equalized().normalize(np.array([[1.0, 2.0, 10.0]])).values
    assert equalized[0].tolist() == pytest.approx([0.33, 0.66, 1], abs=0.02)


def test_recipe_for_a_format() -> None:
    stream = io.StringIO()
    recipe("latex_format.py").Latex(("a",)).write(
        [{"a": "1_000 & more", "b": 2}, {"a": None}], ("a", "b"), stream
    )
    begin, *lines, end = stream.getvalue().splitlines()
    assert (begin, end) == (r"\begin{tabular}{l}", r"\end{tabular}")
    assert lines == [r"a \\", r"\hline", r"1\_000 \& more \\", r" \\"]


def test_recipes_around_the_catalog(
    host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILTERKIT_CATALOG", str(tmp_path / "catalog.db"))
    host.add(recipe("weigh_command.py"), name="filterkit-weigh")
    host.add(recipe("contact_sheet.py"), name="filterkit-contact")
    group = group_of("other")
    add_commands(host, group)
    with pytest.raises(filterkit.FilterkitError):
        run(group, "weigh", "all")
    with filterkit.open() as bench:
        bench.add("classic")
        [first, *_] = bench.layers("classic")
        host.call(
            "filterkit_after_ingest",
            event=IngestEvent(str(tmp_path / "catalog.db"), "classic", layers=13, filters=13, skipped=0),
        )
        assert (tmp_path / "classic.png").read_bytes() == bench.render(
            bench.sheet(first["address"]), "mosaic:scale=8"
        )
        parameters = sum(row["parameters"] for row in bench.layers("classic"))
    assert run(group, "weigh", "model", "classic") == f"{parameters}\n"
    assert run(group, "weigh", "all", "--format", "csv").split() == ["name,weight", f"classic,{parameters}"]
