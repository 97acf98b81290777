"""What plugins may take from filterkit, and what is found that they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

import filterkit
import filterkit.testing
from filterkit.testing import private_names

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import filterkit\nfilterkit.open('c.db').models()", []),
        ("import filterkit as fk\nfk.GraphView.shape\nraise fk.UsageError('no')", []),
        ("from filterkit import FilterBank, testing\ntesting.tiny_model('plain', '.')", []),
        ("from filterkit.testing import check_metric", []),
        ("import filterkit.testing\nfilterkit.testing.check_metric(filterkit.FilterBank)", []),
        ("from filterkit import *", []),
        ("import filterkit_glow.graph, numpy\nfrom .graph import x\nnumpy.graph.x", []),
        ("graph = object()\ngraph.filterkit.graph", []),
        ("import filterkit.graph", ["1: filterkit.graph"]),
        ("import numpy, filterkit.graph.view.view as v", ["1: filterkit.graph.view.view"]),
        ("from filterkit.graph import open_graph", ["1: filterkit.graph.open_graph"]),
        ("from filterkit.testing.tiny_models import node", ["1: filterkit.testing.tiny_models.node"]),
        ("from filterkit.testing import trial_banks", ["1: filterkit.testing.trial_banks"]),
        ("from filterkit import (\n    graph,\n    FilterBank)", ["1: filterkit.graph"]),
        ("import filterkit\n\nfilterkit.graph.open_graph('m')", ["3: filterkit.graph.open_graph"]),
        ("import filterkit as fk\nfk.settings", ["2: filterkit.settings"]),
        (
            "from filterkit import testing as t\nt.trial_banks.bank_of",
            ["2: filterkit.testing.trial_banks.bank_of"],
        ),
        (
            "def f():\n    import filterkit\n    return filterkit.open.x(filterkit.rows)",
            ["3: filterkit.rows"],
        ),
    ],
)
def test_names(code: str, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "code.py"
    path.write_text(code)
    assert private_names(tmp_path) == [f"inner/code.py:{name}" for name in names]
    assert private_names(path) == [f"code.py:{name}" for name in names]


def test_everything_public_may_be_used(tmp_path: Path) -> None:
    lines = [f"from filterkit import {name}" for name in filterkit.__all__]
    lines += [f"from filterkit.testing import {name}" for name in filterkit.testing.__all__]
    (tmp_path / "all.py").write_text("\n".join(lines))
    assert private_names(tmp_path) == []


def test_filterkits_own_code_uses_more() -> None:
    assert private_names(str(Path(filterkit.__file__).parent / "testing"))


@pytest.mark.parametrize("folder", sorted(PLUGINS.glob("*/")), ids=lambda folder: folder.name)
def test_plugins_of_this_repository(folder: Path) -> None:
    """With their tests and examples."""
    assert private_names(folder) == []
