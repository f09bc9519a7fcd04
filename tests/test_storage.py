"""Files written atomically, folders that are ours or another tool's, and one run at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cornea_stream.errors import OutputError
from cornea_stream.storage import (
    MARKER,
    atomic_path,
    hold_folder,
    is_ours,
    read_run,
    write_file,
    write_run,
)

WRITE = """
import sys
from pathlib import Path
from cornea_stream.storage import write_file
for _ in range(400):
    write_file(Path(sys.argv[1]), sys.argv[2].encode() * 2000)
"""


def test_processes_that_write_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(path), letter]) for letter in "abc"
    ]
    contents = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            contents.add(path.read_bytes())
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert contents <= {letter * 2000 for letter in (b"a", b"b", b"c")}
    assert [p.name for p in tmp_path.iterdir()] == ["summary.csv"]


def test_an_error_while_writing_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    write_file(path, b"old")
    with pytest.raises(TypeError), atomic_path(path) as temporary:  # noqa: PT012
        for content in (b"half", None):
            temporary.write_bytes(content)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]
    with pytest.raises(OutputError, match=r"cannot write output: .*nowhere"):
        write_file(tmp_path / "nowhere" / "x", b"")


@pytest.mark.parametrize(
    "content",
    ['{"status": "complete", "outputs": ["a.mp4"]}', '{"tool": "other"}', "[1]", "no JSON", ""],
)  # fmt: skip
def test_the_run_json_of_another_tool_is_not_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    assert read_run(tmp_path) is None
    assert not is_ours(tmp_path)


def test_a_run_json_from_before_it_named_its_tool_is_ours(tmp_path: Path) -> None:
    old = {
        "status": "complete", "fingerprint": "x", "settings": {}, "checkpoint": {},
        "versions": {"cornea-stream": "0.1.0"},
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(old))
    assert read_run(tmp_path) == old


def test_a_held_folder_is_marked_until_its_run_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "eye"
    with hold_folder(folder):
        assert is_ours(folder)
        with pytest.raises(OutputError, match="locked by another run"), hold_folder(folder):
            pass
        write_run(folder, {"status": "complete"})
    assert [p.name for p in folder.iterdir()] == ["run.json"]
    assert json.loads((folder / "run.json").read_text())["tool"] == "cornea-stream"


def test_the_marker_stays_only_where_outputs_were_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "eye"
    with pytest.raises(ZeroDivisionError), hold_folder(folder):
        raise ZeroDivisionError
    assert not folder.exists()
    with hold_folder(folder):
        (folder / "overlay.mp4").write_text("first")
        write_run(folder, {"status": "complete", "outputs": ["overlay.mp4"]})
    with pytest.raises(ZeroDivisionError), hold_folder(folder):
        raise ZeroDivisionError  # before anything was replaced
    assert not (folder / MARKER).exists()
    with pytest.raises(FileNotFoundError), hold_folder(folder):  # noqa: PT012
        for _ in range(2):
            (folder / "overlay.mp4").unlink()
    assert (folder / MARKER).exists()
