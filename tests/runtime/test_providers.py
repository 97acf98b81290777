"""What can really be run on, without a word of ONNX Runtime's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from filterkit.errors import RuntimeFailure, UsageError
from filterkit.runtime.providers import choose, probe


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_a_probe_is_silent_and_says_what_works() -> None:
    done = python("import json; from filterkit.runtime.providers import probe; print(json.dumps(probe()))")
    assert done.stderr == ""
    found = json.loads(done.stdout)  # nothing but the answer
    assert found["cpu"] == {"usable": True, "reason": None}
    assert found["cuda"]["usable"] == (found["cuda"]["reason"] is None)
    assert found == probe()


def test_onnx_runtime_keeps_no_number_of_this_computer(tmp_path: Path) -> None:
    folder = {"TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}
    unset = "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None); "
    code = "from filterkit.runtime.providers import onnx_runtime; onnx_runtime()"
    assert python(unset + code, **folder).returncode == 0
    assert [*tmp_path.iterdir()] == []
    asked = "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert python(f"{code}; {asked}", ORT_DISABLE_TELEMETRY="0").stdout == "0\n"  # who wants it may have it


def test_auto_takes_what_works() -> None:
    expected = "cuda" if probe()["cuda"]["usable"] else "cpu"
    assert choose("auto").name == expected
    assert choose("cpu") == ("cpu", ("CPUExecutionProvider",))


def test_cuda_that_does_not_work_is_refused_with_the_reason() -> None:
    if probe()["cuda"]["usable"]:
        pytest.skip("CUDA works here")
    with pytest.raises(RuntimeFailure) as caught:
        choose("cuda")
    assert str(probe()["cuda"]["reason"]) in caught.value.message
    assert "pip install 'cnn-filterkit[cuda]'" in str(caught.value.hint)


@pytest.mark.gpu
def test_cuda_that_works_is_taken() -> None:
    if not probe()["cuda"]["usable"]:
        pytest.skip(str(probe()["cuda"]["reason"]))
    assert choose("cuda").providers[0] == "CUDAExecutionProvider"


def test_unknown_providers_are_wrong_use() -> None:
    with pytest.raises(UsageError, match="unknown provider 'cudda'") as caught:
        choose("cudda")
    assert "'cuda'" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "onnxruntime and onnxruntime-gpu overwrite each other"),
        ("raise ImportError('DLL load failed')", "cannot load ONNX Runtime: DLL load failed"),
    ],
)
def test_a_broken_installation_is_said_to_be_broken(tmp_path: Path, content: str, message: str) -> None:
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text(content)
    code = (
        "from filterkit.errors import RuntimeFailure\n"
        "from filterkit.runtime.providers import choose, probe\n"
        "print(probe()['cpu'])\n"
        "try: choose('auto')\n"
        "except RuntimeFailure as error: print(error.message, error.hint)\n"
    )
    done = python(code, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "'usable': False" in done.stdout
    assert message in done.stdout and "pip uninstall" in done.stdout
