"""Other formats than ONNX are identified, and the hint says how to convert them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from onnx_graphs import build, node
from PIL import Image
from safetensors.numpy import save

import filterkit
from filterkit.errors import CatalogError, FilterkitError, ImageError, ModelError, NotFoundError
from filterkit.graph.loading.file_kinds import HEAD, TAIL, file_kind
from filterkit.graph.loading.load import load_model
from filterkit.runtime.pictures import read_picture


def length(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + length(number >> 7) if number > 0x7F else bytes([number])


def part(number: int, content: bytes | int) -> bytes:
    """A field of a protobuf message."""
    if isinstance(content, int):
        return length(number << 3) + length(content)
    return length(number << 3 | 2) + length(len(content)) + content


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return content.getvalue()


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, kind)
    return content.getvalue()


def tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return content.getvalue()


def hdf5() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["kernel"] = np.zeros(3)
    return content.getvalue()


def npz() -> bytes:
    content = io.BytesIO()
    np.savez(content, kernel=np.zeros(3))
    return content.getvalue()


TENSORFLOW_NODE = part(
    1, part(1, b"input") + part(2, b"Placeholder") + part(5, part(1, b"dtype") + part(2, b"x"))
)
GRAPH = TENSORFLOW_NODE + part(1, part(1, b"weights") + part(2, b"Const") + part(5, bytes(900)))
SAVED_MODEL = part(1, 1) + part(2, part(1, part(4, b"serve")) + part(2, GRAPH))
META = part(1, part(5, b"2.16.1")) + part(2, GRAPH) + part(3, b"saver")
CORE_ML = part(1, 4) + part(2, part(1, part(1, b"image")) + bytes(9000)) + part(500, bytes(99))
ML_PROGRAM = part(1, 7) + part(2, part(1, part(1, b"image"))) + part(502, bytes(99))
CAFFE = part(1, b"VGG_ILSVRC_16") + part(100, part(1, b"conv1_1") + part(2, b"Convolution") + bytes(900))
LEGACY_TORCH = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
PARENT = b"\x10" + b"\xff" * 9 + b"\x01"
PROTOTXT = 'name: "VGG16"\ninput: "data"\ninput_dim: 1\nlayers {\n  bottom: "data"\n}\n'

KINDS: dict[str, tuple[bytes, str, str]] = {
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 1\n",
        "a Git LFS pointer",
        "git lfs pull",
    ),
    "annex": (b"/annex/objects/SHA256E-s1--4d7a.onnx\n", "a git-annex pointer", "git annex get"),
    "html": (
        b"\n<!DOCTYPE html>\n<html><head><title>GitHub</title></head></html>",
        "a web page",
        "the file itself",
    ),
    "html-2": (b"\xef\xbb\xbf<HTML><BODY>404", "a web page", "the file itself"),
    "xml": (
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "an XML document",
        "the file itself",
    ),
    "json": (b'{"error": "Repository not found"}', "a JSON document", "the file itself"),
    "text": ("Überschrift: no model at all\n".encode() * 999, "a text file", "the file itself"),
    "zip": (zipped("model/model.onnx"), "a zip archive", "unpack it"),
    "gzip": (gzip.compress(b"model"), "a gzip archive", "gunzip"),
    "bzip2": (bz2.compress(b"model"), "a bzip2 archive", "unpack it"),
    "xz": (lzma.compress(b"model"), "an xz archive", "unpack it"),
    "tar": (tar(), "a tar archive", "unpack it"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(99), "a TFLite model", "tf2onnx.convert --tflite file.onnx"),
    "ort": (b"\x1c\0\0\0ORTM" + bytes(99), "a model in ONNX Runtime's own format", "add the .onnx file"),
    "saved model": (SAVED_MODEL, "a TensorFlow SavedModel", "tf2onnx.convert --saved-model"),
    "frozen graph": (GRAPH, "a frozen TensorFlow graph", "tf2onnx.convert --graphdef file.onnx"),
    "meta graph": (META, "a TensorFlow checkpoint", "tf2onnx.convert --checkpoint"),
    "checkpoint index": (
        bytes(99) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb",
        "a TensorFlow checkpoint",
        "--checkpoint",
    ),
    "checkpoint": (b'model_checkpoint_path: "model-7"\n', "a TensorFlow checkpoint", "--checkpoint"),
    "core ml": (CORE_ML, "a Core ML model", "onnxmltools"),
    "core ml program": (ML_PROGRAM, "a Core ML model", "export the original network"),
    "core ml package": (
        zipped("a.mlpackage/Manifest.json"),
        "a Core ML model",
        "export the original network",
    ),
    "openvino": (
        b'<?xml version="1.0"?>\n<net name="a" version="11"><layers/></net>',
        "an OpenVINO network",
        "cannot be converted",
    ),
    "prototxt": (PROTOTXT.encode(), "a Caffe network", "caffe2onnx"),
    "prototxt-2": (f"# VGG\n{PROTOTXT}".encode(), "a Caffe network", "caffe2onnx"),
    "caffemodel": (CAFFE, "a Caffe network", "caffe2onnx"),
    "ncnn": (b"7767517\n3 3\nInput data 0 1 data\n", "an ncnn network", "cannot be converted"),
    "ncnn binary": (b"\xdd\x85\x76\x00" + bytes(99), "an ncnn network", "cannot be converted"),
    "tensorrt": (b"ftrt\0\0\0\0" + bytes(99), "a TensorRT engine", "the file that it was built from"),
    "torch": (zipped("net/data.pkl", "net/version"), "a PyTorch file", "torch.onnx.export"),
    "torch legacy": (LEGACY_TORCH, "a PyTorch file", "filterkit add torch:file.onnx"),
    "pickle": (pickle.dumps({"conv": np.zeros(3)}), "a Python pickle", "torch.onnx.export"),
    "keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "a Keras model", "keras:file.onnx"),
    "hdf5": (hdf5(), "an HDF5 file", "filterkit add keras:file.onnx"),
    "hdf5 weights": (hdf5(), "an HDF5 file", "filterkit add weights:file.onnx"),
    "safetensors": (save({"a": np.zeros(3)}), "a safetensors file", "filterkit add weights:file.onnx"),
    "npz": (npz(), "an archive of NumPy arrays", "filterkit add weights:file.onnx"),
    "darknet": (b"[net]\nbatch=1\n", "a Darknet network", "pytorch-YOLOv4"),
    "darknet, remarks": (b"# YOLO\n; v3\n\n[net]\nbatch=1\n", "a Darknet network", "pytorch-YOLOv4"),
    "darknet weights": (
        struct.pack("<iiiQ", 0, 2, 5, 32013312) + np.ones(9, np.float32).tobytes(),
        "a Darknet network",
        "pytorch-YOLOv4",
    ),
    "paddle": (part(1, part(1, 0) + PARENT + part(3, part(1, b"feed"))), "a PaddlePaddle", "paddle2onnx"),
    "paddle weights": (bytes(16) + struct.pack("<i", 6) + part(1, 5), "a PaddlePaddle", "paddle2onnx"),
    "paddle json": (b'{"base_code":{"magic":"pir","version":1}}', "a PaddlePaddle", "paddle2onnx"),
    "mxnet": (b'{\n  "nodes": [{"op": "null", "name": "data"}]}', "an MXNet network", "mxnet.onnx"),
    "mxnet weights": (struct.pack("<QQ", 0x112, 0) + bytes(99), "an MXNet network", "mxnet.onnx"),
    "flax": (b"\x81\xa6params\x81\xa4conv" + bytes(30), "a MessagePack file", "filterkit add weights:"),
    "matlab": (b"MATLAB 5.0 MAT-file, Platform" + bytes(99), "a MATLAB file", "exportONNXNetwork"),
    "sqlite": (
        b"SQLite format 3\0" + bytes(99),
        "an SQLite database",
        "filterkit models --catalog file.onnx",
    ),
    "elf": (b"\x7fELF" + bytes(99), "compiled code", "cannot be converted"),
    "snpe": (zipped("model", "dlc.metadata"), "a model for Qualcomm", "cannot be converted"),
    "onnx text": (
        b'ir_version: 8\ngraph {\n  node { op_type: "Conv" }\n}\n',
        "an ONNX model in text format",
        "textproto",
    ),
    "python": (b"# model\nimport torch\n", "a Python program", "torch.onnx.export"),
    "html-3": ("<html>".encode("utf-16"), "a web page", "the file itself"),
    **{
        kind: (picture(kind), f"a picture ({kind})", "filterkit maps MODEL/LAYER file.onnx")
        for kind in ("PNG", "JPEG", "GIF", "BMP", "WebP", "TIFF")
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_format_and_conversion_are_named(kind: str, tmp_path: Path) -> None:
    content, what, way = KINDS[kind]
    (tmp_path / "file.onnx").write_bytes(content)
    with filterkit.open(tmp_path / "catalog.db") as bench, pytest.raises(ModelError) as caught:
        bench.add(str(tmp_path / "file.onnx"))
    assert f"file.onnx: not an ONNX model but {what}" in caught.value.message
    assert way in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "beside", "what"),
    [
        ("net.bin", "net.xml", "an OpenVINO network"),
        ("net.bin", "net.param", "an ncnn network"),
        ("net.engine", None, "a TensorRT engine"),
        ("net.mnn", None, "an MNN network"),
        ("net.tmfile", None, "a Tengine network"),
        ("net.onnx.data", None, "external data of an ONNX model"),
        ("net.onnx_data", None, "external data of an ONNX model"),
        ("net.cntk", None, "a CNTK network"),
        ("net.mlmodel", None, "a Core ML model"),
        ("net.data-00000-of-00001", None, "a TensorFlow checkpoint"),
    ],
)
def test_formats_without_magic_numbers_are_identified_by_name(
    name: str, beside: str | None, what: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"\xfe\xff" * 99)
    if beside is not None:
        (tmp_path / beside).touch()
    with pytest.raises(ModelError, match=f"not an ONNX model but {what}"):
        load_model(tmp_path / name)


def test_unknown_formats(tmp_path: Path) -> None:
    for content in (b"\xfe\xff" * 99, b"\x08", bytes(99), b"\xff"):
        (tmp_path / "file.onnx").write_bytes(content)
        assert file_kind(tmp_path / "file.onnx") is None
    assert file_kind(tmp_path) is None and file_kind(tmp_path / "none.onnx") is None


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(SAVED_MODEL)
    (tmp_path / "net.mlpackage").mkdir()
    with filterkit.open(tmp_path / "catalog.db") as bench:
        for name, what, way in (
            ("saved", "SavedModel", "--saved-model saved"),
            ("net.mlpackage", "Core ML", "export"),
        ):
            with pytest.raises(NotFoundError, match=f"is not an ONNX file but a .*{what}") as caught:
                bench.add(str(tmp_path / name))
            assert way in (caught.value.hint or "")


def test_little_of_a_large_file_is_read(tmp_path: Path) -> None:
    """A sparse file of 3 GiB."""
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.write(zipped("net/data.pkl"))
        file.truncate(3 << 30)
    with pytest.raises(ModelError, match="not an ONNX model but a PyTorch file"):
        load_model(path)
    path.write_bytes(b"PK\x03\x04" + bytes(HEAD) + b"net/data.pkl" + bytes(TAIL))
    assert file_kind(path).what == "a zip archive"  # type: ignore[union-attr]


def test_onnx_files_are_not_identified_as_something_else(tmp_path: Path) -> None:
    """Even where names in them look like another format."""
    model = build([node("Relu", "x", "y")], {"x": [1]})
    model.producer_name = "<html>"
    (tmp_path / "file.onnx").write_bytes(model.SerializeToString())
    assert load_model(tmp_path / "file.onnx").producer_name == "<html>"
    (tmp_path / "file.onnx").write_bytes(onnx.ModelProto(ir_version=8).SerializeToString())
    with pytest.raises(ModelError, match="contains no graph with nodes"):
        load_model(tmp_path / "file.onnx")


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: data + os.urandom(64), lambda data: data[:40]]
)
@pytest.mark.parametrize(
    "kind", ["saved model", "core ml", "caffemodel", "zip", "frozen graph", "safetensors"]
)
def test_corrupted_files_are_refused_in_one_line(
    kind: str, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    (tmp_path / "file.onnx").write_bytes(damage(KINDS[kind][0]))
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "file.onnx")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("kind", ["lfs", "html", "torch", "gzip"])
@pytest.mark.parametrize("suffix", ["safetensors", "npz", "h5", "hdf5", "txt"])
def test_weights_files_of_another_format(kind: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"net.{suffix}").write_bytes(KINDS[kind][0])
    with filterkit.open(tmp_path / "catalog.db") as bench, pytest.raises(FilterkitError) as caught:
        bench.add(f"weights:{tmp_path}/net.{suffix}")
    assert caught.value.message.startswith(f"net.{suffix} is not a weights file but {KINDS[kind][1]}")


def test_json_of_a_tensorflow_js_model(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"format": "layers-model", "modelTopology": {}}))
    assert file_kind(tmp_path / "model.json").what == "a TensorFlow.js model"  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "way"), [("html", "the file itself"), ("lfs", "git lfs"), ("torch", "PNG")])
def test_pictures_of_another_format(kind: str, way: str, tmp_path: Path) -> None:
    content, what, _ = KINDS[kind]
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(ImageError, match=f"photo.png is not a picture but {what}") as caught:
        read_picture(tmp_path / "photo.png")
    assert way in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["html", "lfs", "torch", "caffemodel", "PNG"])
def test_catalogs_and_weights_of_another_format(kind: str, tmp_path: Path) -> None:
    content, what, _ = KINDS[kind]
    what = what.replace("(", r"\(").replace(")", r"\)")
    (tmp_path / "file.onnx").write_bytes(content)
    with (
        pytest.raises(CatalogError, match=f"is not a catalog but {what}"),
        filterkit.open(tmp_path / "file.onnx") as bench,
    ):
        bench.models()
    with filterkit.open(tmp_path / "catalog.db") as bench, pytest.raises(FilterkitError) as caught:
        bench.add(f"weights:{tmp_path / 'file.onnx'}")
    assert "file.onnx is not a weights file but " in caught.value.message
    assert caught.value.hint
