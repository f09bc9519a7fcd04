"""The examples of README.md and docs/ pass pyright in strict mode, as users' own code does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from documents import ROOT, python_blocks

UNTYPED = (
    "fiftyone", "highdicom", "monai", "napari", "pandas", "pydicom", "supervision",
    "torchcodec", "torchmetrics",
)  # fmt: skip
"""Packages that need not be installed, or have no types."""
_LENIENT = (
    "# pyright: reportMissingImports=false, reportMissingTypeStubs=false, "
    "reportMissingModuleSource=false, reportUnknownMemberType=false, "
    "reportUnknownVariableType=false, reportUnknownArgumentType=false, "
    "reportPrivateImportUsage=false\n"
)


def test_the_examples_are_typed(tmp_path: Path) -> None:
    if find_spec("basedpyright") is None:
        pytest.skip("basedpyright is not installed")
    for place, text in python_blocks():
        foreign = re.search(rf"^(?:import|from) (?:{'|'.join(UNTYPED)})\b", text, re.MULTILINE)
        file = tmp_path / (re.sub(r"\W+", "_", place) + ".py")
        file.write_text((_LENIENT if foreign else "") + text, "utf-8")
    # An editable install is found by a hook, which pyright does not run.
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--project", str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(python_blocks())
    found = [
        f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each['message']}"
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    ]
    assert not found, "\n".join(found)
