"""The shape of the code: imports never go up, files are small and tested, the command line starts light."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import filterkit

PACKAGE = Path(filterkit.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = Path(__file__).parent

SCRIPT = PACKAGE.parent / "docs" / "draw_floors.py"
FLOORS: tuple[tuple[str, ...], ...] = runpy.run_path(str(SCRIPT))["FLOORS"]
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}

ROOF = {"filterkit", "filterkit.__version__", "filterkit.FILTERKIT_API"}
"""The only name of the top-level package that any module may import: the version."""

LONGEST_FILE = 400
FRAGMENT, MOST_FRAGMENTS = 60, 54
"""Lines below which a file is a fragment, and how many of those there may be."""
EXEMPT = {"filterkit.workbench"}
"""Nothing but signatures, docstrings and calls of one line."""
HEAVY = {
    *("numpy", "onnx", "onnxruntime", "matplotlib", "sqlalchemy", "alembic", "PIL", "safetensors", "rich"),
    *("keras", "torch", "skimage", "scipy", "h5py"),
    *("starlette", "uvicorn", "jinja2"),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """``filterkit.catalog.store`` is part ``catalog``; filterkit itself, the roof, is none."""
    return module.partition(".")[2].partition(".")[0]


def imports(node: ast.AST, *, late: bool = True) -> Iterator[str]:
    """Modules imported below `node`, except for type checkers; inside functions only where `late`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield str(child.module)
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        elif late or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(child, late=late)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_every_part_stands_on_a_floor() -> None:
    parts = {part_of(module_of(path)) for path in FILES} - {"", "__main__"}
    assert parts == set(FLOOR)


def test_imports_never_go_up() -> None:
    wrong = []
    for path in FILES:
        part = part_of(module_of(path))
        if part not in FLOOR:
            continue  # the roof: filterkit and python -m filterkit
        for imported in imports(parse(path)):
            if imported.partition(".")[0] != "filterkit" or imported in ROOF:
                continue
            if part_of(imported) not in FLOOR or FLOOR[part_of(imported)] > FLOOR[part]:
                wrong.append(f"{module_of(path)} imports {imported}")
    assert wrong == []


COMMANDS_IMPORT = {"workbench", "errors", "settings", "formats", "plugins", "scaffold", "web", "cli"}


def test_commands_reach_everything_through_the_workbench() -> None:
    wrong = {
        f"{module_of(path)} imports {name}"
        for path in FILES
        if part_of(module_of(path)) == "cli"
        for name in set(imports(parse(path))) - ROOF
        if name.partition(".")[0] == "filterkit" and part_of(name) not in COMMANDS_IMPORT
    }
    assert wrong == set()


def test_the_explorer_reaches_everything_through_the_workbench() -> None:
    wrong = {
        f"{module_of(path)} imports {name}"
        for path in FILES
        if part_of(module_of(path)) == "web"
        for name in set(imports(parse(path))) - ROOF
        if name.partition(".")[0] == "filterkit"
        and part_of(name) not in {"workbench", "errors", "child_processes", "web"}
        and not name.startswith("filterkit.plugins.protocols")  # its panels are contributions as any other
    }
    assert wrong == set()


def test_listing_and_asking_never_reach_for_onnx() -> None:
    for name in (
        "listings",
        "filters",
        "database",
        "sqlite/connections",
        "sqlite/statements",
        "where",
        "sql",
        "sqlite/sql_errors",
        "sqlite/sql_process",
        "sqlite/sql_worker",
        "schema",
    ):
        names = {found.partition(".")[0] for found in imports(parse(PACKAGE / "catalog" / f"{name}.py"))}
        assert not names & {"onnx", "onnxruntime", "matplotlib", "PIL"}, name


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_only_one_package_knows_the_database_driver(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if PACKAGE / "catalog" / "sqlite" not in path.parents:
        assert not {
            word for word in ("sqlite3", "PRAGMA", "exec_driver_sql", "sqlalchemy.dialects") if word in source
        }


def test_files_stay_small() -> None:
    lengths = {module_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {
        name: length for name, length in lengths.items() if length > LONGEST_FILE and name not in EXEMPT
    } == {}


def test_few_files_are_fragments() -> None:
    short = [
        module_of(path)
        for path in FILES
        if path.name != "__init__.py"
        and "migrations" not in path.parts
        and PACKAGE / "web" / "panels" not in path.parents  # one contribution a file
        and len(path.read_text(encoding="utf-8").splitlines()) < FRAGMENT
    ]
    assert len(short) <= MOST_FRAGMENTS, short


def test_no_circles() -> None:
    """Also within a room, also of imports inside functions."""
    modules = {module_of(path): path for path in FILES}
    graph = {
        name: {
            found
            for found in imports(parse(path))
            if found in modules
            and (not f"{name}.".startswith(f"{found}.") or (found == name and path.name != "__init__.py"))
        }
        for name, path in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other in a circle: {error.args[1]}")


def test_one_name_for_one_thing() -> None:
    """Two modules have the same name only where they are steps of one verb, one of which is its operation."""
    places = defaultdict(set)
    for path in FILES:
        if path.stem not in ("__init__", "__main__"):
            places[path.stem].add(module_of(path))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in twice.items() if f"filterkit.operations.{name}" not in found} == {}


def test_the_picture_of_the_floors_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_test_files_stay_small() -> None:
    lengths = {
        path.relative_to(TESTS).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in TESTS.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


TESTED_WITH = {
    # declarations that Alembic runs
    "filterkit.catalog.migrations.env": "catalog/migrations/test_upgrade.py",
    # programs that run in a process of their own, through the module that starts them
    "filterkit.graph.loading.sandbox_worker": "graph/loading/test_sandbox.py",
    "filterkit.graph.view.reference_worker": "graph/view/test_reference.py",
    "filterkit.sources.h5_worker": "sources/test_h5_arrays.py",
    # the steps of one graph, through what builds it; and what several rules share, through one of them
    **{
        f"filterkit.graph.gradient.{name}": "graph/gradient/test_gradient.py"
        for name in ("backward", "facts", "narrow", "recent_opset", "target")
    },
    "filterkit.graph.layers.channel_rules": "operations/test_connections.py",
    "filterkit.graph.layers.channel_origins": "operations/test_connections.py",
    "filterkit.operations.ablated_network": "operations/test_ablate.py",
    "filterkit.results.histogram": "operations/test_histogram.py",
    "filterkit.graph.gradient.formula": "graph/gradient/rules/test_activation_functions.py",
    "filterkit.graph.gradient.sliding_windows": "graph/gradient/rules/test_pooling.py",
    # the steps of expanding weights, through the operation
    "filterkit.graph.gradient.inner_position": "operations/test_expand.py",
    "filterkit.graph.gradient.linear_form": "operations/test_expand.py",
    "filterkit.runtime.expanded_weights": "operations/test_expand.py",
    # what the steps of an observation share, through the observation
    "filterkit.responses.graph": "responses/test_response_network.py",
    "filterkit.catalog.observations": "operations/test_observe.py",
    "filterkit.catalog.responses": "operations/test_observe.py",
    **{
        f"filterkit.operations.{name}": "operations/test_observe.py"
        for name in ("observing", "observed_pictures", "observed_rows")
    },
    "filterkit.operations.visualized_pictures": "operations/test_visualize.py",
    "filterkit.operations.visualizing": "operations/test_visualize.py",
    "filterkit.operations.requested_observation": "operations/test_observe.py",
    # the steps of merging, through the operation
    **{
        f"filterkit.{name}": "operations/test_merge.py"
        for name in (
            *("catalog.foreign", "catalog.sqlite.copying", "catalog.store_copies"),
            *("ingest.merge", "ingest.merge_plan", "ingest.merge_rows"),
        )
    },
    "filterkit.plugins.plain_rows": "plugins/test_contracts.py",
    # the panels of pages, through the pages; and how they are made, through what becomes of them
    **{
        f"filterkit.web.panels.{name}": "web/test_pages.py"
        for name in (
            *("exemplars", "expanded", "filter_metrics", "kernel_sheet", "kernel_weights", "similar"),
            *("model_graph", "metrics_over_depth", "model_layers", "model_observations", "model_rows"),
            *("model_skipped", "distributions"),
        )
    },
    **{
        f"filterkit.web.panels.{name}": "web/test_filter_panels.py"
        for name in ("connections", "frequency_response", "relatives", "response_histogram")
    },
    "filterkit.web.panel_loading": "web/test_panel_sections.py",
    "filterkit.web.panels.visualization": "web/test_filter_visualization.py",
    # what runs networks: the process through what starts it, its jobs through the pages
    **{
        f"filterkit.web.{name}": "web/test_networks.py"
        for name in ("job_pages", "network_process", "network_worker")
    },
    "filterkit.web.network_jobs": "web/test_maps.py",
    "filterkit.web.uploads": "web/test_forms.py",
    # what results share, through the results
    "filterkit.short_reprs": "results/test_reprs.py",
    "filterkit.results.list_like": "results/test_rows.py",
    "filterkit.renderers.display": "results/test_sheet.py",
    "filterkit.renderers.rendered": "results/test_sheet.py",
    "filterkit.renderers.drawing": "operations/test_draw.py",
    # what operations return, and the sheets and charts that become of it
    "filterkit.results.ablate": "operations/test_ablate.py",
    "filterkit.results.connections": "operations/test_connections.py",
    "filterkit.results.similar": "operations/test_similar.py",
    "filterkit.results.diff": "operations/test_diff.py",
    "filterkit.sheets.maps": "sheets/test_tiles.py",
    "filterkit.sheets.pairs": "operations/test_tile_addresses.py",
    "filterkit.results.stats": "operations/test_stats.py",
    "filterkit.results.observe": "operations/test_observe.py",
    "filterkit.results.exemplars": "operations/test_exemplars.py",
    "filterkit.results.exemplar_crops": "operations/test_exemplars.py",
    "filterkit.sheets.exemplars": "operations/test_exemplars.py",
    "filterkit.sheets.exemplar_attributions": "operations/test_attributed_exemplars.py",
    "filterkit.attribution.together": "operations/test_attributed_exemplars.py",
    "filterkit.charts.layer": "charts/test_depth.py",
    "filterkit.charts.meanings": "charts/test_depth.py",
    "filterkit.charts.style": "charts/test_depth.py",
}
"""Modules without a test file of their name, and the file that tests them."""


def test_tests_mirror_the_code() -> None:
    """The tests of ``filterkit/room/module.py`` are in ``tests/room/test_module.py``."""
    missing = []
    for path in FILES:
        if path.name in ("__init__.py", "__main__.py") or path.parent.name == "versions":
            continue
        own = path.relative_to(PACKAGE).with_name(f"test_{path.name}")
        if not any((TESTS / each).is_file() for each in (own, TESTED_WITH.get(module_of(path), own))):
            missing.append(own.as_posix())
    assert missing == []
    assert set(TESTED_WITH) <= set(map(module_of, FILES))


def test_every_module_says_what_it_is() -> None:
    assert [module_of(path) for path in FILES if not ast.get_docstring(parse(path))] == []


def test_nothing_that_the_command_line_loads_first_imports_heavy_packages() -> None:
    code = "import sys, filterkit.cli.app; print(*(n for n in sys.modules if n.startswith('filterkit')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "filterkit.cli.shell" in loaded
    heavy = {
        f"{module_of(path)} imports {imported}"
        for path in FILES
        if module_of(path) in loaded
        for imported in imports(parse(path), late=False)
        if imported.partition(".")[0] in HEAVY
    }
    assert heavy == set()


def test_listing_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from filterkit.plugins.host import load_plugins\n"
        "from filterkit.plugins.registry import Registry\n"
        "registry = Registry(load_plugins(discover=False))\n"
        "print([registry.names(kind) for kind in ('source', 'normalizer', 'renderer', 'format')])\n"
        f"print(*({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "minmax" in done.stdout
    assert done.stderr.split() == []


def test_all_that_is_public_is_there() -> None:
    for name in filterkit.__all__:
        assert getattr(filterkit, name) is not None
    assert set(filterkit.__all__) <= set(dir(filterkit))
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        filterkit.opne  # noqa: B018
