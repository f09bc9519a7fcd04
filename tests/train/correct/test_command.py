"""The commands correct and annotate --edit."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner
from waiting import PATIENCE_S

from cornea_stream.cli import app
from cornea_train.correct.editor import Editor
from cornea_train.correct.outline import (
    to_json,
)
from cornea_train.correct.project import Project

from .conftest import ELLIPSE


def correct_in_a_process(run_dir: Path, folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "cornea_stream", "correct", str(run_dir), "-o", str(folder)]
    process = subprocess.Popen(
        [*command, "--spread", "3", "--uncertain", "2"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    return process, line


def test_the_command_to_its_end(run_dir: Path, tmp_path: Path) -> None:
    process, line = correct_in_a_process(run_dir, tmp_path / "my corrections")
    assert re.match(r"0 of 5 frames done\. Correct at http://127\.0\.0\.1:\d+/\S{20,}/\n", line)
    address = urlsplit(line.split()[-1])
    with closing(
        http.client.HTTPConnection("127.0.0.1", address.port, timeout=PATIENCE_S)
    ) as http_line:
        body = json.dumps({"outline": to_json(ELLIPSE), "done": True})
        http_line.request("PUT", address.path + "frames/0", body, {"If-Match": '"new"'})
        assert http_line.getresponse().read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    first, second = out.splitlines()
    assert first.endswith("my corrections: 1 of 5 frames done")
    weights = json.loads((run_dir / "run.json").read_text())["checkpoint"]["file"]
    assert second == (
        f"Next: cornea-stream train --data-dir '{tmp_path / 'my corrections'}' --init {weights} "
        f"--output-dir '{tmp_path / 'my corrections_weights'}'"
    )


def test_mistakes_are_told(tmp_path: Path, run_dir: Path) -> None:
    def tell(*arguments: object) -> BaseException | None:
        return (
            CliRunner()
            .invoke(app, ["correct", *map(str, arguments), "-o", str(tmp_path / "x")])
            .exception
        )

    edited = CliRunner().invoke(app, ["annotate", str(run_dir), "--edit", "--polygons"])
    assert "without --polygons" in str(edited.exception)
    assert "no such folder" in str(tell(tmp_path / "y"))
    (tmp_path / "eye.mp4").unlink()
    assert "source of the run is missing" in str(tell(run_dir))
    assert "spread must be 0 or more" in str(tell(run_dir, "--spread", -1))
    assert not (tmp_path / "x").exists()


def test_annotate_edit_is_the_same_page(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Editor, "wait", lambda editor: None)
    done = CliRunner().invoke(app, ["annotate", str(run_dir), "--edit", "-o", str(tmp_path / "a")])
    assert done.exit_code == 0, done.exception
    assert "Correct at http://127.0.0.1:" in done.output
    assert "frames done" in done.output
    with Project(tmp_path / "a") as project:
        assert len(project.frames) == 20
