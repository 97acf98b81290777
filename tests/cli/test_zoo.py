"""``filterkit zoo``."""

from __future__ import annotations

from command_line import Run


def test_known_networks_with_license_size_and_hash(run: Run) -> None:
    rows = run("zoo", "--format", "json").rows
    assert [row["name"] for row in rows] == [
        "vgg16",
        "open-nsfw",
        "gtcrn",
        "basic-pitch",
        "silero-vad",
        "mnist-cnn",
        "vgg16-hed",
    ]
    assert {"name", "what", "license", "layers", "bytes", "sha256"} <= set(rows[0])
    assert all(len(row["sha256"]) == 64 and row["bytes"] > 0 and row["license"] for row in rows)
    assert 55e6 < rows[0]["bytes"] < 65e6
    assert [row["layers"] for row in rows] == [13, 53, 22, 32, 12, 2, 13]


def test_the_table_fits_a_terminal(run: Run) -> None:
    lines = run("zoo").stdout.splitlines()
    assert lines[0].split()[0] == "name"
    assert {"bytes", "license", "sha256"} <= set(lines[0].split())
    assert any(line.startswith("vgg16") for line in lines)


def test_what_is_on_this_machine(run: Run, monkeypatch: object, spawn: Run, tmp_path: object) -> None:
    ran = spawn("zoo", "--format", "json", FILTERKIT_CACHE=f"{tmp_path}/empty")
    assert not any(row["cached"] for row in ran.rows)
