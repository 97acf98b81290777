"""Wrong commands of new users, and the corrected ones in the hints, which are run as well."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import Ran, Run, write_photo
from onnx_graphs import build, node, random

import filterkit

FOUND = re.compile(r"`filterkit ([^`]*)`")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog of networks, two of which share a layer's name, and of the classic kernels."""
    folder = tmp_path_factory.mktemp("new user")
    for name, layers in (
        ("net", ("block1_conv1", "features.0.conv")),
        ("other.v2", ("block1_conv1", "head")),
        ("spaced", ("my layer", "second")),
    ):
        weights = {f"w{n}": random(4, 3, 3, 3, seed=n) for n, _ in enumerate(layers)}
        nodes = [node("Conv", f"picture w{n}", f"y{n}", name=each) for n, each in enumerate(layers)]
        onnx.save(build(nodes, {"picture": [1, 3, 16, 16]}, weights, ["y0", "y1"]), folder / f"{name}.onnx")
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "net.onnx")
        bench.add(folder / "other.v2.onnx", name="other.v2")
        bench.add(folder / "spaced.onnx")
        bench.add("classic")
    return folder


@pytest.fixture(autouse=True)
def _in_its_folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with two pictures; the catalog is elsewhere."""
    monkeypatch.setenv("FILTERKIT_CATALOG", str(made / "catalog.db"))
    monkeypatch.chdir(tmp_path)
    write_photo(tmp_path / "photo.png")
    write_photo(tmp_path / "my photo.png", seed=1)


def commands(ran: Ran, exit_code: int = 2) -> list[list[str]]:
    """The commands in a hint; checks that the usage error is reported in two lines."""
    code, _, hint = ran.failure
    assert code == exit_code, ran
    return [shlex.split(each) for each in FOUND.findall(hint)]


def check(run: Run, written: str, *expected: str) -> None:
    """Check that the hint about a command line shows these commands, and that they work."""
    shown = commands(run(*shlex.split(written)))
    assert [shlex.join(each) for each in shown] == [*expected]
    for each in shown:
        assert run(*each).exit_code == 0, each


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("layers head", ["layers other.v2/head"]),
        ("layers head/0:2", ["layers other.v2/head/0:2"]),
        ("layers block1_conv1", ["layers net/block1_conv1", "layers other.v2/block1_conv1"]),
        ("filters 'block1_*/1' --limit 1",
         ["filters 'net/block1_*/1' --limit 1", "filters 'other.v2/block1_*/1' --limit 1"]),
        ("layers features.0.conv", ["layers net/features.0.conv"]),
        ("layers blok1_conv1", ["layers net/block1_conv1", "layers other.v2/block1_conv1"]),
        ("show emboss -o x.png", ["show classic/emboss -o x.png"]),
        ("layers net.block1_conv1", ["layers net/block1_conv1"]),
        (r"layers 'net\block1_conv1'", ["layers net/block1_conv1"]),
        (r"show 'net\block1_conv1\0:2\1' -o x.png", ["show net/block1_conv1/0:2/1 -o x.png"]),
        ("layers net:block1_conv1", ["layers net/block1_conv1"]),
        ("layers net::block1_conv1", ["layers net/block1_conv1"]),
        ("layers net.features.0.conv", ["layers net/features.0.conv"]),
        ("filters net.features.0.conv.2", ["filters net/features.0.conv/2"]),
        ("layers other.v2.head", ["layers other.v2/head"]),
        ("layers other.v2:hed", ["layers other.v2/head"]),
        ("filters net/block1_conv1:0", ["filters net/block1_conv1/0"]),
        ("filters 'net/block1_conv1[0:2]'", ["filters net/block1_conv1/0:2"]),
        (r"filters 'net/block1_conv1\3'", ["filters net/block1_conv1/3"]),
        ("stats 'net block1_conv1'", ["stats net/block1_conv1"]),
        ("layers net/", ["layers net"]),
        ("layers ./net/block1_conv1", ["layers net/block1_conv1"]),
        ("filters ../net/block1_conv1/0/1", ["filters net/block1_conv1/0/1"]),
        ("show ./net/block1_conv1/0/1 -o x.png", ["show net/block1_conv1/0/1 -o x.png"]),
        ("layers net//block1_conv1", ["layers net/block1_conv1"]),
        ("layers /net/block1_conv1", ["layers net/block1_conv1"]),
        ("filters block1_conv1 --count",
         ["filters net/block1_conv1 --count", "filters other.v2/block1_conv1 --count"]),
        ("export head -o x.npy", ["export other.v2/head -o x.npy"]),
        ("similar head/0 --limit 1", ["similar other.v2/head/0 --limit 1"]),
        ("diff net/block1_conv1 other.v2.head", ["diff net/block1_conv1 other.v2/head"]),
        ("duplicates head", ["duplicates other.v2/head"]),
        ("maps head photo.png", ["maps other.v2/head photo.png"]),
        ("convolve emboss photo.png", ["convolve classic/emboss photo.png"]),
    ],
)  # fmt: skip
def test_an_address_without_its_model_or_its_slashes(run: Run, written: str, expected: list[str]) -> None:
    check(run, written, *expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("maps photo.png net/block1_conv1", "maps net/block1_conv1 photo.png"),
        ("maps photo.png 'my photo.png' net/head2 net", "maps net photo.png 'my photo.png' net/head2"),
        ("maps missing.png net/block1_conv1", "maps net/block1_conv1 missing.png"),
        ("maps 'my photo.png' net.block1_conv1", "maps net/block1_conv1 'my photo.png'"),
        ("maps . net/block1_conv1", "maps net/block1_conv1 ."),
        ("convolve photo.png classic/emboss", "convolve classic/emboss photo.png"),
        ("convolve 'my photo.png' emboss", "convolve classic/emboss 'my photo.png'"),
        ("maps spaced/my layer photo.png", "maps spaced/my_layer photo.png"),
        ("maps net/block1_conv1/0, 1 photo.png", "maps 'net/block1_conv1/0, 1' photo.png"),
    ],
)
def test_words_of_maps_and_convolve_in_the_wrong_order(run: Run, written: str, expected: str) -> None:
    words = commands(run(*shlex.split(written)))
    assert [shlex.join(each) for each in words] == [expected]
    if "missing" not in expected and "head2" not in expected:
        assert run(*words[0]).exit_code == 0


def test_a_path_from_the_root_first(run: Run, tmp_path: Path) -> None:
    [words] = commands(run("maps", tmp_path / "photo.png", "net/block1_conv1"))
    assert words == ["maps", "net/block1_conv1", str(tmp_path / "photo.png")]
    assert run(*words).exit_code == 0


def test_in_python_as_well(made: Path, tmp_path: Path) -> None:
    with filterkit.open(made / "catalog.db") as bench:
        attempts = [
            lambda: bench.feature_maps("photo.png", "net/block1_conv1"),
            lambda: list(bench.iter_feature_maps("photo.png", [Path("net/block1_conv1")])),
            lambda: bench.convolve("photo.png", "net/block1_conv1"),
        ]
        for attempt in attempts:
            with pytest.raises(filterkit.UsageError, match="goes before the pictures") as caught:
                attempt()
            assert "net/block1_conv1 photo.png" in str(caught.value.hint)
            assert caught.value.__notes__ == [f"hint: {caught.value.hint}"]
        with pytest.raises(filterkit.FilterkitError, match=r"no model 'photo\.png'|is a file"):
            bench.feature_maps("photo.png", np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("convolve classic/emboss my photo.png", ["convolve classic/emboss 'my photo.png'"]),
        ("filters net --where l2_norm = 1 --limit 3", ["filters net --where 'l2_norm = 1' --limit 3"]),
        ("show net/block1_conv1 -o my pic.png", ["show net/block1_conv1 -o 'my pic.png'"]),
        ("show net/block1_conv1/0, 1, 2 -o x.png", ["show 'net/block1_conv1/0, 1, 2' -o x.png"]),
        ("similar '[[-1,0,1],' [-2,0,2], [-1,0,1]]", ["similar '[[-1,0,1], [-2,0,2], [-1,0,1]]'"]),
        ("query select name from layer", ["query 'select name from layer'"]),
        ("query select name from layer --limit 1", ["query 'select name from layer' --limit 1"]),
        ("query select '*' from layer", ["query 'select * from layer'"]),
        ("layers net block1_conv1", ["layers net/block1_conv1"]),
        ("layers spaced/my layer", ["layers spaced/my_layer"]),
        ("show spaced/my layer -o x.png", ["show spaced/my_layer -o x.png"]),
        ("show spaced/my layer/0 -o x.png", ["show spaced/my_layer/0 -o x.png"]),
        ("filters spaced/my layer/0:2 --count", ["filters spaced/my_layer/0:2 --count"]),
        ("similar net/block1_conv1/0 --invariant scale rotate --limit 1",
         ["similar net/block1_conv1/0 --invariant scale,rotate --limit 1"]),
        ("similar net/block1_conv1/0 --invariant=scale, sign rotate --limit 1",
         ["similar net/block1_conv1/0 --invariant=scale,sign,rotate --limit 1"]),
        ("filters net block1_conv1 0:2 --count", ["filters net/block1_conv1/0:2 --count"]),
        ("layers net/block1_conv1 net/features.0.conv",
         ["layers net/block1_conv1", "layers net/features.0.conv"]),
        ("measure net other.v2", ["measure net", "measure other.v2"]),
    ],
)  # fmt: skip
def test_words_that_a_shell_took_apart(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, expected: list[str]
) -> None:
    from command_line import copy_catalog

    (tmp_path / "own").mkdir()
    monkeypatch.setenv("FILTERKIT_CATALOG", str(copy_catalog(made / "catalog.db", tmp_path / "own" / "c.db")))
    check(run, written, *expected)


@pytest.mark.parametrize("command", ["show", "layers", "filters", "stats", "measure", "duplicates"])
def test_a_star_that_a_shell_expanded(run: Run, command: str) -> None:
    names = sorted(path.name for path in Path().iterdir())
    assert commands(run(command, *names)) == [[command, "*"]]
    many = [f"a file with a long name {n}" for n in range(100)]
    for name in many:
        Path(name).touch()
    ran = run(command, *sorted(path.name for path in Path().iterdir()))
    assert commands(ran) == [[command, "*"]]
    assert len(ran.failure[1]) < 300


def test_a_star_that_became_one_file(run: Run) -> None:
    code, error, _ = run("layers", "photo.png").failure
    assert (code, error) == (2, "'photo.png' is a file, but an address is expected here")
    Path("notes").touch()
    assert "quote patterns, e.g. '*'" in run("layers", "notes").failure[2]
    Path("new.onnx").touch()
    assert "filterkit add new.onnx" in run("layers", "new.onnx").failure[2]
    names = sorted(path.name for path in Path().iterdir())
    assert commands(run("query", "select", *names, "from", "layer")) == [["query", "select * from layer"]]


@pytest.mark.parametrize(
    "written",
    [
        "show https://host/vgg16/conv1",
        "layers http://host",
        "maps https://host/a/b/c/photo.png photo.png",
        "maps net https://host/photo.png",
        "maps net photo.png https://host/photo.png",
        "maps net --input https://host/x.npz",
        "convolve classic/emboss https://host/photo.png",
        "convolve classic/emboss file:///photo.png",
        "similar https://host/kernel.npy",
        "add https://host/model.onnx",
        "add s3://bucket/model.onnx",
        "add weights:https://host/model.safetensors",
        "export https://host/x -o x.npy",
        "diff net https://host/other",
    ],
)
def test_a_url_is_named_whole(run: Run, written: str) -> None:
    url = next(word for word in shlex.split(written) if "://" in word)
    code, error, hint = run(*shlex.split(written)).failure
    assert code == 2
    assert f"{url.removeprefix('weights:')}' is a URL" in error
    assert "download" in hint or hint == "give just the path: /photo.png"


def test_several_models_or_a_folder_for_add(run: Run, made: Path) -> None:
    net, other = made / "net.onnx", made / "other.v2.onnx"
    expected = [["add", str(net)], ["add", str(other)]]
    assert commands(run("add", net, other)) == expected
    assert commands(run("add", made), 1) == expected  # a folder is no file, as always
    assert commands(run("add", made / "*.onnx")) == expected
    assert commands(run("add", net, other, "photo.png"))[0] == expected[0]
    Path("none").mkdir()
    assert run("add", "none").failure[0] == 1
    Path("none/model.safetensors").touch()
    assert commands(run("add", "none"), 1) == [["add", "weights:none/model.safetensors"]]
    Path("none/saved_model.pb").touch()
    assert "tf2onnx" in run("add", "none").failure[2]
    assert run("add", "**").failure[0] == 2
    Path("empty").mkdir()
    for folder in (".", "..", "./empty", "empty/../."):
        code, error, _ = run("add", folder).failure
        assert (code, error) == (1, f"'{folder}' is a folder; models are added one file at a time")
    Path("my net.onnx").touch()
    assert commands(run("add", "my", "net.onnx")) == [["add", "my net.onnx"]]


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("select * from layers", "the table is 'layer': `filterkit query 'select * from layer'`"),
        (
            "select count(*) from filters f, layers l",
            "'filter', 'layer': `filterkit query 'select count(*) from filter f, layer l'`",
        ),
        (
            "select count(*) from Layers l join models m on m.id = l.model_id",
            "`filterkit query 'select count(*) from layer l join model m on m.id = l.model_id'`",
        ),
        (
            "select layers.name from layers where layers.name = 'layers'",
            """`filterkit query "select layer.name from layer where layer.name = 'layers'"`""",
        ),
        (
            "select name from layers where name='conv'",
            """`filterkit query "select name from layer where name='conv'"`""",
        ),
        ("select name from layers where name='$x'", "`filterkit query 'select name from layer where"),
        ("select l3_norm from filters", "the table is 'filter'; then no such column: l3_norm: did you mean"),
        ("select name from layer join model", "add the table: layer.name or model.name"),
        ("select position, name from layer join model", "layer.name or model.name"),
        ("select name from layer l, model as m where l.id = 1", "l.name or m.name"),
        ("select * from Models", "the table is 'model'"),
        ("select * from main.models", "the table is 'model'"),
        ("layers", 'filterkit query "SELECT * FROM layer"'),
        ("filters;", 'filterkit query "SELECT * FROM filter"'),
        (
            "select * from kernels",
            "the tables are 'model', 'layer', 'filter', 'skipped', 'edge', ",
        ),
        ("select l3_norm from filter", "did you mean 'l2_norm'"),
        ("select f.gabor_explained from filter f", "json_extract(extra, '$.gabor_explained')"),
        ("select receptive_field from filter", "'receptive_field' is a column of 'layer'"),
        ("select layer from filter", "'layer' is a table"),
    ],
)
def test_tables_and_columns_that_are_called_otherwise(run: Run, sql: str, hint: str) -> None:
    code, _, found = run("query", sql).failure
    assert code == 2
    assert hint in found


def test_a_name_with_spaces_that_the_catalog_does_not_know(run: Run) -> None:
    assert commands(run("show", "spaced/no", "layer")) == [["show", "spaced/no layer"]]
    assert commands(run("show", "spaced/no", "layer/0")) == [["show", "spaced/no layer/0"]]


def test_no_command_is_shown_that_would_fail(run: Run) -> None:
    assert commands(run("layers", "./zzz")) == []
    assert commands(run("layers", "zzz//conv")) == []
    assert commands(run("similar", "net/block1_conv1/0", "--invariant", "scale", "zzz")) == []
    expected = [["show", "net/block1_conv1"], ["show", "net/zzz"]]
    assert commands(run("show", "net/block1_conv1", "net/zzz")) == expected  # two are asked for all the same


def test_a_file_that_is_no_model_yet(run: Run) -> None:
    Path("zzznet.onnx").touch()
    for words in (
        ("similar", "zzznet.onnx/0"),
        ("layers", "zzznet.onnx/conv"),
        ("show", "./zzznet.onnx/conv/0"),
    ):
        code, error, hint = run(*words).failure
        assert code == 2
        assert "zzznet.onnx' is a file, but an address is expected here" in error
        assert "zzznet.onnx` adds it to the catalog" in hint
    assert "known: " in run("layers", "qqq.onnx/0").failure[2]
    Path("nest.onnx").touch()  # called nearly as a model that there is
    assert "`filterkit add nest.onnx`" in run("layers", "nest.onnx/conv").failure[2]


def test_an_address_for_remove(run: Run, made: Path, tmp_path: Path) -> None:
    from command_line import copy_catalog

    (tmp_path / "own").mkdir()
    catalog = copy_catalog(made / "catalog.db", tmp_path / "own" / "c.db")
    [words] = commands(run("remove", "net/block1_conv1", "--catalog", catalog), 1)
    assert words == ["remove", "net"]
    assert run(*words, "--catalog", catalog).exit_code == 0


def test_sizes_and_channels_of_a_preprocessing(run: Run, made: Path, tmp_path: Path) -> None:
    add = ("add", made / "net.onnx", "--replace", "--catalog", tmp_path / "own.db", "--preprocessing")
    for size in ("224", "224x200", "224/200", "224X200"):
        assert run(*add, f"torch:size={size}").exit_code == 0, size
    for size in ("0", "-1", "0x4", "4x0", "9459x9460", "100000", "x", "1x2x3", "12.5"):
        code, error, hint = run(*add, f"torch:size={size}").failure
        assert (code, error) == (2, f"option 'size' of preprocessing 'torch' cannot be '{size}'")
        assert "224, 224x200 or 224/200" in hint
    assert run(*add, "torch:size=9459x9459").exit_code == 0
    assert "known: channels, " in run(*add, "unit:foo=1").failure[2]
    assert "'channels'" in run(*add, "unit:channels=RGBX").failure[1]
    assert run(*add, "unit:channel_order=bgr").exit_code == 0


def test_preprocessing_of_what_takes_no_pictures(run: Run, tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "y", name="conv")]
    onnx.save(build(nodes, {"x": [1, 3, 16]}, {"w": random(4, 3, 3)}, ["y"]), tmp_path / "line.onnx")
    ran = run("add", "line.onnx", "--preprocessing", "unit", "--catalog", tmp_path / "own.db")
    assert ran.exit_code == 0
    assert "line takes no pictures: its input is 1 × 3 × 16" in ran.stderr
    assert "no pictures" not in run("add", "line.onnx", "--catalog", tmp_path / "other.db").stderr


def test_a_condition_of_which_a_shell_took_the_end(run: Run) -> None:
    code, _, hint = run("filters", "net", "--where", "l2_norm").failure  # --where l2_norm > 1
    assert (code, hint) == (2, "quote a condition as a whole: --where 'l2_norm > 1'")


def test_pictures_with_spaces(run: Run) -> None:
    ran = run("maps", "net", "my", "photo.png", "photo.png")
    assert ran.failure == (2, "picture my does not exist", "quote names that contain spaces: 'my photo.png'")
    assert run("maps", "net", "spaced", "photo.png").failure[0] == 1


def test_plain_typing_errors_stay_what_they_are(run: Run) -> None:
    for words, hint in (
        (("layers", "nett"), "did you mean 'net'?"),
        (("layers", "net/block1_conv2"), "did you mean 'block1_conv1'?"),
        (("layers", "CLASSIC"), "did you mean 'classic'?"),
        (("layers", "net.onnx"), "did you mean 'net'?"),
        (("layers", "zzz"), "known: classic, net, other.v2, spaced"),
        (("measure", "head"), "known: classic, net, other.v2, spaced"),
        (("measure", "net/head"), "did you mean 'net'?"),
    ):
        assert run(*words).failure[::2] == (1, hint)
    assert run("diff", "net", "other.v2", "x").failure[2] == "known: classic, net, other.v2, spaced"
    assert run("zoo", "x").failure[2] == "see filterkit zoo --help"
    assert run("plugins", "show", "a/b", "c").failure[2] == "see filterkit plugins show --help"


@pytest.mark.parametrize("words", [("layers", "head"), ("layers", "nett"), ("layers", "net/")])
def test_a_hint_is_printed_once(spawn: Run, words: tuple[str, ...]) -> None:
    assert spawn(*words).stderr.count("hint: ") == 1
    debug = spawn(*words, "--debug").stderr
    assert debug.count("hint: ") == 1
    assert debug.count("Traceback") == 1
