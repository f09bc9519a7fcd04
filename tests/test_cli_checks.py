"""What is wrong is named at once: before the network is loaded and before outputs that exist."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import cv2
import pytest
import torch
from conftest import moving_discs, write_video

from cornea_stream.cli.spellings import camera, precision_name
from cornea_stream.engines.names import device_names


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path) -> Path:
    """A folder with a video and its outputs, where no network may be loaded."""
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "other.mp4"):
        write_video(tmp_path / name, moving_discs(6))
    (tmp_path / "output" / "clip").mkdir(parents=True)
    (tmp_path / "output" / "clip" / "overlay.mp4").write_text("the user's own")
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("a text\n" * 9)

    def build_engine(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr("cornea_stream.inference.segmenter.build_engine", build_engine)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("clip.mp4 --start 99", 2, "no frame at or after 99 s: clip.mp4 lasts 0.240 s: choose"),
        ("clip.mp4 --stride 0", 2, "--stride must be 1 or more"),
        ("clip.mp4 --precision half", 2, "fp16 needs a GPU"),
        ("clip.mp4 --precision int9", 2, "unknown precision: 'int9'"),
        ("clip.mp4 --backend onnx", 2, "unknown backend"),
        ("clip.mp4 --device gpu:77", 2, "no such GPU: gpu:77: torch sees"),
        ("clip.mp4 --device 78", 2, "no such GPU: 78: torch sees"),
        ("clip.mp4 --device tpu", 2, "unknown device: 'tpu'"),
        ("clip.mp4 --threshold 2", 2, "--threshold must be between 0 and 1"),
        ("clip.mp4 --batch-size 5000", 2, "--batch-size must be between"),
        ("clip.mp4 --crf 99", 2, "--crf must be at most 51"),
        ("clip.mp4 --opacity 7", 2, "--opacity must be between 0 and 1"),
        ("clip.mp4 --thickness 0", 2, "--thickness must be between 1 and 100"),
        ("clip.mp4 --thickness 12", 2, "--thickness is for an outline: use --contour"),
        ("clip.mp4 --no-overlay --mask --contour", 2, "--contour is for overlays: write one with"),
        ("clip.mp4 --no-overlay --metrics --opacity 0.2", 2, "--opacity is for overlays"),
        ("clip.mp4 --no-overlay --save-frames masks --no-label", 2, "--no-label is for overlays"),
        ("clip.mp4 --no-overlay --jsonl x --color red", 2, "--color is for overlays"),
        ("clip.mp4 --no-overlay --mask --crf 20", 2, "--crf is for the overlay video"),
        ("clip.mp4 --no-overlay --mask --codec libx265", 2, "--codec is for the overlay video"),
        ("clip.mp4 --no-overlay --preview --preset fast", 2, "--preset is for the overlay video"),
        ("clip.mp4 --name-by time", 2, "--name-by is for the PNGs of every frame: write them with"),
        ("clip.mp4 -o - --resume", 2, "--resume is for files"),
        ("clip.mp4 --stream-format mpegts", 2, "--stream-format is for standard output: add -o -"),
        ("clip.mp4 --preview-port 8000", 2, "--preview-port is for --preview"),
        ("clip.mp4 --preview-host ::1", 2, "--preview-host is for --preview"),
        ("clip.mp4 --reconnect-timeout 5", 2, "--reconnect-timeout is for live sources: clip.mp4"),
        ("http://a/b.mp4 --reconnect-timeout 5", 2, "add --live, or leave it out"),
        ("rtsp://a/b --realtime", 2, "--realtime is for recordings: rtsp://a/b: leave"),
        ("http://a/b.mp4 --decoder nvdec", 2, "--decoder is for video files: http://a/b.mp4"),
        ("clip.mp4 --ray-cores 4", 2, "--ray-cores is for a Ray cluster: add --ray"),
        ("clip.mp4 --no-overlay", 2, "choose --overlay, --mask, --save-frames, --metrics,"),
        ("clip.mp4 --start 2 --end 1", 2, "swap them"),
        ("clip.mp4 --precision int8 --calibration-data no.mp4", 3, "no.mp4: check the path"),
        (
            "clip.mp4 --save-frames --name-by hour",
            2,
            "unknown --name-by: 'hour': use number or time",
        ),
        ("clip.mp4", 5, "output exists: output/clip/overlay.mp4: pass --overwrite"),
        ("other.mp4 folder2", 2, "with -o: cornea-stream run other.mp4 -o folder2"),
        ("other.mp4 empty", 2, "with -o: cornea-stream run other.mp4 -o empty"),
        ("other.mp4 -o note.txt", 5, "-o takes a folder, not a file"),
        ("other.mp4 -o out.mp4", 2, "-o takes a folder, not a file"),
        ("other.mp4 -o note.txt/deeper", 5, "not a folder: note.txt"),
        ("other.mp4 --checkpoint -o n", 2, "Option --checkpoint needs a value before -o"),
        ("other.mp4 --color", 2, "quote it: --color '#00aaff'"),
        ("empty", 3, "no videos and no images in: empty"),
        ("note.txt", 3, "it is a text (playlists are not followed)"),
        ("7741", 3, "no such camera: /dev/video7741"),
        ("other.mp4 --publish folder", 2, "--publish takes an address"),
        ("other.mp4 --save-frames mask", 2, "--save-frames: mask: use masks, overlays or both"),
        ("other.mp4 --start -1", 2, "negative time: '-1'"),
        ("other.mp4 --input-size 9", 2, "leave out --input-size"),
        ("other.mp4 clip.mp4 --jsonl x", 2, "takes one source, not 2"),
    ],
)
def test_one_plain_answer(place: Path, tiny_checkpoint: Path, call, typed, code, words) -> None:  # type: ignore[no-untyped-def]
    own = () if "--checkpoint" in typed else ("--checkpoint", tiny_checkpoint)
    found, out, err = call("run", *own, *typed.split())
    assert (found, out) == (code, ""), err
    assert words in " ".join(err.split())
    assert err.count("Error:") == 1
    assert len(err.rpartition("Error:")[2].split()) <= 40
    assert {path.name for path in place.iterdir()} == {
        "clip.mp4", "other.mp4", "output", "empty", "note.txt",
    }  # fmt: skip
    assert (place / "output/clip/overlay.mp4").read_text() == "the user's own"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("still.png --video-track 0", "--video-track is for videos: still.png: choose a video"),
        ("stills --video-track 0", "--video-track is for videos: stills"),
        ("stills still.png --decoder nvdec", "--decoder is for videos: none among 2 sources"),
        ("still.png --crf 20", "--crf is for videos: still.png"),
        ("still.png --codec libx265", "--codec is for videos"),
        ("still.png --preset fast", "--preset is for videos"),
    ],
)
def test_options_of_videos_are_not_for_images(
    place: Path, tiny_checkpoint: Path, call, monkeypatch: pytest.MonkeyPatch, typed, words
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("cornea_stream.runs.options.check_decoder", lambda _: None)
    (place / "stills").mkdir()
    for name in ("still.png", "stills/1.png", "stills/2.png"):
        cv2.imwrite(str(place / name), moving_discs(1)[0])
    code, out, err = call("run", "--checkpoint", tiny_checkpoint, *typed.split())
    assert (code, out) == (2, ""), err
    assert words in " ".join(err.split())


@pytest.mark.parametrize(
    "typed", ["still.png other.mp4 --crf 20 --video-track 0", "stills --crf 20", "still.png"]
)
def test_options_of_videos_stay_where_some_source_has_a_use_for_them(
    place: Path, tiny_checkpoint: Path, call, typed: str
) -> None:  # type: ignore[no-untyped-def]
    (place / "stills").mkdir()
    for name in ("still.png", "stills/1.png"):
        cv2.imwrite(str(place / name), moving_discs(1)[0])
    _, _, err = call("run", "--checkpoint", tiny_checkpoint, *typed.split())
    assert "a network was loaded" in err


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("info --scan", "--scan is for a source: add its path"),
        ("benchmark --overwrite", "--overwrite is for the chart: add --chart"),
        ("benchmark --chart c.png", "the chart needs matplotlib: pip install"),
        ("correct --spread 3", "--spread is for runs: name their folders"),
        ("correct --uncertain 0", "--uncertain is for runs: name their folders"),
        ("train --data-dir . --fold 3", "--fold is for cross-validation with --folds 5: use both"),
        ("train --data-dir . --split-file s.json --folds 2", "--folds is for splits without --spl"),
        ("train --data-dir . --init default --encoder-depth 3", "without --init FILE: default"),
    ],
)
def test_idle_options_of_other_commands(
    place: Path, call, monkeypatch: pytest.MonkeyPatch, typed, words
) -> None:  # type: ignore[no-untyped-def]
    if "chart" in words and "--chart" in typed:  # missing: noticed before minutes of measuring
        monkeypatch.setattr("cornea_stream.errors.find_spec", lambda _: None)
    code, out, err = call(*typed.split())
    assert (code, out) == (2, ""), err
    assert words in " ".join(err.split())
    assert not (place / "corrected").exists()


def test_a_source_that_cannot_be_read_is_named_before_the_others_are_begun(
    place: Path, tiny_checkpoint: Path, call
) -> None:  # type: ignore[no-untyped-def]
    _, _, err = call("run", "other.mp4", "none.mp4", "--checkpoint", tiny_checkpoint)
    assert err.count("none.mp4") == 1
    assert err.index("input not found: none.mp4") < err.index("a network was loaded")


def test_weights_of_another_network_are_named(
    place: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    module = types.ModuleType("ultralytics")
    module.Model = type("Model", (torch.nn.Module,), {"__module__": "ultralytics"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ultralytics", module)
    torch.save({"model": module.Model()}, place / "yolov8n.pt")
    code, _, err = call("run", "other.mp4", "--checkpoint", "yolov8n.pt")
    assert (code, "YOLO" in err) == (4, True)


def test_opacity_zero_is_warned_of(tmp_path: Path, tiny_checkpoint: Path, call) -> None:  # type: ignore[no-untyped-def]
    video = write_video(tmp_path / "v.mp4", moving_discs(2))
    code, out, _ = call(
        "run", video, "-o", tmp_path / "o", "--opacity", "0", "--checkpoint", tiny_checkpoint
    )
    assert (code, "Warning: the overlay shows no cornea: opacity is 0" in out) == (0, True)


def test_familiar_values() -> None:
    assert device_names("GPU") == "cuda"
    assert device_names("gpu:1") == "cuda:1"
    assert device_names("0, 2") == "cuda:0,cuda:2"
    assert device_names("CPU") == "cpu"
    assert [precision_name(name) for name in ("half", "float32", "BF16", "INT8")] == [
        "fp16", "fp32", "bf16", "int8",
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="device files")
def test_a_number_is_a_camera_unless_a_file_has_it_as_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert camera("0") == "/dev/video0"
    (tmp_path / "0").touch()
    assert camera("0") == "0"
    assert camera("clip.mp4") == "clip.mp4"
