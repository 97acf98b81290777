"""Forms: with a token, bounded while they are read, in memory only; and the pictures that were uploaded."""

from __future__ import annotations

import io
import os
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from explorer import Answer, Explorer, exploring, multipart
from PIL import Image

from filterkit.errors import NotFoundError
from filterkit.web import uploads
from filterkit.web.forms import LARGEST_FILE, LONGEST_FIELD, MOST_FIELDS
from filterkit.web.uploads import SAMPLES, Uploads

SCENE = (SAMPLES / "scene.png").read_bytes()
ADDRESS = "classic/edge_sobel_x"


@pytest.fixture(scope="module")
def explorer(classic_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """An explorer whose folder of temporary files is empty and its own."""
    folder = tmp_path_factory.mktemp("temporary")
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        with exploring(classic_catalog) as made:
            made.temporary = folder
            yield made
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)


def with_padding(size: int) -> bytes:
    """A PNG of exactly this many bytes: what follows its end is ignored by everybody."""
    return SCENE + bytes(size - len(SCENE))


def parts(explorer: Explorer, *more: tuple[str, str | None, bytes]) -> Answer:
    kind, body = multipart([("csrf", None, explorer.csrf.encode()), *more])
    return explorer.send("POST", "/maps", body, Content_Type=kind)


def test_a_form_needs_its_token(explorer: Explorer) -> None:
    paths = ("/maps", "/m/classic/edge_sobel_x/0/visualization", "/jobs/x/cancel", "/add", "/remove")
    for path in paths[1:3]:
        for token in ("", "x", explorer.csrf + "x", explorer.csrf[:-1], "é"):
            refused = explorer.post(path, {}, csrf=token)
            assert refused.status == 403
            assert "no valid token" in refused.text
    for token in ("", "x"):
        assert explorer.upload(SCENE, csrf=token).status == 403
    own = f"http://{explorer.host}:{explorer.port}"
    for path in paths:  # a token alone is not enough either
        body = f"csrf={explorer.csrf}".encode()
        kind = "application/x-www-form-urlencoded"
        for origin in (None, "null", "http://example.org"):
            assert explorer.send("POST", path, body, Content_Type=kind, Origin=origin).status == 403
        assert (
            explorer.send(
                "POST", path, body, Content_Type=kind, Origin=own, Sec_Fetch_Site="same-site"
            ).status
            == 403
        )


def test_the_token_is_new_each_time(explorer: Explorer, classic: Explorer) -> None:
    assert explorer.csrf != classic.csrf
    assert explorer.csrf not in explorer.cookie


def test_an_uploaded_picture_has_maps(explorer: Explorer) -> None:
    answer = explorer.upload(SCENE, address=ADDRESS)
    assert answer.status == 303
    explorer.get(f"{answer.headers['Location']}&format=json")  # waits for it
    page = explorer.get(answer.headers["Location"])
    assert page.status == 200
    assert "picture.png, 256 × 256 pixels" in page.text
    own = explorer.get(f"{answer.headers['Location']}&format=json").json
    sample = explorer.get(f"/maps?picture=scene&address={ADDRESS}&format=json").json
    assert own == sample


@pytest.mark.parametrize(
    ("size", "status"), [(LARGEST_FILE, 303), (LARGEST_FILE + 1, 413), (LARGEST_FILE * 2, 413)]
)
def test_pictures_have_a_limit(explorer: Explorer, size: int, status: int) -> None:
    answer = explorer.upload(with_padding(size))
    assert answer.status == status
    assert ("larger than 20 MB" in answer.text) == (status == 413)


def test_nothing_is_written_to_a_disk(explorer: Explorer) -> None:
    """The process has no file open but those of the catalog, however large what is being sent."""
    kind, body = multipart([("csrf", None, explorer.csrf.encode()), ("file", "a.png", with_padding(10**7))])
    opened = Path(f"/proc/{explorer.process.pid}/fd")
    before = {*explorer.temporary.iterdir(), explorer.temporary / ".ses"}  # that of onnxruntime
    with socket.create_connection((explorer.host, explorer.port), timeout=60) as sending:
        sending.sendall(head(explorer, kind, len(body)) + body[:-1000])
        time.sleep(0.5)
        assert set(explorer.temporary.iterdir()) <= before
        if opened.exists():  # files without a name, as those of the module tempfile
            files = [str(each.readlink()) for each in opened.iterdir() if each.exists()]
            assert [each for each in files if "(deleted)" in each or str(explorer.temporary) in each] == []
        sending.sendall(body[-1000:])
        assert b" 303 " in sending.recv(100)
    assert set(explorer.temporary.iterdir()) <= before


def head(explorer: Explorer, kind: str, length: int | None, path: str = "/maps") -> bytes:
    own = f"{explorer.host}:{explorer.port}"
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (
        f"POST {path} HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\nCookie: {explorer.cookie}\r\n"
        f"Content-Type: {kind}\r\n{size}\r\n\r\n"
    ).encode()


def test_an_endless_body_is_refused(explorer: Explorer) -> None:
    """It has no length, and never ends."""
    kind, body = multipart([("csrf", None, explorer.csrf.encode()), ("file", "a.png", b"")])
    start, block = body[:-14], bytes(10**6)
    with socket.create_connection((explorer.host, explorer.port), timeout=60) as sending:
        sending.sendall(head(explorer, kind, None) + f"{len(start):x}\r\n".encode() + start + b"\r\n")
        with pytest.raises(OSError):  # it was closed
            while True:
                sending.sendall(f"{len(block):x}\r\n".encode() + block + b"\r\n")
    assert explorer.get("/").status == 200


def test_a_length_that_is_a_lie(explorer: Explorer) -> None:
    kind, body = multipart([("csrf", None, explorer.csrf.encode()), ("file", "a.png", SCENE)])
    for length in (10, len(body) - 20):  # shorter: the form has no end
        with socket.create_connection((explorer.host, explorer.port), timeout=60) as sending:
            sending.sendall(head(explorer, kind, length) + body)
            assert sending.recv(100).split(b" ")[1] in (b"400", b"403")
    with socket.create_connection((explorer.host, explorer.port), timeout=60) as sending:
        sending.sendall(head(explorer, kind, 10**12) + body)  # longer: it waits, but for no other request
        assert explorer.get("/").status == 200


def test_a_browser_that_leaves_while_it_sends(explorer: Explorer) -> None:
    kind, body = multipart([("csrf", None, explorer.csrf.encode()), ("file", "a.png", with_padding(10**6))])
    for _ in range(5):  # more than are read at a time
        with socket.create_connection((explorer.host, explorer.port), timeout=60) as sending:
            sending.sendall(head(explorer, kind, len(body)) + body[: len(body) // 2])
    deadline = time.monotonic() + 30
    while explorer.upload(SCENE).status == 503:
        assert time.monotonic() < deadline
    assert explorer.upload(SCENE).status == 303


def test_few_pictures_are_received_at_a_time(explorer: Explorer) -> None:
    kind, body = multipart([("csrf", None, explorer.csrf.encode()), ("file", "a.png", SCENE)])
    with (
        socket.create_connection((explorer.host, explorer.port), timeout=60) as one,
        socket.create_connection((explorer.host, explorer.port), timeout=60) as two,
    ):
        for each in (one, two):
            each.sendall(head(explorer, kind, len(body)) + body[:-10])
        deadline = time.monotonic() + 30
        while (answer := explorer.upload(SCENE)).status != 503:
            assert time.monotonic() < deadline
        assert "too many pictures are being sent" in answer.text
        for each in (one, two):
            each.sendall(body[-10:])
            assert b" 303 " in each.recv(100)


def test_many_parts_and_fields(explorer: Explorer) -> None:
    fields = [(f"field{number}", None, b"x") for number in range(MOST_FIELDS - 1)]
    assert parts(explorer, *fields, ("file", "a.png", SCENE)).status == 303
    assert parts(explorer, *fields, ("more", None, b""), ("file", "a.png", SCENE)).status == 400
    assert parts(explorer, ("file", "a.png", SCENE), ("file", "b.png", SCENE)).status == 400
    assert (
        parts(explorer, ("address", None, b"x" * (LONGEST_FIELD + 1)), ("file", "a.png", SCENE)).status == 400
    )
    assert parts(explorer, *([("x", None, b"")] * 100_000)).status == 400


@pytest.mark.parametrize("name", ["x" * 10**6, "../../etc/passwd", "<script>.png", "\u202e.png", "a\\b", ""])
def test_names_of_files_are_only_shown(explorer: Explorer, name: str) -> None:
    answer = explorer.upload(SCENE, name)
    assert answer.status in (303, 400)
    if answer.status == 303:
        text = explorer.get(answer.headers["Location"]).text
        assert "<script>.png" not in text
        assert "\u202e" not in text
        assert len(text) < 10**5


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--"),
        ("text/plain", b"csrf=x"),
        ("application/json", b"{}"),
        ("", b""),
    ],
)
def test_what_is_no_form(explorer: Explorer, kind: str, body: bytes) -> None:
    assert explorer.send("POST", "/maps", body, Content_Type=kind).status in (400, 403)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says that it has many pixels."""
    import struct

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no picture was chosen"),
        (b"not a picture", "is not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
        (SCENE[:3000], "the picture"),
        (bomb(10**5, 10**5), "more pixels than the limit"),
    ],
)
def test_what_is_no_picture(explorer: Explorer, content: bytes, words: str) -> None:
    answer = explorer.upload(content)
    assert answer.status == 400
    assert words in answer.text
    assert explorer.get("/").status == 200


def test_other_kinds_of_pictures(explorer: Explorer) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 4), np.uint8)
    for format, mode in (("JPEG", "L"), ("WEBP", "RGBA"), ("TIFF", "RGB"), ("GIF", "P")):
        out = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(out, format)
        answer = explorer.upload(out.getvalue(), f"a.{format}")
        assert "30 × 40 pixels" in explorer.get(answer.headers["Location"]).text


def test_few_pictures_are_kept_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Uploads()
    keys = [kept.add(f"{number}", b"x") for number in range(uploads.MOST)]
    assert len(set(keys)) == uploads.MOST
    kept.find(keys[0])
    assert kept.expire()
    more = kept.add("more", b"x")  # the one that was not used for longest goes
    assert kept.find(keys[0]).name == "0"
    with pytest.raises(NotFoundError):
        kept.find(keys[1])
    monkeypatch.setattr(uploads, "SECONDS", -1.0)
    assert not kept.expire()
    with pytest.raises(NotFoundError):
        kept.find(more)
    assert kept.find("scene").content == SCENE
    for name in ("scene.png", "../samples/scene", "", "patterns/../scene"):
        with pytest.raises(NotFoundError):
            kept.find(name)
