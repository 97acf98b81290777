"""Identify other file formats by their first bytes, and say how to convert them to ONNX."""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

HEAD, TAIL = 1 << 12, 1 << 16
"""Bytes read at the beginning, and at the end of an archive, where its contents are listed."""

MOST_FIELDS = 8
"""How many fields of a protobuf message are examined."""


class FileKind(NamedTuple):
    """A description of a format, with its article, and what to do; ``{file}`` stands for the file name."""

    what: str
    hint: str


FETCH = "download the file itself, not the page that shows it"
_UNPACK = "unpack it, and add the .onnx file that it contains, if any"
_EXPORT_ORIGINAL = "it cannot be converted to ONNX: export the original network instead"
_TORCH = "torch.onnx.export writes ONNX; or, with the plugin filterkit-torch: filterkit add torch:{file}"
_FROM_TF = "pip install tf2onnx; python -m tf2onnx.convert"
_WEIGHTS = "it contains weights without their network: filterkit add weights:{file}"
_DARKNET = "demo_darknet2onnx.py of pytorch-YOLOv4 converts the .cfg and .weights files to ONNX"
_PADDLE = "pip install paddle2onnx; paddle2onnx --model_dir FOLDER --model_filename … --save_file model.onnx"
_CAFFE = "caffe2onnx or MMdnn converts the .prototxt and .caffemodel files to ONNX"
_PICTURE = "to run a network from the catalog on it: filterkit maps MODEL/LAYER {file}"

LFS = FileKind("a Git LFS pointer to the model", "fetch the model itself: git lfs pull")
HTML = FileKind("a web page (HTML)", FETCH)
ZIP = FileKind("a zip archive", _UNPACK)
HDF5 = FileKind(
    "an HDF5 file, as written by Keras",
    "filterkit add keras:{file}, or, if it contains only weights: filterkit add weights:{file}",
)
KERAS = FileKind("a Keras model", "filterkit add keras:{file}")
PYTORCH = FileKind("a PyTorch file", _TORCH)
PICKLE = FileKind("a Python pickle, as written by older versions of PyTorch", _TORCH)
SAFETENSORS = FileKind("a safetensors file", _WEIGHTS)
NUMPY = FileKind("an archive of NumPy arrays", _WEIGHTS)
SAVED_MODEL = FileKind(
    "a TensorFlow SavedModel",
    f"{_FROM_TF} --saved-model FOLDER --output model.onnx, where FOLDER contains it",
)
FROZEN = FileKind(
    "a frozen TensorFlow graph",
    f"{_FROM_TF} --graphdef {{file}} --inputs … --outputs … --output model.onnx",
)
CHECKPOINT = FileKind(
    "a TensorFlow checkpoint",
    f"{_FROM_TF} --checkpoint MODEL.meta --inputs … --outputs … --output model.onnx",
)
CORE_ML = FileKind(
    "a Core ML model",
    "export the original network to ONNX; onnxmltools converts older Core ML networks",
)
OPENVINO = FileKind("an OpenVINO network", _EXPORT_ORIGINAL)
CAFFE = FileKind("a Caffe network", _CAFFE)
NCNN = FileKind("an ncnn network", _EXPORT_ORIGINAL)
DARKNET = FileKind("a Darknet network", _DARKNET)
PADDLE = FileKind("a PaddlePaddle network", _PADDLE)
MXNET = FileKind("an MXNet network", "mxnet.onnx.export_model converts the .json and .params files to ONNX")
DATA = FileKind("external data of an ONNX model", "add the .onnx file that refers to it")
ANNEX = FileKind("a git-annex pointer to the model", "fetch the model itself: git annex get")
NOT_THE_FILE = (LFS.hint, ANNEX.hint, FETCH)
"""Hints for placeholders of a file, of whatever format the file itself is."""
ENGINE = FileKind("a TensorRT engine", "it cannot be converted to ONNX: add the file that it was built from")

MAGIC: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"version https://git-lfs.github.com/spec/", LFS),
    (0, b"/annex/objects/", ANNEX),
    (4, b"TFL3", FileKind("a TFLite model", f"{_FROM_TF} --tflite {{file}} --output model.onnx")),
    (
        4,
        b"ORTM",
        FileKind("a model in ONNX Runtime's own format", "add the .onnx file that it was converted from"),
    ),
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"ftrt", ENGINE),
    (0, b"ptrt", ENGINE),
    (0, b"\xdd\x85\x76\x00", NCNN),
    (0, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", PYTORCH),
    (0, b"\x12\x01\x00\x00\x00\x00\x00\x00", MXNET),
    (0, b"MATLAB 5.0 MAT-file", FileKind("a MATLAB file", "exportONNXNetwork in MATLAB writes ONNX")),
    (
        0,
        b"SQLite format 3\x00",
        FileKind("an SQLite database", "if it is a filterkit catalog: filterkit models --catalog {file}"),
    ),
    (0, b"\x7fELF", FileKind("compiled code (ELF)", _EXPORT_ORIGINAL)),
    (
        0,
        b"\x93NUMPY",
        FileKind("a NumPy array", "save named arrays with numpy.savez: filterkit add weights:FILE.npz"),
    ),
    (0, b"GGUF", FileKind("a GGUF file", _EXPORT_ORIGINAL)),
    (0, b"RKNN", FileKind("a model for Rockchip's NPU", _EXPORT_ORIGINAL)),
    (
        0,
        b"\x1f\x8b",
        FileKind("a gzip archive", "unpack it first: gunzip, or tar -xzf for a .tar.gz"),
    ),
    (0, b"BZh", FileKind("a bzip2 archive", _UNPACK)),
    (0, b"\xfd7zXZ\x00", FileKind("an xz archive", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", FileKind("a Zstandard archive", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("a 7-Zip archive", _UNPACK)),
    (0, b"Rar!\x1a\x07", FileKind("a RAR archive", _UNPACK)),
    (257, b"ustar", FileKind("a tar archive", _UNPACK)),
    (0, b"%PDF-", FileKind("a PDF document", FETCH)),
    (0, b"\x89PNG\r\n\x1a\n", FileKind("a picture (PNG)", _PICTURE)),
    (0, b"\xff\xd8\xff", FileKind("a picture (JPEG)", _PICTURE)),
    (0, b"GIF8", FileKind("a picture (GIF)", _PICTURE)),
    (0, b"BM", FileKind("a picture (BMP)", _PICTURE)),
    (8, b"WEBP", FileKind("a picture (WebP)", _PICTURE)),
    (0, b"II*\x00", FileKind("a picture (TIFF)", _PICTURE)),
    (0, b"MM\x00*", FileKind("a picture (TIFF)", _PICTURE)),
)
"""Magic numbers: an offset, the bytes at this offset, and the format."""

ZIPPED: tuple[tuple[bytes, FileKind], ...] = (
    (b"model.weights.h5", KERAS),
    (b"/data.pkl", PYTORCH),
    (b"archive_format", PYTORCH),
    (b"Manifest.json", CORE_ML),
    (b"saved_model.pb", FileKind("a zipped TensorFlow SavedModel", f"unpack it; {SAVED_MODEL.hint}")),
    (b"dlc.metadata", FileKind("a model for Qualcomm's SNPE", _EXPORT_ORIGINAL)),
    (b".npy", NUMPY),
)
"""Names of members that identify a kind of zip archive."""

TEXTS: tuple[tuple[str, FileKind], ...] = (
    (r"(?i)(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", HTML),
    (r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<net\b", OPENVINO),
    (r"<\?xml|<Error>", FileKind("an XML document, perhaps an error from a web server", FETCH)),
    (r"7767517\s", NCNN),
    (r"model_checkpoint_path:", CHECKPOINT),
    (r"[^{]*\bmodelTopology\b|\{[^}]*\"modelTopology\"", FileKind("a TensorFlow.js model", _EXPORT_ORIGINAL)),
    (r"(\s*[#;][^\n]*\n)*\s*\[net(work)?\]", DARKNET),
    (r"\{\s*\"base_code\"", PADDLE),
    (r"\{\s*\"nodes\"\s*:.*\"op\"", MXNET),
    (
        r"(ir_version|opset_import|producer_name)\s*[:{]|<\s*ir_version",
        FileKind(
            "an ONNX model in text format",
            "onnx.save(onnx.load('{file}', format='textproto'), 'model.onnx') converts it to binary",
        ),
    ),
    (
        r"(#[^\n]*\s+)*(import|from)\s+\w[\w.]*(\s|$)|#!.*python",
        FileKind("a Python program", "export its network to ONNX, e.g. with torch.onnx.export"),
    ),
    (r"(#[^\n]*\s+)*(name|layers?|input|force_backward)\s*[:{]", CAFFE),
    (r"[\[{]", FileKind("a JSON document", FETCH)),
)
"""Patterns at the beginning of text files."""

BINARY: tuple[tuple[bytes, FileKind], ...] = (
    (rb"\x80[\x02-\x05](c|\}|\]|\x95)", PICKLE),
    (rb"\0{4}[\x01\x02]\0{3}[\0-\x09]\0{3}", DARKNET),  # weights: their version, 0.1.0 to 0.2.9
    (rb"\0{16}[\x04-\x7f]\0{3}\x08", PADDLE),  # weights: a tensor's version and description
    (
        rb"[\x81-\x8f][\xa1-\xbf][A-Za-z_]",
        FileKind(
            "a MessagePack file, as written by Flax",
            "save named arrays with numpy.savez: filterkit add weights:FILE.npz",
        ),
    ),
)
"""Patterns at the beginning of binary files."""

SUFFIXES: tuple[tuple[tuple[str, ...], FileKind], ...] = (
    ((".engine", ".plan", ".trt"), ENGINE),
    ((".mlmodel",), CORE_ML),
    ((".mnn",), FileKind("an MNN network", _EXPORT_ORIGINAL)),
    ((".weights",), DARKNET),
    ((".pdiparams", ".pdparams"), PADDLE),
    ((".uff",), FileKind("a network for TensorRT (UFF)", _EXPORT_ORIGINAL)),
    ((".tmfile",), FileKind("a Tengine network", _EXPORT_ORIGINAL)),
    (
        (".cntk",),
        FileKind("a CNTK network", "Function.save(FILE, format=ModelFormat.ONNX) of CNTK writes ONNX"),
    ),
    ((".onnx.data", ".onnx_data", ".onnx.bin"), DATA),
)
"""Suffixes of formats that have no magic number."""


def file_kind(path: Path, content: bytes | None = None) -> FileKind | None:
    """The format of the file at `path`, if it is a known one other than ONNX; None otherwise.

    At most HEAD bytes at its beginning, TAIL at its end and a few in between are read; of `content` instead,
    if the file is in memory.
    """
    try:
        with path.open("rb") if content is None else io.BytesIO(content) as file:
            found = _kind(file, path)
    except (OSError, ValueError):
        return None
    return found and FileKind(found.what, found.hint.replace("{file}", path.name))


def folder_kind(path: Path) -> FileKind | None:
    """The format of a folder that is a model of another framework; None for any other folder."""
    if (path / "saved_model.pb").is_file():
        hint = f"{_FROM_TF} --saved-model {path.name} --output model.onnx"
        return FileKind(SAVED_MODEL.what, hint)
    if path.suffix.lower() in (".mlpackage", ".mlmodelc"):
        return CORE_ML
    return None


def _kind(file: BinaryIO, path: Path) -> FileKind | None:
    head = file.read(HEAD)
    for place, magic, kind in MAGIC:
        if head.startswith(magic, place):
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(file, head)
    if head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 1 << 32:
        return SAFETENSORS
    for pattern, kind in BINARY:
        if re.match(pattern, head, re.DOTALL):
            return kind
    return _text_kind(head) or _message_kind(file) or _from_end_or_name(file, path)


def _zip_kind(file: BinaryIO, head: bytes) -> FileKind:
    file.seek(max(file.seek(0, 2) - TAIL, 0))
    names = head + file.read(TAIL)
    return next((kind for name, kind in ZIPPED if name in names), ZIP)


def _text_kind(head: bytes) -> FileKind | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "ignore").encode()
    try:
        text = head[:-3].decode("utf-8") if len(head) == HEAD else head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 6:
            return None
        text = head[: error.start].decode("utf-8")
    text = text.lstrip("\ufeff \t\r\n")
    if not text or any(mark < " " and mark not in "\t\r\n" for mark in text):
        return None
    known = (kind for pattern, kind in TEXTS if re.match(pattern, text, re.DOTALL))
    return next(known, FileKind("a text file", FETCH))


def _message_kind(file: BinaryIO) -> FileKind | None:
    """Identify a protobuf message by the numbers of its first fields."""
    fields = list(_fields(file))
    numbers = [number for number, _, _ in fields]
    if numbers[:2] == [1, 2] and any(200 <= number < 3000 for number in numbers[2:]):
        return CORE_ML  # Model: version, description, and one field per type of model
    if 100 in numbers and set(numbers) <= {1, 2, 3, 4, 5, 6, 7, 8, 100}:
        return CAFFE  # NetParameter: name and layers
    if numbers[:1] == [1] and set(numbers) <= {1, 4, 5} and fields[0][2].startswith(_FIRST_BLOCK):
        return PADDLE  # ProgramDesc: blocks
    if numbers and set(numbers) <= {1, 2, 3, 4} and any(_is_node(data) for _, _, data in fields):
        return FROZEN  # GraphDef: nodes
    if numbers[:2] != [1, 2] or not fields[1][2].startswith(b"\x0a"):
        return None
    if fields[0][1] == 1:
        return SAVED_MODEL  # SavedModel: version 1, and meta graphs
    inside = re.sub(rb"\A\x0a[\x80-\xff]{0,9}[\x00-\x7f]", b"", fields[1][2])
    return CHECKPOINT if _is_node(inside) else None  # MetaGraphDef: meta info and graph


_FIRST_BLOCK = b"\x08\x00\x10" + b"\xff" * 9 + b"\x01"
"""How the first block of a PaddlePaddle network begins: index 0, parent index -1."""


def _is_node(data: bytes) -> bool:
    """Whether a message begins like a TensorFlow node: with its name and its operator."""
    return re.match(rb"\x0a[\x01-\x7f][\w./:\-]+\x12[\x01-\x40][A-Z]\w+", data) is not None


def _fields(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Number, value or length, and first bytes of each of the first fields of a protobuf message."""
    size, place = file.seek(0, 2), 0
    for _ in range(MOST_FIELDS):
        file.seek(place)
        data = file.read(128)
        try:
            tag, start = varint(data, 0)
            value, start = varint(data, start)
        except ValueError:
            return
        if tag & 7 not in (0, 2) or tag < 8:
            return
        place += start + (value if tag & 7 == 2 else 0)
        if place > size:
            return
        yield tag >> 3, value, data[start:]
        if place == size:
            return


def _from_end_or_name(file: BinaryIO, path: Path) -> FileKind | None:
    """Identify a file by its last bytes or its name."""
    file.seek(max(file.seek(0, 2) - 8, 0))
    name = path.name.lower()
    if file.read(8) == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb" or re.search(r"\.data-\d+-of-\d+$", name):
        return CHECKPOINT
    if name.endswith(".bin") and path.with_suffix(".xml").is_file():
        return OPENVINO
    if name.endswith(".bin") and path.with_suffix(".param").is_file():
        return NCNN
    return next((kind for suffixes, kind in SUFFIXES if name.endswith(suffixes)), None)


LONGEST_VARINT = 10
"""Bytes of a 64-bit integer at seven bits per byte, lowest bits first."""


def varint(data: bytes | mmap.mmap, place: int) -> tuple[int, int]:
    """Decode the varint at `place`; return it and the place after it. Raises ValueError if it is invalid."""
    value = 0
    for shift, byte in enumerate(data[place : place + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, place + shift + 1
    raise ValueError("not a varint")
