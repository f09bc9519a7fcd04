"""summary.png: a picture of the run it was made from, and never over somebody else's."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, moving_discs, write_video

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.report import summary_figure
from cornea_stream.report.records import load_records
from cornea_stream.report.runs import open_run
from cornea_stream.report.summary_figure import write_sheet
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source

pytest.importorskip("matplotlib")
DARK = np.full((120, 160, 3), 30, np.uint8)
GREEN = np.array((105, 227, 110))


def run(path: Path, segmenter: Segmenter, **options: object) -> Path:
    wanted = RunOptions(metrics=True, **options)  # type: ignore[arg-type]
    return Path(run_source(path, path.parent / "out", segmenter, wanted).folder)


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path))[..., ::-1].astype(int)


def test_the_picture_shows_overlay_frames_and_the_gap(tmp_path: Path, segmenter: Segmenter) -> None:
    pictures = [*moving_discs(20), *[DARK] * 20, *moving_discs(20)]
    out = run(write_video(tmp_path / "v.mp4", pictures), segmenter)
    path = write_sheet(out)
    assert path == out / "summary.png"
    image = read(path)
    assert image.shape[1] == 1320
    # Discs under half green: in both rows of frames, with dark frames between them.
    green = (np.abs(image - GREEN).max(axis=2) < 25)[450:]
    regions, _, stats, _ = cv2.connectedComponentsWithStats(green.astype(np.uint8))
    assert np.count_nonzero(stats[1:regions, cv2.CC_STAT_AREA] > 500) >= 6
    # A third of the time axis is gray.
    columns = np.median(image[90:260, 75:1310], axis=0)  # over grid lines
    gray = np.abs(columns - 217).max(axis=1) < 3
    assert gray.mean() == pytest.approx(1 / 3, abs=0.05)


def test_area_confidence_and_scale_are_drawn_as_measured(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    from matplotlib.figure import Figure

    pictures = [disc(160, 120, 80, 60, 20 + index)[0] for index in range(10)]
    out = run(write_video(tmp_path / "v.mp4", pictures), segmenter, mm_per_px=0.1)
    opened, records = open_run(out), load_records(open_run(out))
    axes = Figure().subplots()
    summary_figure._draw_area(axes, opened, records)
    line = axes.get_lines()[0]
    assert line.get_xdata() == pytest.approx(records.time_s)
    assert line.get_ydata() == pytest.approx(100 * records.area_fraction)
    percent, mm2 = records.area_fraction[3] * 100, records.area_px[3] * 0.01
    assert summary_figure._mm2_per_percent(opened, records) * percent == pytest.approx(
        mm2, rel=1e-3
    )
    sureness = Figure().subplots()
    summary_figure._draw_sureness(sureness, opened, records)
    assert sureness.get_lines()[0].get_ydata() == pytest.approx(records.confidence)


def test_tiles_are_the_frames_of_their_times(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(25))
    out = run(path, segmenter, start_s=0.2, end_s=0.8, every=2)
    records = load_records(open_run(out))
    (name, tiles), _ = summary_figure._thumbnails(open_run(out), records)
    assert name == "evenly spread"
    assert [caption for _, caption in tiles] == [f"0:00.{i}" for i in (2, 2, 4, 5, 6, 7)]
    rows = np.linspace(0, len(records) - 1, 6).round().astype(int)
    for (image, _), row in zip(tiles, rows, strict=True):
        columns = np.flatnonzero((np.abs(image.astype(int) - GREEN).max(axis=2) < 30).any(axis=0))
        assert columns.mean() / 2 == pytest.approx(records.centroid_x[row], abs=1.5)


def test_a_long_run_is_told_by_medians_and_percentiles(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    count, rng = 60_000, np.random.default_rng(0)
    fraction = np.linspace(0.1, 0.2, count) + rng.normal(0, 0.01, count)
    lost = slice(30_000, 33_000)
    head = (
        "frame,time_s,present,area_px,area_fraction,centroid_x,centroid_y,confidence,agreement_prev"
    )
    lines = [f"{i},{i / 25},1,{100 * f:.3f},{f:.5f},5,5,0.9,0.9" for i, f in enumerate(fraction)]
    lines[lost] = [f"{i},{i / 25},0,0,0,,,0,1" for i in range(lost.start, lost.stop)]
    (tmp_path / "metrics.csv").write_text("\n".join([head, *lines]))
    (tmp_path / "run.json").write_text('{"tool": "cornea-stream"}')
    records = load_records(open_run(tmp_path))
    axes = Figure().subplots()
    summary_figure._draw_area(axes, open_run(tmp_path), records)
    (line,) = axes.get_lines()
    minutes, percent = line.get_xdata(), line.get_ydata()
    assert (minutes[0], minutes[-1]) == pytest.approx((0, 40), abs=0.1)
    known = np.isfinite(percent)
    assert known.mean() == pytest.approx(0.95, abs=0.01)
    assert percent[known] == pytest.approx(10 + 10 * minutes[known] / 40, abs=0.7)
    band, gray = axes.collections
    high = max(path.vertices[:, 1].max() for path in band.get_paths())
    assert high == pytest.approx(20 + 1.65, abs=0.7)
    ((begin, _), (_, _), (end, _), *_) = gray.get_paths()[0].vertices
    assert sorted((begin, end)) == pytest.approx([20, 22], abs=0.01)
    assert read(write_sheet(tmp_path)).shape[1] == 1320


@pytest.mark.parametrize("options", [{"overlay": False}, {}])
def test_runs_with_little_to_show(
    tmp_path: Path, segmenter: Segmenter, options: dict[str, bool]
) -> None:
    out = run(write_video(tmp_path / "v.mp4", [DARK] * 2), segmenter, **options)
    assert read(write_sheet(out)).shape[1] == 1320
    cv2.imwrite(str(tmp_path / "eye.png"), moving_discs(1)[0])
    assert read(write_sheet(run(tmp_path / "eye.png", segmenter, **options))).shape[1] == 1320


def test_only_an_own_summary_is_replaced(tmp_path: Path, segmenter: Segmenter) -> None:
    out = run(write_video(tmp_path / "v.mp4", moving_discs(4)), segmenter)
    first = write_sheet(out).read_bytes()
    (out / "overlay.mp4").unlink()
    assert write_sheet(out).read_bytes() != first
    cv2.imwrite(str(out / "summary.png"), DARK)
    mine = (out / "summary.png").read_bytes()
    with pytest.raises(OutputError, match="overwrite"):
        write_sheet(out)
    assert (out / "summary.png").read_bytes() == mine
    assert write_sheet(out, overwrite=True).read_bytes() != mine


def test_a_run_draws_its_summary_and_resume_one_that_is_missing(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    options = RunOptions(summary=True)
    result = run_source(path, tmp_path / "out", segmenter, options)
    out = Path(result.folder)
    assert {p.name for p in out.iterdir()} == {
        "metrics.csv", "overlay.mp4", "run.json", "summary.png"
    }  # fmt: skip
    assert "summary.png" in result.outputs
    with pytest.raises(OutputError, match=r"output exists: .*"):
        run_source(path, tmp_path / "out", segmenter, options)
    (tmp_path / "other" / "v").mkdir(parents=True)
    (tmp_path / "other" / "v" / "summary.png").write_text("mine")
    with pytest.raises(OutputError, match="not a summary of cornea-stream"):
        run_source(path, tmp_path / "other", segmenter, options)
    assert [p.name for p in (tmp_path / "other" / "v").iterdir()] == ["summary.png"]
    plain = run_source(path, tmp_path / "plain", segmenter, RunOptions(metrics=True))
    before = (Path(plain.folder) / "overlay.mp4").stat().st_mtime_ns
    again = run_source(path, tmp_path / "plain", segmenter, RunOptions(summary=True, resume=True))
    assert again.status == "skipped"
    assert (Path(plain.folder) / "overlay.mp4").stat().st_mtime_ns == before
    assert read(Path(plain.folder) / "summary.png").shape == read(out / "summary.png").shape


def test_mistakes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="no run in this folder"):
        write_sheet(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'cornea-stream\[plots\]'"):
        write_sheet(tmp_path)
