"""A line of JSON per frame: in a file, on standard output, from a live source."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import moving_discs, write_video
from waiting import PATIENCE_S, wait_until

from cornea_stream.errors import OutputError, ReaderGoneError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.pipeline.pipeline import Progress
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks.stream.target import parse_target

LINES_ONLY = {"overlay": False}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "eye.mp4", moving_discs(8))


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_say_what_the_table_says(video: Path, tmp_path: Path, segmenter: Segmenter) -> None:
    path = tmp_path / "new" / "lines.jsonl"
    run_source(video, tmp_path / "out", segmenter, RunOptions(metrics=True, jsonl=str(path)))
    with (tmp_path / "out" / "eye" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = read(path)
    assert len(lines) == len(rows) == 8
    for line, row in zip(lines, rows, strict=True):
        del row["agreement_prev"]
        assert list(line) == list(row)
        assert all(float(value or 0) == float(row[name] or 0) for name, value in line.items())
    assert lines[3]["present"] is True


def test_without_a_cornea_the_geometry_is_null(tmp_path: Path, segmenter: Segmenter) -> None:
    dark = [picture // 8 for picture in moving_discs(2)]
    video = write_video(tmp_path / "dark.mp4", dark)
    run_source(video, tmp_path, segmenter, RunOptions(**LINES_ONLY, jsonl=tmp_path / "l"))
    assert [(line["present"], line["centroid_x"]) for line in read(tmp_path / "l")] == [
        (False, None)
    ] * 2


def test_lines_and_table_grow_while_the_run_works(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    path, growing = tmp_path / "lines", tmp_path / "out" / "eye" / "metrics.part.csv"

    def look(progress: Progress) -> None:
        if progress.frames == 4:
            # The sinks' threads write what the pipeline has handed on, or are about to.
            wait_until(lambda: len(path.read_bytes().splitlines()) >= 2, "the first lines")
            wait_until(lambda: len(growing.read_bytes().splitlines()) >= 3, "the first rows")
            assert path.read_bytes().endswith(b"\n")
            assert growing.read_bytes().endswith(b"\n")

    options = RunOptions(metrics=True, jsonl=path)
    run_source(video, tmp_path / "out", segmenter, options, on_progress=look)
    assert len(read(path)) == 8
    assert not growing.exists()


def test_a_file_is_not_replaced_unless_asked(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    path = tmp_path / "mine"
    path.write_text("mine")
    options = RunOptions(jsonl=path)
    with pytest.raises(OutputError, match=r"output exists: .*mine"):
        run_source(video, tmp_path / "out", segmenter, options)
    assert path.read_text() == "mine"
    with pytest.raises(OutputError, match="not a file"):
        run_source(video, tmp_path / "out", segmenter, RunOptions(jsonl=tmp_path))
    assert not (tmp_path / "out").exists()
    run_source(video, tmp_path / "out", segmenter, RunOptions(jsonl=path, overwrite=True))
    assert len(read(path)) == 8


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_resume_replaces_the_lines_of_an_interrupted_run_and_nothing_else(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    path, stop = tmp_path / "lines.jsonl", threading.Event()
    options = RunOptions(jsonl=str(path))
    stopped = run_source(
        video, tmp_path / "out", segmenter, options,
        stop=stop, on_progress=lambda progress: stop.set(),
    )  # fmt: skip
    assert stopped.status == "interrupted"
    with pytest.raises(OutputError, match="output exists"):
        run_source(video, tmp_path / "out", segmenter, options)
    again = RunOptions(jsonl=str(path), resume=True)
    assert run_source(video, tmp_path / "out", segmenter, again).status == "complete"
    assert len(read(path)) == 8
    path.write_text('{"notes": "mine"}\n')
    (tmp_path / "out" / "eye" / "overlay.mp4").unlink()
    with pytest.raises(OutputError, match="output exists"):
        run_source(video, tmp_path / "out", segmenter, again)
    assert path.read_text() == '{"notes": "mine"}\n'


def test_a_named_pipe_is_followed_line_by_line(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(pipe.open().readlines()))
    reader.start()
    run_source(video, tmp_path / "out", segmenter, RunOptions(**LINES_ONLY, jsonl=pipe))
    reader.join()
    assert [json.loads(line)["frame"] for line in lines] == list(range(8))


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_reader_that_goes_away_ends_a_run_that_has_nothing_else_to_do(
    video: Path, tmp_path: Path, segmenter: Segmenter
) -> None:
    message = "cannot write lines: standard output: Broken pipe"
    with pytest.raises(ReaderGoneError, match=message):
        run_source(video, tmp_path / "a", segmenter, RunOptions(**LINES_ONLY, jsonl=closed_pipe()))
    assert not (tmp_path / "a").exists()
    result = run_source(video, tmp_path / "b", segmenter, RunOptions(jsonl=closed_pipe()))
    assert (result.status, result.frames) == ("complete", 8)
    assert any("the files are complete" in warning for warning in result.warnings)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
@pytest.mark.parametrize(
    "command", [("run", "eye.mp4", "--no-overlay", "--jsonl", "-"), ("config",)]
)
def test_head_ends_a_command_quietly(
    video: Path, tiny_checkpoint: Path, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cornea_stream", *command, "--checkpoint", str(tiny_checkpoint)],
        stdout=closed_pipe(), stderr=subprocess.PIPE, text=True, cwd=video.parent,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 141
    assert not any(word in done.stderr for word in ("Error", "Exception", "Traceback"))
    assert not (video.parent / "output").exists()


def test_standard_output_takes_one_thing(video: Path) -> None:
    with pytest.raises(UsageError, match="a video or lines, not both"):
        RunOptions(jsonl="-", streams=(parse_target("-"),)).check()


def test_standard_input_to_standard_output(tmp_path: Path, tiny_checkpoint: Path) -> None:
    video = write_video(tmp_path / "v.mkv", moving_discs(5))
    done = subprocess.run(
        [sys.executable, "-m", "cornea_stream", "run", "-", "--jsonl", "-", "--no-overlay",
         "--metrics", "-o", str(tmp_path / "out"), "--checkpoint", str(tiny_checkpoint)],
        stdin=video.open("rb"), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == list(range(5))
    assert "metrics.csv" in done.stderr
