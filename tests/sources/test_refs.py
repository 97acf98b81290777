"""What users type to name a model."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.errors import UsageError
from filterkit.sources.refs import boolean, read_options, split_options, split_ref

SCHEMES = ("onnx", "keras", "wheel", "zoo", "classic", "gabor")
KNOWN = ("vgg16", "open-nsfw", "mnist-cnn")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vgg16", ("zoo", "vgg16")),
        ("zoo:vgg16", ("zoo", "vgg16")),
        ("classic", ("classic", "")),
        ("gabor?size=7&seed=1", ("gabor", "?size=7&seed=1")),
        ("gabor:?size=7", ("gabor", "?size=7")),
        ("keras:VGG16?weights=none", ("keras", "VGG16?weights=none")),
        ("keras:some folder/model.keras", ("keras", "some folder/model.keras")),
        ("wheel:a==1!b/c.onnx#sha256=0", ("wheel", "a==1!b/c.onnx#sha256=0")),
        ("some-plugin/gabor:?size=7", ("some-plugin/gabor", "?size=7")),
        ("onnx:model.onnx", ("onnx", "model.onnx")),
        ("onnx:model.pb", ("onnx", "model.pb")),
        ("model.onnx", ("onnx", "model.onnx")),
        ("MODEL.ONNX", ("onnx", "MODEL.ONNX")),
        ("./vgg16", ("onnx", "./vgg16")),
        ("folder/model", ("onnx", "folder/model")),
        ("C:\\models\\net.onnx", ("onnx", "C:\\models\\net.onnx")),
        ("odd:name.onnx", ("onnx", "odd:name.onnx")),
    ],
)
def test_splits(text: str, expected: tuple[str, str]) -> None:
    assert split_ref(text, SCHEMES, KNOWN) == expected


def test_a_file_that_exists_needs_no_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("network", "od:d"):
        Path(name).touch()
        assert split_ref(name, SCHEMES, KNOWN) == ("onnx", name)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("vgg61", "neither a known model", "'vgg16'"),
        ("kers:VGG16", "'kers' is not a model source", "'keras'"),
        ("clasic", "neither a known model", "'classic'"),
        ("https://example.org/a.onnx", "filterkit does not open", "download the file first"),
        ("", "no model given", "vgg16"),
        ("model.keras", "a Keras file", "keras:model.keras"),
        (
            "nets/model.pth",
            "a PyTorch file",
            "install the plugin filterkit-torch, then: filterkit add torch:",
        ),
    ],
)
def test_says_what_was_probably_meant(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        split_ref(text, SCHEMES, KNOWN)
    assert hint in (caught.value.hint or "")


def test_where_the_plugin_is_there_it_is_not_named() -> None:
    with pytest.raises(UsageError, match=r"'net\.pt2' is a PyTorch file") as caught:
        split_ref("net.pt2", (*SCHEMES, "torch"))
    assert caught.value.hint == "filterkit add torch:net.pt2"


@pytest.mark.parametrize(
    "name", ["m.safetensors", "m.npz", "m.h5", "m.weights.h5", "m.keras", "m.pth", "m.pt2"]
)
@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "a Git LFS pointer",
            "git lfs",
        ),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page", "download the file itself"),
        (b"GIF89a" + bytes(50), "a picture", "filterkit maps"),
    ],
)
def test_a_file_is_named_by_its_first_bytes(
    name: str, content: bytes, what: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"{name}' is {what}") as caught:
        split_ref(str(tmp_path / name), SCHEMES, KNOWN)
    assert hint in (caught.value.hint or "")


def test_a_file_of_its_kind_is_named_as_before(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    content = len(header).to_bytes(8, "little") + header
    for name, words, hint in (
        ("m.safetensors", "contains weights without a network", "add weights:{path}"),
        ("m.pth", "is a safetensors file", "rename it to m.safetensors"),
        ("m.npz", "is a safetensors file", "rename it to m.safetensors"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=words) as caught:
            split_ref(str(tmp_path / name), SCHEMES, KNOWN)
        assert hint.format(path=tmp_path / name) in (caught.value.hint or "")


WORDS = st.text(min_size=1, max_size=12)


@given(name=WORDS, options=st.dictionaries(WORDS, st.text(max_size=12), max_size=4))
def test_options_survive_quoting(name: str, options: dict[str, str]) -> None:
    query = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in options.items())
    assert split_options(f"{quote(name, safe='')}?{query}") == (name, options)


@pytest.mark.parametrize("text", ["VGG16?weights", "VGG16?=none", "VGG16?seed=1&seed=2"])
def test_refuses_malformed_options(text: str) -> None:
    with pytest.raises(UsageError):
        split_options(text)


def test_reads_options_by_type() -> None:
    readers = {"seed": int, "top": boolean, "weights": str, "low": float}
    given_ = {"seed": "3", "top": "false", "weights": "none"}
    assert read_options(given_, readers, of="it") == {"seed": 3, "top": False, "weights": "none"}
    with pytest.raises(UsageError, match="has no option 'sed'") as caught:
        read_options({"sed": "3"}, readers, of="it")
    assert "'seed'" in (caught.value.hint or "")
    for key, value in (("seed", "three"), ("top", "maybe"), ("low", "")):
        with pytest.raises(UsageError, match=f"invalid option {key}={value} of it"):
            read_options({key: value}, readers, of="it")
