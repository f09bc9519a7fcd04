"""A run from file to files: times, pixels, sound, turning, tags; and nothing of the user's lost."""

from __future__ import annotations

import csv
import json
import threading
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import audio_packets, disc, moving_discs, read_video, write_video

from cornea_stream.errors import OutputError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import run_source

VFR = [0, 40, 81, 200, 240, 333, 500, 507, 940, 1000]
COLUMNS = (
    "frame,time_s,present,area_px,area_fraction,centroid_x,centroid_y,"
    "major_axis_px,minor_axis_px,angle_deg,confidence,agreement_prev"
)
EVERYTHING = RunOptions(mask=True, frames=True, metrics=True)


def run(
    path: Path, segmenter: Segmenter, options: RunOptions = EVERYTHING
) -> tuple[RunResult, Path]:
    result = run_source(path, path.parent / "out", segmenter, options)
    return result, Path(result.folder)


def times_ms(path: Path) -> list[int]:
    return [round(1000 * time) for time, _ in read_video(path)]


def truth(index: int) -> np.ndarray:
    return disc(160, 120, 50 + 3 * index, 60, 28)[1]


def test_variable_rate_and_b_frames_keep_every_time(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(
        tmp_path / "v.mp4", moving_discs(10), pts=VFR, options={"bf": "3", "crf": "12"}
    )
    result, out = run(path, segmenter)
    assert result.status == "complete"
    assert result.frames == 10
    assert times_ms(out / "overlay.mp4") == VFR
    assert times_ms(out / "mask.mkv") == VFR
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [round(1000 * float(row["time_s"])) for row in rows] == VFR
    assert [int(row["frame"]) for row in rows] == list(range(10))


def test_times_stay_exact_in_odd_time_bases_and_with_a_late_start(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    base = Fraction(1001, 30000)
    path = write_video(
        tmp_path / "v.mp4", moving_discs(6), pts=range(7, 13), time_base=base, rate=30
    )
    _, out = run(path, segmenter, RunOptions())
    late = [time for time, _ in read_video(path)]
    assert late[0] > 0
    assert [time for time, _ in read_video(out / "overlay.mp4")] == pytest.approx(
        [time - late[0] for time in late], abs=1e-9
    )


def test_masks_pngs_and_measurements_are_the_disc(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(6))
    _, out = run(path, segmenter)
    masks = [frame.to_ndarray(format="gray") for _, frame in read_video(out / "mask.mkv")]
    for index, mask in enumerate(masks):
        assert set(np.unique(mask)) == {0, 255}
        assert iou(mask, truth(index)) > 0.93
        png = cv2.imread(str(out / "frames" / f"{index:06d}_mask.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(png, mask)  # the mask video is lossless
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == COLUMNS
    for index, row in enumerate(rows):
        assert row["present"] == "1"
        assert int(row["area_px"]) == np.count_nonzero(masks[index])
        assert float(row["centroid_x"]) == pytest.approx(50 + 3 * index, abs=1)
        assert float(row["centroid_y"]) == pytest.approx(60, abs=1)
        assert float(row["major_axis_px"]) == pytest.approx(57, abs=3)
    assert rows[0]["agreement_prev"] == ""
    assert float(rows[1]["agreement_prev"]) == pytest.approx(iou(masks[0], masks[1]), abs=1e-3)


def test_overlay_is_half_green_on_the_disc_only(tmp_path: Path, segmenter: Segmenter) -> None:
    pictures = moving_discs(4)
    path = write_video(tmp_path / "v.mp4", pictures)
    _, out = run(path, segmenter)
    for index, (_, frame) in enumerate(read_video(out / "overlay.mp4")):
        image = frame.to_ndarray(format="rgb24").astype(int)
        wanted = np.add((210, 200, 220), (0, 255, 0)) / 2
        assert np.abs(image[60, 50 + 3 * index] - wanted).max() < 12
        assert np.abs(image[110, 150] - (40, 50, 60)).max() < 12
        png = cv2.imread(str(out / "frames" / f"{index:06d}_overlay.png"))[..., ::-1]
        assert np.abs(png.astype(int) - image).mean() < 4


def test_overlay_plays_in_browsers(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(3), pix_fmt="yuv422p10le")
    _, out = run(path, segmenter, RunOptions())
    with av.open(str(out / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
    head = (out / "overlay.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")  # playback can start before all is loaded


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "flac"])
def test_audio_is_copied_bit_by_bit(tmp_path: Path, segmenter: Segmenter, codec: str) -> None:
    path = write_video(tmp_path / "v.mkv", moving_discs(30), audio=codec)
    result, out = run(path, segmenter, RunOptions())
    source, copy = audio_packets(path), audio_packets(out / "overlay.mp4")
    assert [data for _, data in copy] == [data for _, data in source]
    assert [t for t, _ in copy] == pytest.approx([t for t, _ in source], abs=0.002)
    assert result.warnings == []


@pytest.mark.parametrize("start_s", [None, 0.4])
def test_audio_that_mp4_cannot_hold_is_encoded(
    tmp_path: Path, segmenter: Segmenter, start_s: float | None
) -> None:
    path = write_video(tmp_path / "v.mov", moving_discs(50), audio="pcm_mulaw")
    result, out = run(path, segmenter, RunOptions(start_s=start_s))
    assert result.warnings == [
        "the audio of overlay.mp4 is encoded to AAC: mp4 does not support pcm_mulaw"
    ]
    waves = [heard(file) for file in (path, out / "overlay.mp4")]
    begin = int(48000 * (start_s or 0))
    source, copy = waves[0][begin + 9600 : begin + 48000], waves[1][9600:48000]
    assert np.corrcoef(source, copy)[0, 1] > 0.99
    assert len(waves[1]) == pytest.approx(len(waves[0]) - begin, abs=2500)


def heard(path: Path) -> np.ndarray:
    """Return the audio from time 0 on."""
    wave = np.zeros(48000 * 4)
    end = 0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            channels = 1 if frame.format.is_planar else frame.layout.nb_channels
            samples = frame.to_ndarray()[0, ::channels].astype(float)
            begin = round(48000 * frame.time)
            end = begin + len(samples)
            wave[max(0, begin) : end] = samples[max(0, -begin) :]
    return wave[:end]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_videos_stay_turned(tmp_path: Path, segmenter: Segmenter, rotation: int) -> None:
    picture, mask = disc(160, 120, 50, 40, 25)
    path = write_video(
        tmp_path / "v.mp4", [picture] * 3, prepare=lambda s: s.set_display_rotation(rotation)
    )
    _, out = run(path, segmenter)
    upright = np.rot90(mask, rotation // 90)
    for name in ("overlay.mp4", "mask.mkv"):
        _, frame = read_video(out / name)[0]
        assert frame.rotation % 360 == rotation
        assert (frame.width, frame.height) == (160, 120)
    stored = read_video(out / "mask.mkv")[0][1].to_ndarray(format="gray")
    assert iou(stored, mask) > 0.9
    png = cv2.imread(str(out / "frames" / "000000_mask.png"), cv2.IMREAD_UNCHANGED)
    assert png.shape == upright.shape
    assert iou(png, np.ascontiguousarray(upright)) > 0.9


def test_odd_sizes(tmp_path: Path, segmenter: Segmenter) -> None:
    picture, mask = disc(161, 121, 60, 60, 30)
    path = write_video(tmp_path / "v.mkv", [picture] * 3, codec="ffv1", pix_fmt="yuv444p")
    _, out = run(path, segmenter)
    _, overlay = read_video(out / "overlay.mp4")[0]
    _, found = read_video(out / "mask.mkv")[0]
    assert (overlay.width, overlay.height) == (162, 122)
    assert found.to_ndarray(format="gray").shape == mask.shape
    assert iou(found.to_ndarray(format="gray"), mask) > 0.93


def test_pixel_aspect_and_color_tags_are_kept(tmp_path: Path, segmenter: Segmenter) -> None:
    def tag(stream: av.VideoStream) -> None:
        stream.sample_aspect_ratio = Fraction(4, 3)
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1
        context.color_range = 2

    path = write_video(tmp_path / "v.mp4", moving_discs(3), pix_fmt="yuvj420p", prepare=tag)
    _, out = run(path, segmenter)
    with av.open(str(out / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert (frame.colorspace, frame.color_range) == (1, 2)
        assert (frame.color_primaries, frame.color_trc) == (1, 1)


def test_sound_of_a_transport_stream_is_copied(tmp_path: Path, segmenter: Segmenter) -> None:
    """AAC comes wrapped there, which a fragmented mp4 does not take."""
    path = write_video(tmp_path / "v.ts", moving_discs(50), audio="aac")
    result, out = run(path, segmenter, RunOptions())
    assert result.warnings == []
    with av.open(str(path)) as source, av.open(str(out / "overlay.mp4")) as copy:
        wanted, found = (
            np.concatenate([f.to_ndarray() for f in c.decode(audio=0)], axis=1)
            for c in (source, copy)
        )
    assert np.array_equal(found, wanted)


def test_cut_out_starts_at_zero_and_the_table_keeps_source_times(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    path = write_video(tmp_path / "v.mkv", moving_discs(50), audio="aac")
    _, out = run(path, segmenter, RunOptions(metrics=True, start_s=0.4, end_s=1.2, every=2))
    assert times_ms(out / "overlay.mp4") == list(range(0, 800, 80))
    with (out / "metrics.csv").open() as file:
        times = [float(row["time_s"]) for row in csv.DictReader(file)]
    assert times == pytest.approx(np.arange(0.4, 1.2, 0.08))
    sound = [time for time, _ in audio_packets(out / "overlay.mp4")]
    assert min(sound) == pytest.approx(0, abs=0.03)
    assert max(sound) == pytest.approx(0.8, abs=0.05)


def test_a_folder_of_images_is_one_source(tmp_path: Path, segmenter: Segmenter) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for index, picture in enumerate(moving_discs(12)):
        cv2.imwrite(str(folder / f"f{index}.png"), picture[..., ::-1])
    result, out = run(folder, segmenter)
    assert out.name == "series"
    assert result.frames == 12
    assert times_ms(out / "overlay.mp4") == list(range(0, 480, 40))
    for index, (_, frame) in enumerate(read_video(out / "mask.mkv")):
        assert iou(frame.to_ndarray(format="gray"), truth(index)) > 0.93


def test_a_single_image_gives_images(tmp_path: Path, segmenter: Segmenter) -> None:
    picture, mask = disc(160, 120, 70, 60, 30)
    cv2.imwrite(str(tmp_path / "eye.png"), picture[..., ::-1])
    _, out = run(tmp_path / "eye.png", segmenter, RunOptions(mask=True))
    assert {p.name for p in out.iterdir()} == {"overlay.png", "mask.png", "run.json"}
    assert iou(cv2.imread(str(out / "mask.png"), cv2.IMREAD_UNCHANGED), mask) > 0.93
    assert cv2.imread(str(out / "overlay.png")).shape == (120, 160, 3)


def test_frames_without_a_cornea_say_so(tmp_path: Path, segmenter: Segmenter) -> None:
    dark = np.full((120, 160, 3), 30, np.uint8)
    path = write_video(tmp_path / "v.mp4", [moving_discs(1)[0], dark, dark])
    result, out = run(path, segmenter)
    assert result.frames_found == json.loads((out / "run.json").read_text())["frames_found"] == 1
    assert result.warnings == []
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["present"] for row in rows] == ["1", "0", "0"]
    assert rows[1]["centroid_x"] == ""
    assert rows[1]["area_px"] == "0"
    assert float(rows[1]["agreement_prev"]) == 0
    assert float(rows[2]["agreement_prev"]) == 1


def test_a_run_without_any_cornea_warns(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", [np.full((120, 160, 3), 30, np.uint8)] * 3)
    result, _ = run(path, segmenter)
    assert result.frames_found == 0
    assert result.warnings == ["no cornea in any frame: look at the recording"]


def test_run_json_tells_what_was_done(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(3))
    result, out = run(path, segmenter)
    told = json.loads((out / "run.json").read_text())
    assert told["status"] == "complete"
    assert told["frames"] == told["frames_expected"] == 3
    assert told["checkpoint"]["sha256"] == segmenter.checkpoint.sha256
    assert told["settings"]["opacity"] == 0.5
    assert told["source"]["width"] == 160
    assert told["versions"]["torch"]
    assert told["warnings"] == []
    assert sorted(told["outputs"]) == sorted(p.name for p in out.iterdir())
    assert result.fps > 0


def test_stopping_leaves_outputs_that_play(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mkv", moving_discs(10) * 30, audio="aac")
    stop = threading.Event()
    result = run_source(
        path, tmp_path / "out", segmenter, RunOptions(mask=True), stop=stop,
        on_progress=lambda p: stop.set() if p.frames == 20 else None,
    )  # fmt: skip
    assert result.status == "interrupted"
    assert 20 <= result.frames < 200
    for name in ("overlay.mp4", "mask.mkv"):
        assert len(read_video(Path(result.folder) / name)) == result.frames
    told = json.loads((Path(result.folder) / "run.json").read_text())
    assert (told["status"], told["frames"]) == ("interrupted", result.frames)


def test_an_output_that_cannot_be_written(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(2))
    (tmp_path / "out").write_text("a file stands where the folder should be")
    with pytest.raises(OutputError, match="not a folder"):
        run(path, segmenter)
