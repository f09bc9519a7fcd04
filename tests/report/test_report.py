"""Reports from whatever a run left: files, originals, pages and other people's files."""

from __future__ import annotations

import csv
import json
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from chunks_compared import Given
from conftest import moving_discs, write_video

from cornea_stream import write_report
from cornea_stream.batch.run_batch import run_batch
from cornea_stream.batch.summary_csv import Summary, read_failures
from cornea_stream.batch.task import Here, Step, plan_source
from cornea_stream.cli import main
from cornea_stream.errors import OutputError, SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.report import REPORT, write_index
from cornea_stream.report.pictures import choose_pictures
from cornea_stream.report.records import load_records
from cornea_stream.report.runs import find_runs, open_run
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.storage import part_path
from cornea_train.annotate import annotate

METRICS = RunOptions(metrics=True)


def run(path: Path, segmenter: Segmenter, options: RunOptions = METRICS) -> Path:
    return Path(run_source(path, path.parent / "out", segmenter, options).folder)


def edit(folder: Path, **told: object) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **told}))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "eye.mp4", moving_discs(12))


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    def invoke(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cornea-stream", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
        captured = capsys.readouterr()
        return int(exited.value.code or 0), captured.out, " ".join(captured.err.split())

    return invoke


def test_run_writes_the_report_and_the_table_that_it_needs(
    video: Path, segmenter: Segmenter
) -> None:
    out = run(video, segmenter, RunOptions(report=True))
    assert {p.name for p in out.iterdir()} == {"overlay.mp4", "metrics.csv", "run.json", REPORT}
    page = (out / REPORT).read_text()
    assert "eye.mp4" in page
    assert json.loads((out / "run.json").read_text())["checkpoint"]["sha256"] in page
    result = run_source(video, out.parent, segmenter, RunOptions(report=True, overwrite=True))
    assert result.outputs == ["overlay.mp4", "metrics.csv", "run.json", REPORT]


def test_the_page_names_nothing_outside(video: Path, segmenter: Segmenter) -> None:
    page = (run(video, segmenter, RunOptions(report=True)) / REPORT).read_text()
    for needle in ('src="http', 'href="http', "@import", "url(", '<link rel="stylesheet'):
        assert needle not in page
    assert str(video.parent) not in page  # nor where on this machine the recordings lie


def test_resume_adds_the_report_without_work(video: Path, segmenter: Segmenter) -> None:
    out = run(video, segmenter)
    before = (out / "overlay.mp4").stat().st_mtime_ns
    result = run_source(video, out.parent, segmenter, RunOptions(report=True, resume=True))
    assert result.status == "skipped"
    assert (out / REPORT).exists()
    assert (out / "overlay.mp4").stat().st_mtime_ns == before


def test_masks_are_measured_where_there_is_no_table(tmp_path: Path, segmenter: Segmenter) -> None:
    video = write_video(
        tmp_path / "v.mp4", moving_discs(20), prepare=lambda s: s.set_display_rotation(90)
    )
    options = RunOptions(mask=True, metrics=True, start_s=0.2, every=2)
    out = run(video, segmenter, options)
    table = load_records(open_run(out))
    (out / "metrics.csv").unlink()
    measured = load_records(open_run(out))
    for name in ("time_s", "present", "area_px", "centroid_x", "centroid_y"):
        assert getattr(measured, name) == pytest.approx(getattr(table, name), abs=0.006), name
    assert measured.agreement_prev[1:] == pytest.approx(table.agreement_prev[1:], abs=1e-4)
    assert np.isnan(measured.confidence).all()
    page = write_report(out).path.read_text()
    assert '"confidence"' not in page.split('id="data">')[1].split("</script>")[0]


def test_without_table_and_masks_one_sentence_says_what_to_do(
    video: Path, segmenter: Segmenter, call
) -> None:  # type: ignore[no-untyped-def]
    out = run(video, segmenter, RunOptions())
    code, _, err = call("report", out)
    assert code == 3
    assert "nothing was measured" in err
    assert "--metrics" in err
    code, _, err = call("report", video.parent / "none")
    assert (code, "no such folder" in err) == (3, True)
    (video.parent / "empty").mkdir()
    code, _, err = call("report", video.parent / "empty")
    assert (code, "no run in this folder" in err) == (3, True)


def test_a_table_that_is_none_is_told(video: Path, segmenter: Segmenter) -> None:
    out = run(video, segmenter)
    (out / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="not a table of measurements"):
        write_report(out)


def test_an_interrupted_run_gets_its_report(tmp_path: Path, segmenter: Segmenter) -> None:
    video = write_video(tmp_path / "v.mp4", moving_discs(10) * 30)
    stop = threading.Event()
    result = run_source(
        video, tmp_path / "out", segmenter, RunOptions(report=True), stop=stop,
        on_progress=lambda p: stop.set() if p.frames == 20 else None,
    )  # fmt: skip
    page = (Path(result.folder) / REPORT).read_text()
    assert "interrupted" in page
    assert "of about 300" in page


def test_what_an_earlier_run_left_is_not_taken_for_this_ones(
    video: Path, segmenter: Segmenter
) -> None:
    run(video, segmenter, RunOptions(mask=True, report=True))
    out = run(video, segmenter, RunOptions(metrics=True, every=2, overwrite=True))
    assert (out / "mask.mkv").exists()
    assert not (out / REPORT).exists()
    report = write_report(out)
    assert "mask.mkv" not in report.path.read_text()
    with pytest.raises(SourceError, match="no masks in this run"):
        annotate([out], out / "annotations")


def test_a_killed_run_is_shown_as_far_as_it_got(video: Path, segmenter: Segmenter) -> None:
    out = run(video, segmenter)
    for name in ("overlay.mp4", "metrics.csv"):
        (out / name).rename(part_path(out / name))
    (out / "run.json").unlink()
    part_path(out / "run.json").write_text('{"status": "running"}')
    table = part_path(out / "metrics.csv")
    table.write_text(table.read_text()[:-30])  # stopped in the middle of a row
    report = write_report(out)
    assert report.summary.frames == 11
    page = report.path.read_text()
    assert "unfinished" in page
    assert "overlay.part.mp4" in page
    assert "did not finish" in page


def test_other_peoples_pages_are_left_alone(video: Path, segmenter: Segmenter, call) -> None:  # type: ignore[no-untyped-def]
    out = run(video, segmenter)
    (out / REPORT).write_text("<!doctype html><title>precious</title>")
    (out.parent / "index.html").write_text("precious too")
    code, _, err = call("report", out)
    assert (code, "not a page of cornea-stream" in err) == (5, True)
    code, _, err = call("report", out.parent)
    assert code == 5
    with pytest.raises(OutputError, match="not a page of cornea-stream"):
        run_source(video, out.parent, segmenter, RunOptions(report=True, resume=True, crf=30))
    assert "precious" in (out / REPORT).read_text()
    assert (out.parent / "index.html").read_text() == "precious too"
    assert call("report", out, "--overwrite")[0] == 0
    assert "precious" not in (out / REPORT).read_text()
    assert call("report", out)[0] == 0  # over its own


def test_damaged_stretches_are_numbers(tmp_path: Path, segmenter: Segmenter) -> None:
    pictures = [
        np.random.default_rng(i).integers(0, 255, (120, 160, 3), np.uint8) for i in range(60)
    ]
    video = write_video(tmp_path / "v.mp4", pictures, options={"g": "5", "bf": "0"})
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 30_000] = bytes(30_000)
    video.write_bytes(content)
    out = run(video, segmenter)
    told = json.loads((out / "run.json").read_text())
    ((first, last),) = told["damaged_s"]
    assert 0 < first <= last < 60 / 25
    assert f"{first:.2f}–{last:.2f} s" in told["warnings"][0]
    data = write_report(out).path.read_text().split('id="data">')[1].split("</script>")[0]
    assert json.loads(data)["damaged_s"] == [[round(first, 3), round(last, 3)]]


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "words"),
    [
        ("v.mp4", "libx264", "yuv420p", None),
        ("v.mov", "libx264", "yuv420p", None),
        ("v.webm", "libvpx", "yuv420p", None),
        ("v.mp4", "libx264", "yuv422p", "H.264 with yuv422p"),
        ("v.avi", "mpeg4", "yuv420p", "mpeg4 in .avi"),
        ("v.mkv", "ffv1", "yuv420p", "ffv1 in .mkv"),
        ("v.ts", "libx264", "yuv420p", "h264 in .ts"),
    ],
)
def test_originals_that_browsers_do_not_play_are_left_out(
    tmp_path: Path, segmenter: Segmenter, name: str, codec: str, pixels: str, words: str | None
) -> None:
    video = write_video(tmp_path / name, moving_discs(3), codec=codec, pix_fmt=pixels)
    opened = open_run(run(video, segmenter))
    found = choose_pictures(opened, load_records(opened))
    assert found.overlay is not None
    if words is None:
        assert found.original is not None
        assert found.original.url == f"./../../{name}"
        assert found.notes == []
    else:
        assert found.original is None
        assert words in found.notes[0]
        assert "the overlay is shown alone" in found.notes[0]


def test_an_original_that_changed_is_not_compared(video: Path, segmenter: Segmenter) -> None:
    opened = open_run(run(video, segmenter))
    write_video(video, moving_discs(13))
    found = choose_pictures(opened, load_records(opened))
    assert "has changed since the run" in found.notes[0]
    video.unlink()
    assert "moved or deleted" in choose_pictures(opened, load_records(opened)).notes[0]


def test_a_folder_of_images_has_a_video_and_no_original(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    (tmp_path / "series").mkdir()
    for index, picture in enumerate(moving_discs(6)):
        cv2.imwrite(str(tmp_path / "series" / f"{index}.png"), picture)
    report = write_report(run(tmp_path / "series", segmenter))
    page = report.path.read_text()
    assert report.summary.frames == 6
    assert "a folder of images, not a video" in page
    assert "./overlay.mp4" in page


def test_ten_minutes_take_less_than_five_megabytes(video: Path, segmenter: Segmenter) -> None:
    out = run(video, segmenter)
    rng = np.random.default_rng(0)
    with (out / "metrics.csv").open(newline="") as file:
        heading, row = list(csv.reader(file))[:2]
    with (out / "metrics.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, heading)
        rows.writeheader()
        for index in range(18_000):
            noise = rng.random(5)
            rows.writerow({
                **dict(zip(heading, row, strict=True)), "frame": index, "time_s": index / 30,
                "present": int(noise[0] > 0.01), "area_px": int(1e6 * noise[1]),
                "centroid_x": 1000 * noise[2], "confidence": noise[3], "agreement_prev": noise[4],
            })  # fmt: skip
    report = write_report(out)
    assert report.summary.frames == 18_000
    assert report.path.stat().st_size < 1_500_000


def test_the_index_shows_runs_and_failures(
    tmp_path: Path, segmenter: Segmenter, tiny_checkpoint: Path, call
) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "good.mp4", moving_discs(4))
    (tmp_path / "in" / "broken.mp4").write_bytes(b"x" * 5000)
    out = tmp_path / "out"
    arguments = ("-o", out, "--checkpoint", tiny_checkpoint, "--quiet")
    assert call("run", tmp_path / "in", *arguments)[0] == 6
    assert call("run", write_video(tmp_path / "bare.mp4", moving_discs(3)), *arguments)[0] == 0
    code, told, err = call("report", out)
    assert code == 3  # the two runs have no table
    assert "--metrics" in err
    assert "=True" not in err
    assert told.strip() == str(out / "index.html")
    assert call("run", tmp_path / "in", *arguments, "--report", "--overwrite")[0] == 6
    code, _, err = call("report", out)
    assert code == 6
    assert "nothing was measured" in err
    assert "bare" in err
    page = (out / "index.html").read_text()
    assert 'href="./good/report.html"' in page
    for words in ("3 sources", "1 failed", "2 complete", "1 without a report", "broken.mp4"):
        assert words in page
    assert "not a readable video or image" in page


def test_a_source_that_failed_during_its_run_is_in_the_index_once(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    out = tmp_path / "out"
    paths = [write_video(tmp_path / f"{name}.mp4", moving_discs(6)) for name in "ab"]
    options = RunOptions(metrics=True)
    tasks = [plan_source(p, out / p.stem, options, segmenter.mask_settings) for p in paths]

    def fail(step: Step) -> None:
        if step.task is tasks[0] and step.progress and step.progress.frames == 3:
            raise OutputError("the disk is gone: mount it again")

    run_batch(
        tasks, Here(Given(segmenter)),
        stop=threading.Event(), on_step=fail, on_result=lambda task, result: None,
        summary=Summary(out, tasks),
    )  # fmt: skip
    index, _ = write_index(out, read_failures(out))
    page = index.read_text()
    assert page.count("<small>a</small>") == 1
    assert "the disk is gone" in page
    for words in ("2 sources", "1 complete", "1 failed"):
        assert words in page
    assert "unfinished" not in page[page.index("<body>") :].partition("<script>")[0]


def test_the_index_leaves_unfinished_segments_out(video: Path, segmenter: Segmenter) -> None:
    out = run(video, segmenter)
    part = out / ".chunks.part" / "0"
    part.mkdir(parents=True)
    (part / "run.json").write_text("{}")
    assert find_runs(out.parent) == [out]
    _, (entry,) = write_index(out.parent)
    assert entry.report is not None


def test_millimeters_are_told_as_an_estimate(video: Path, segmenter: Segmenter) -> None:
    out = run(video, segmenter, RunOptions(metrics=True, mm_per_px=0.1))
    report = write_report(out)
    area = round((report.summary.area_px or 0) * 0.01)
    assert f"about {area} mm²" in report.path.read_text()
