"""Catalogs from strangers: nothing outside their folder is touched, and what is foreign is refused."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fuzz_log_mutations import journal
from fuzz_replacements import remove
from isolated import Run
from onnx_graphs import build, node, random
from PIL import Image

import filterkit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")


def _write_model(path: Path, seed: int) -> Path:
    graph = build([node("Conv", "x w", "y")], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3, seed=seed)})
    path.write_bytes(graph.SerializeToString())
    return path


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two networks, one of which was run."""
    folder = tmp_path_factory.mktemp("of-a-stranger") / "shared"
    folder.mkdir()
    picture = folder.parent / "picture.png"
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(picture)
    with filterkit.open(folder / "catalog.db") as bench:
        for seed, name in enumerate(("a", "b")):
            bench.add(str(_write_model(folder.parent / f"{name}.onnx", seed)))
        bench.feature_maps("a/*", picture, provider="cpu")
    return folder


@pytest.fixture
def shared(_shared: Path, tmp_path: Path) -> Path:
    """That catalog's folder, in the test's own; beside it models to add, a picture, and documents."""
    shutil.copytree(_shared.parent, tmp_path, dirs_exist_ok=True)
    _write_model(tmp_path / "new.onnx", 7)
    documents = tmp_path / "documents"
    (documents / "photos").mkdir(parents=True)
    (documents / "photos" / "a.jpg").write_text("a photo")
    for number in range(40):
        (documents / f"{number}.txt").write_text(f"letter {number}")
    (documents / "catalog.db").write_bytes((tmp_path / "shared" / "catalog.db").read_bytes())
    return tmp_path / "shared"


@pytest.fixture
def documents(shared: Path) -> Path:
    return shared.parent / "documents"


def _state(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """What is there, and when it was changed."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in (folder, *folder.rglob("*"))
    }


def _run_sql(shared: Path, *statements: str) -> None:
    with closing(sqlite3.connect(shared / "catalog.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA legacy_alter_table = ON")
        for statement in statements:
            connection.execute(statement)


def _hash(shared: Path, column: str = "sha256") -> str:
    with closing(sqlite3.connect(shared / "catalog.db")) as connection:
        return str(connection.execute(f"SELECT {column} FROM model WHERE name = 'a'").fetchone()[0])


READERS = (
    *("models", "layers *", "filters *", "stats *", "doctor", "export a -o out.npz", "show a -o out.png"),
    *("duplicates", "diff a b", "similar a/*/0", "convolve a/*/0 picture.png --provider cpu"),
)
RUNNERS = ("maps a/* picture.png --provider cpu",)
WRITERS = ("add new.onnx", "add b.onnx --replace", "measure *", "remove a")


def _each(run: Run, commands: tuple[str, ...]) -> list[int]:
    """Exit codes of commands on the catalog; whatever fails says so as it should."""
    codes = []
    for words in commands:
        ran = run(*words.split(), "--catalog", "shared/catalog.db")
        assert ran.code in (0, 1, 2), ran
        assert "unexpected" not in ran.stderr and "Traceback" not in ran.stderr, ran
        if ran.code and not words.startswith("doctor"):
            ran.refusal(ran.code)
        codes.append(ran.code)
    return codes


PLACES: dict[str, Callable[[Path], str]] = {
    "the store": lambda shared: "",
    "models": lambda shared: "models",
    "banks": lambda shared: "banks",
    "cuts": lambda shared: "cuts",
    "staging": lambda shared: "staging",
    "a model": lambda shared: f"models/{_hash(shared)}",
    "a model of nobody": lambda shared: f"models/{'f' * 64}",
    "an ONNX file": lambda shared: f"models/{_hash(shared)}/model.onnx",
    "a bank": lambda shared: f"banks/{_hash(shared, 'banks_sha256')}.safetensors",
    "a bank of nobody": lambda shared: f"banks/{'f' * 64}.safetensors",
    "the parts of a model": lambda shared: f"cuts/{_hash(shared)}",
    "the parts of nobody": lambda shared: f"cuts/{'f' * 64}",
    "a part": lambda shared: f"cuts/{_hash(shared)}/{'0' * 32}.onnx",
    "what is being written": lambda shared: "staging/banks",
}


@pytest.mark.parametrize("commands", [READERS, RUNNERS, WRITERS], ids=["read", "run", "write"])
@pytest.mark.parametrize("place", PLACES)
def test_no_link_in_the_store_is_followed(
    run: Run, shared: Path, documents: Path, place: str, commands: tuple[str, ...]
) -> None:
    path = shared / "catalog.store" / PLACES[place](shared)
    path.parent.mkdir(exist_ok=True)
    remove(path)
    path.symlink_to(documents if path.suffix == "" else documents / "1.txt")
    before = _state(documents)
    _each(run, commands)
    assert _state(documents) == before


@pytest.mark.parametrize("place", ["models", "banks", "cuts"])
def test_a_link_to_what_would_fit_is_not_followed_either(
    run: Run, shared: Path, documents: Path, place: str
) -> None:
    moved = documents / place
    (shared / "catalog.store" / place).rename(moved)
    (shared / "catalog.store" / place).symlink_to(moved)
    before = _state(documents)
    codes = _each(run, ("export a -o out.npz", *RUNNERS, *WRITERS))
    assert _state(documents) == before
    assert place == "cuts" or 1 in codes


@pytest.mark.parametrize("column", ["sha256", "banks_sha256"])
@pytest.mark.parametrize("kind", ["relative", "absolute", "upper", "short", "empty"])
def test_hashes_are_no_paths(run: Run, shared: Path, documents: Path, column: str, kind: str) -> None:
    (documents / "model").mkdir()
    shutil.copy(shared.parent / "a.onnx", documents / "model" / "model.onnx")
    bank = shared / "catalog.store" / "banks" / f"{_hash(shared, 'banks_sha256')}.safetensors"
    shutil.copy(bank, documents / "model.safetensors")
    hashes = {
        "relative": "../../../documents/model",
        "absolute": str(documents / "model"),
        "upper": _hash(shared).upper(),
        "short": _hash(shared)[:63],
        "empty": "",
    }
    _run_sql(shared, f"UPDATE model SET {column} = '{hashes[kind]}' WHERE name = 'a'")
    before = _state(documents)
    ask = "export a -o out.npz" if column == "banks_sha256" else RUNNERS[0]
    assert _each(run, (ask,)) == [1]
    _each(run, (*READERS, *WRITERS))
    assert _state(documents) == before


@pytest.mark.parametrize("command", [*READERS, *RUNNERS, *WRITERS, "query 'SELECT*FROM/**/model'"])
def test_a_journal_names_no_file_to_delete(run: Run, shared: Path, documents: Path, command: str) -> None:
    _run_sql(shared, "PRAGMA journal_mode = DELETE")
    catalog = (shared / "catalog.db").read_bytes()
    hot = journal(catalog, catalog, os.fsencode(documents / "1.txt"))
    (shared / "catalog.db-journal").write_bytes(hot)
    before = _state(documents)
    ran = run(*command.replace("'", "").split(), "--catalog", "shared/catalog.db")
    assert ran.code == 1, ran
    assert _state(documents) == before
    assert (shared / "catalog.db").read_bytes() == catalog
    assert (shared / "catalog.db-journal").read_bytes() == hot


@pytest.mark.parametrize("command", ["models", "query SELECT*FROM/**/model"])
def test_readers_play_no_journal_back(run: Run, shared: Path, command: str) -> None:
    _run_sql(shared, "PRAGMA journal_mode = DELETE")
    catalog = (shared / "catalog.db").read_bytes()
    (shared / "catalog.db-journal").write_bytes(journal(catalog, bytes(4096)))
    before = _state(shared)
    assert _each(run, (command,)) == [1]
    assert _state(shared) == before


BOTH = pytest.mark.parametrize("commands", [READERS[:3], WRITERS[:2]], ids=["read", "write"])


@BOTH
@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe", "folder"])
@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_logs_that_are_no_files_of_their_own_are_refused(
    run: Run, shared: Path, documents: Path, suffix: str, kind: str, commands: tuple[str, ...]
) -> None:
    log = shared / f"catalog.db{suffix}"
    if kind == "link":
        log.symlink_to(documents / "1.txt")
    elif kind == "dangling link":
        log.symlink_to(documents / "missing.txt")
    elif kind == "hard link":
        log.hardlink_to(documents / "1.txt")
    elif kind == "pipe":
        os.mkfifo(log)
    else:
        log.mkdir()
    before = _state(documents)
    assert set(_each(run, commands)) == {1}
    assert _state(documents) == before


@BOTH
def test_a_catalog_that_is_a_link_is_refused(
    run: Run, shared: Path, documents: Path, commands: tuple[str, ...]
) -> None:
    (shared / "catalog.db").unlink()
    (shared / "catalog.db").symlink_to(documents / "catalog.db")
    before = _state(documents)
    assert set(_each(run, commands)) == {1}
    assert _state(documents) == before


ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n)"
FOREIGN = {
    "trigger": "CREATE TRIGGER foreign_thing AFTER INSERT ON model BEGIN DELETE FROM filter; END",
    "endless trigger": f"CREATE TRIGGER foreign_thing BEFORE INSERT ON model BEGIN SELECT {ENDLESS}; END",
    "table": "CREATE TABLE foreign_thing (a)",
    "view": f"CREATE VIEW foreign_thing AS SELECT {ENDLESS}",
    "index": "CREATE INDEX foreign_thing ON model (name)",
    "index over an expression": "CREATE INDEX foreign_thing ON filter (abs(mean))",
    "virtual table": "CREATE VIRTUAL TABLE foreign_thing USING fts5(a)",
    "column": "ALTER TABLE model ADD COLUMN foreign_thing TEXT",
    "generated column": "ALTER TABLE layer ADD COLUMN foreign_thing AS (hex(zeroblob(400000000)))",
    "check": "ALTER TABLE filter ADD COLUMN foreign_thing REAL CHECK (foreign_thing > 0)",
}


@BOTH
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_no_filterkit_makes_is_refused_by_name(
    run: Run, shared: Path, kind: str, commands: tuple[str, ...]
) -> None:
    _run_sql(shared, FOREIGN[kind])
    before = _state(shared / "catalog.store")
    for words in commands:
        message, _ = run(*words.split(), "--catalog", "shared/catalog.db").refusal()
        table = r"|\b(model|layer|filter)\b" if "ALTER" in FOREIGN[kind] else ""
        assert re.search(f"foreign_thing{table}", message), message
    assert _state(shared / "catalog.store") == before


@pytest.mark.parametrize("condition", ["", f" WHERE {ENDLESS} > 0"], ids=["equal", "endless"])
@pytest.mark.parametrize("table", ["model", "layer", "filter", "skipped", "filterkit_schema"])
def test_views_in_the_place_of_tables_are_refused(run: Run, shared: Path, table: str, condition: str) -> None:
    _run_sql(
        shared,
        f"ALTER TABLE {table} RENAME TO hidden",
        f"CREATE VIEW {table} AS SELECT * FROM hidden{condition}",
    )
    for words in ("models", "layers *", "doctor", "add new.onnx"):
        ran = run(*words.split(), "--catalog", "shared/catalog.db")
        assert ran.code == 1, ran
        assert words == "doctor" or table in ran.refusal()[0] or "hidden" in ran.refusal()[0]


NAMES = ("a/b", "..", "x\x1b[31m", "line\nbreak", "w" * 5000, "", 7, b"\xff\xfe")
NUMBERS = ("x", -1, 0, 2**63 - 1, -(2**63), 1.5, float("inf"), b"\x00")
LISTS = (
    "x",
    "",
    "[1",
    "{}",
    "null",
    "7",
    '"x"',
    "[null]",
    '["a"]',
    "[-1,-1]",
    "[1e999]",
    "[[]]",
    "[" * 100_000,
    b"\xff",
    7,
)
WRONG_NAMES = (
    *("model.name", "model.source", "model.ref", "model.sha256", "model.banks_sha256", "model.added_at"),
    *("layer.name", "layer.op", "layer.dtype", "layer.auto_pad", "layer.pre_layout", "layer.post_tensor"),
    *("filter.label", "filter.classic_type"),
)
WRONG_NUMBERS = (
    *("model.layers", "model.filters", "model.kernels", "model.parameters", "model.fold_batchnorm"),
    *("layer.position", "layer.filters", "layer.kernels", "layer.groups", "layer.in_channels", "layer.macs"),
    *("layer.out_channels", "layer.spatial_rank", "layer.receptive_field", "layer.stable_rank"),
    *("filter.bias", "filter.mean", "filter.l2_norm", "filter.dead", "filter.batchnorm_scale"),
)
WRONG_LISTS = (
    *("layer.kernel_shape", "layer.strides", "layer.pads", "layer.output_shape", "layer.input_channels"),
    *("model.input_shape", "model.plugins", "model.measured", "model.extra_metrics"),
    *("model.extra_layer_metrics", "layer.extra", "filter.extra"),
)
WRONG: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(WRONG_NAMES, NAMES),
    **dict.fromkeys(WRONG_NUMBERS, NUMBERS),
    **dict.fromkeys(WRONG_LISTS, LISTS),
}


SHARE = 4
"""So manieth of the values is tried in a column, others in the next one."""


@pytest.mark.parametrize("column", WRONG)
def test_wrong_rows_are_damage_and_no_fault_of_filterkit(run: Run, shared: Path, column: str) -> None:
    table, _, name = column.partition(".")
    sound = (shared / "catalog.db").read_bytes()
    for value in WRONG[column][[*WRONG].index(column) % SHARE :: SHARE]:
        (shared / "catalog.db").write_bytes(sound)
        where = " WHERE id = 1" if table == "model" else ""
        with closing(sqlite3.connect(shared / "catalog.db")) as connection:
            connection.execute(f"UPDATE {table} SET {name} = ?{where}", (value,))
            connection.commit()
        _each(run, ("layers *", "filters *", "doctor", *RUNNERS))


def test_texts_that_are_none_are_damage(run: Run, shared: Path) -> None:
    _run_sql(shared, "UPDATE model SET name = CAST(x'61ff62' AS TEXT) WHERE id = 1")
    message, _ = run("models", "--catalog", "shared/catalog.db").refusal()
    assert "corrupted" in message


@pytest.fixture
def older(shared: Path) -> Path:
    """A catalog of an older filterkit, which the next command upgrades."""
    golden = Path(__file__).parents[1] / "catalog" / "golden" / "0001.db"
    shutil.copyfile(golden, shared / "catalog.db")
    return shared


def test_the_copy_before_an_upgrade_follows_no_link(run: Run, older: Path, documents: Path) -> None:
    (older / "catalog.db.schema-0001.backup").symlink_to(documents / "new.db")
    before = _state(documents)
    _each(run, ("models",))
    assert _state(documents) == before


@pytest.mark.parametrize("suffix", ["", "-journal", "-wal", "-shm"])
def test_the_copy_before_an_upgrade_overwrites_nothing(
    run: Run, older: Path, documents: Path, suffix: str
) -> None:
    planted = older / f"catalog.db.schema-0001.backup{suffix}"
    content = journal(bytes(4096), bytes(4096), os.fsencode(documents / "1.txt")) if suffix else b"somebody's"
    planted.write_bytes(content)
    before = _state(documents)
    _each(run, ("models",))
    assert _state(documents) == before
    assert planted.read_bytes() == content


def test_a_sweep_takes_only_what_filterkit_wrote(run: Run, shared: Path) -> None:
    store = shared / "catalog.store"
    names = (
        *("notes.txt", "models/README", f"models/{'f' * 63}", "models/photos/a.jpg", "banks/notes.txt"),
        *("banks/x.safetensors", "cuts/notes.txt", f"cuts/{_hash(shared)}/notes.txt", "photos/a.jpg"),
    )
    foreign = [store / name for name in names]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("somebody's")
    left = [store / "models" / ("f" * 64), store / "cuts" / ("f" * 64)]
    for folder in left:
        folder.mkdir(parents=True)
    (left[0] / "model.onnx").write_text("left")
    (left[1] / f"{'0' * 32}.onnx").write_text("left")
    assert _each(run, ("add new.onnx", "remove a", "remove b")) == [0, 0, 0]
    assert [path for path in foreign if not path.is_file() or path.read_text() != "somebody's"] == []
    assert [folder for folder in left if folder.exists()] == []


def test_reading_leaves_the_folder_as_it_was(run: Run, shared: Path) -> None:
    before = {name: state for name, state in _state(shared).items() if name != "."}
    assert set(_each(run, READERS)) == {0}
    after = {name: state for name, state in _state(shared).items() if name != "."}
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() <= {"catalog.db-wal", "catalog.db-shm"}
