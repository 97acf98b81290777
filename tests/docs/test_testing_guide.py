"""The page about testing plugins says what is there, and its tests pass; so do the other examples."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import filterkit
import filterkit.testing as kit

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
GUIDE = (DOCS / "plugins" / "testing.md").read_text(encoding="utf-8")


def example(path: str) -> Any:
    file = EXAMPLES / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # pickle looks classes up by name
    spec.loader.exec_module(module)
    return module


def test_the_example_passes(tmp_path: Path) -> None:
    """As an installer leaves it: the module, and its metadata on the path of a new process."""
    tests = DOCS / "plugins" / "examples" / "test_binary.py"
    [block] = kit.code_blocks(GUIDE, "python")
    assert block == tests.read_text(encoding="utf-8")
    info = tmp_path / "filterkit_binary-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: filterkit-binary\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[filterkit]\nbinary = filterkit_binary\n")
    paths = [tmp_path, EXAMPLES / "filterkit-binary", Path(filterkit.__file__).parents[1]]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            str(tests),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr


class ByHand:
    """The textbook's: fails on constants, on infinities and on nothing at all."""

    def normalize(self, values: Any) -> filterkit.Normalized:
        with np.errstate(all="ignore"):
            low, high = values.min(), values.max()
            done = ((values - low) / (high - low)).astype(np.float32)
        odd = int(values.size - np.isfinite(values).sum())
        return filterkit.Normalized(done, None, None, None, odd)


def test_what_a_check_says_is_what_it_says() -> None:
    with pytest.raises(kit.ConformanceError) as caught:
        kit.check_normalizer(ByHand)
    assert f"```\n{caught.value}\n```" in GUIDE


def test_every_public_name_is_there() -> None:
    assert [name for name in kit.__all__ if f"`{name}" not in GUIDE] == []
    kinds = re.findall(r"^\| (`.*?) \|", GUIDE.partition("| kind |")[2], re.M)
    assert re.findall(r"`([\w-]+)`", " ".join(kinds)) == list(kit.TINY_MODELS)


@pytest.mark.slow
def test_all_examples_conform(tmp_path: Path) -> None:
    np.save(tmp_path / "bank.npy", np.ones((2, 3, 3, 3), np.float32))
    kit.check_normalizer(example("filterkit-binary/filterkit_binary.py").Binary)
    kit.check_renderer(example("text_renderer.py").Text)
    kit.check_metric(example("nuclear_metric.py").Nuclear)
    kit.check_format(example("markdown_format.py").Markdown)
    kit.check_extractor(example("matmul_extractor.py").MatMulExtractor)
    kit.check_command(example("largest_command.py"), "largest plain --count 1")
    wrong = ["", "absent.npy"]
    kit.check_source(example("numpy_source.py").NpySource, str(tmp_path / "bank.npy"), wrong=wrong)
