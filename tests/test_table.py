"""The table of measurements in both formats: same rows, documented types and units."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import disc, moving_discs, write_video

from cornea_stream.errors import OutputError, UsageError
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.postprocess.pixel_spacing import Scale, WhiteToWhite
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import CSV_COLUMNS, MetricsSink
from cornea_stream.sinks import parquet as parquet_module
from cornea_stream.sinks.measurement_columns import COLUMNS, MM_COLUMNS

FORMATS = ("metrics.csv", "metrics.parquet")
DIGITS = {column.name: column.digits for column in (*COLUMNS, *MM_COLUMNS)}
SCALES = {
    "none": lambda: None,
    "given": lambda: Scale(0.02, "given"),
    "white-to-white": lambda: WhiteToWhite(11.7),
}


def segmentations(count: int) -> list[Segmentation]:
    """A disc that walks and is away in every fifth frame, from the third on."""
    import av

    found = []
    for index in range(count):
        mask = disc(160, 120, 40 + index % 60, 60, 20 + index % 7)[1]
        if index % 5 == 2:
            mask = np.zeros_like(mask)
        frame = Frame(index, index / 25, av.VideoFrame(160, 120, "gray"))
        found.append(Segmentation(frame, mask, 0.95 if mask.any() else 0.0))
    return found


@pytest.mark.parametrize("scale", SCALES)
def test_both_formats_hold_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: str
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet_module, "GROUP_ROWS", 8)
    sink = MetricsSink([tmp_path / name for name in FORMATS], SCALES[scale]())
    for found in segmentations(30):
        sink.write(found)
    assert not any((tmp_path / name).exists() for name in FORMATS)
    sink.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FORMATS)
    with (tmp_path / "metrics.csv").open() as file:
        texts = list(csv.DictReader(file))
    table = parquet.read_table(tmp_path / "metrics.parquet")
    assert parquet.read_metadata(tmp_path / "metrics.parquet").num_row_groups == 4
    assert table.column_names == list(texts[0])
    assert tuple(table.column_names[:12]) == CSV_COLUMNS
    assert len(table.column_names) == (12 if scale == "none" else 16)
    assert table.num_rows == len(texts) == 30
    for row, text in zip(table.to_pylist(), texts, strict=True):
        for name, value in row.items():
            if value is None:
                assert text[name] == ""
            else:
                assert text[name] == f"{float(value):.{DIGITS[name]}f}"
    assert [row["present"] for row in table.to_pylist()][:4] == [True, True, False, True]


def test_types_and_units_are_in_the_file(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    sink = MetricsSink([tmp_path / "metrics.parquet"], Scale(0.02, "given"))
    sink.write(segmentations(1)[0])
    sink.close()
    schema = parquet.read_schema(tmp_path / "metrics.parquet")
    types = {field.name: str(field.type) for field in schema}
    assert (types["frame"], types["present"], types["area_px"]) == ("int64", "bool", "int64")
    assert {types[name] for name in types if name not in ("frame", "present", "area_px")} == {
        "double"
    }
    units = {field.name: field.metadata[b"unit"].decode() for field in schema}
    assert units["time_s"] == "s"
    assert units["major_axis_px"] == "px"
    assert units["area_mm2"] == "mm²"
    assert all(field.metadata[b"description"] for field in schema)


def test_a_run_writes_both(tmp_path: Path, segmenter: Segmenter) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    options = RunOptions(overlay=False, metrics=True, parquet=True, white_to_white_mm=11.7)
    out = Path(run_source(path, tmp_path / "out", segmenter, options).folder)
    assert {p.name for p in out.iterdir()} == {*FORMATS, "run.json"}
    table = parquet.read_table(out / "metrics.parquet")
    assert table.column("centroid_x").to_pylist() == pytest.approx(
        [50 + 3 * index for index in range(6)], abs=1
    )


@pytest.mark.parametrize("name", FORMATS)
def test_an_earlier_table_stays_when_completing_fails(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / name).write_text("earlier")
    sink = MetricsSink([tmp_path / name], WhiteToWhite(11.7))
    for found in segmentations(4):
        sink.write(found)
    stem, suffix = name.split(".")
    (tmp_path / f"{stem}.part.part.{suffix}").mkdir()  # where the wider table would be written
    with pytest.raises(OutputError, match="cannot write output"):
        sink.close()
    sink.abort()
    assert (tmp_path / name).read_text() == "earlier"


@pytest.mark.parametrize(
    ("option", "output", "module", "extra"),
    [
        ("parquet", "metrics.parquet", "pyarrow", "parquet"),
        ("summary", "summary.png", "matplotlib", "plots"),
    ],
)
def test_the_extra_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, option: str, output: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"{output} needs.*cornea-stream\[{extra}\]"):
        RunOptions(**{option: True}).check()  # type: ignore[arg-type]
