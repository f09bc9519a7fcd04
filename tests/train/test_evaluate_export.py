"""Evaluation against hand counts; exports that other programs accept."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from conftest import moving_discs, write_video

from cornea_stream.cli import main
from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import IMAGENET_MEAN, IMAGENET_STD, ModelSpec, build_pspnet
from cornea_train.dataset import load_pair
from cornea_train.evaluate import evaluate, stability
from cornea_train.export import export
from cornea_train.formats import find_pairs
from cornea_train.metrics import overlap
from cornea_train.network import TrainNet

from .conftest import annotation, eye, write_pair


def test_scores_are_those_of_the_masks(
    data_dir: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    result = evaluate(data_dir, segmenter, sheet=tmp_path / "sheet.png", worst=5)
    assert len(result.scores) == 20
    for pair, score in zip(find_pairs(data_dir)[0], result.scores, strict=True):
        image, true = load_pair(pair)
        assert score.iou == pytest.approx(overlap(segmenter(image).mask, true).iou)
        assert score.case == pair.case
    assert [s.case for s in result.summaries] == [*(f"case_{i:02d}" for i in range(5)), "all"]
    overall = result.summaries[-1]
    assert overall.frames == 20
    assert overall.iou == pytest.approx(np.mean([s.iou for s in result.scores]))
    assert overall.iou > 0.9
    assert overall.iou_low <= overall.iou <= overall.iou_high
    assert 0 < overall.surface_distance_px < overall.hd95_px < 5
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (480, 1280, 3)
    blue, green, red = sheet.astype(int).transpose(2, 0, 1)
    assert ((green > 150) & (blue < 80) & (red < 80)).any()  # the outline found


def test_unusable_pairs_stop_the_evaluation(tmp_path: Path, segmenter: Segmenter) -> None:
    write_pair(tmp_path / "case1", "a.png", *eye(1))
    write_pair(tmp_path / "case1", "b.png", eye(1)[0], annotation([]))
    with pytest.raises(SourceError, match=r"1 unusable pairs.*b\.png: no cornea is annotated"):
        evaluate(tmp_path, segmenter)
    assert len(evaluate(tmp_path, segmenter, max_bad=1).scores) == 1


def test_stability_of_a_still_and_a_moving_eye(tmp_path: Path, segmenter: Segmenter) -> None:
    still = stability(write_video(tmp_path / "s.mp4", moving_discs(1) * 10), segmenter)
    moving = stability(write_video(tmp_path / "m.mp4", moving_discs(10)), segmenter)
    assert still.neighbour_iou > 0.99 > moving.neighbour_iou > 0.8
    assert still.centroid_step_px < 0.2
    assert moving.centroid_step_px == pytest.approx(3, abs=0.5)
    assert still.present == 1
    with pytest.raises(UsageError, match="two frames"):
        stability(write_video(tmp_path / "one.mp4", moving_discs(1)), segmenter)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["cornea-stream", *map(str, arguments)])
    with pytest.raises(SystemExit) as exited:
        main()
    return int(exited.value.code or 0)


def test_evaluate_on_the_command_line(
    data_dir: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    video = write_video(tmp_path / "v.mp4", moving_discs(4))
    arguments = (
        "evaluate", "--data_dir", data_dir, "--video", video, "--checkpoint", tiny_checkpoint,
        "-o", tmp_path / "e",
    )  # fmt: skip
    assert call(monkeypatch, *arguments, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summaries"][-1]["frames"] == 20
    assert told["stability"]["frames"] == 4
    assert {p.name for p in (tmp_path / "e").iterdir()} == {
        "evaluation.json", "evaluation.csv", "worst_frames.png",
    }  # fmt: skip
    with (tmp_path / "e" / "evaluation.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 20
    assert call(monkeypatch, *arguments) == 5
    assert call(monkeypatch, *arguments, "--overwrite") == 0
    shown = capsys.readouterr().out
    assert "95 % interval" in shown
    assert "over 4 frames" in shown
    assert call(monkeypatch, "evaluate", "--checkpoint", tiny_checkpoint) == 2


def test_evaluate_of_a_video_alone(
    data_dir: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    video, out = write_video(tmp_path / "v.mp4", moving_discs(4)), tmp_path / "e"
    alone = ("evaluate", "--video", video, "--checkpoint", tiny_checkpoint, "-o", out)
    for option in (
        ("--worst", 3), ("--split-file", tmp_path / "s.json"), ("--max-bad", 1),
        ("--respect-holes",),
    ):  # fmt: skip
        assert call(monkeypatch, *alone, *option) == 2
        assert f"{option[0]} is for annotated frames" in capsys.readouterr().err
    assert not out.exists()
    assert call(monkeypatch, *alone) == 0
    assert json.loads((out / "evaluation.json").read_text())["stability"]["frames"] == 4
    assert call(monkeypatch, *alone) == 5
    assert call(monkeypatch, *alone, "--data-dir", data_dir, "--overwrite") == 0
    assert len(list(out.iterdir())) == 3
    assert call(monkeypatch, *alone, "--overwrite") == 0
    assert [path.name for path in out.iterdir()] == ["evaluation.json"]


def test_checkpoints_are_compared_with_the_first(
    data_dir: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    loaded = load_checkpoint(tiny_checkpoint)
    everything = {**loaded.state_dict, "segmentation_head.0.bias": torch.tensor([1e4])}
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / tiny_checkpoint.name
    save_checkpoint(other, everything, loaded.spec)
    arguments = (
        "evaluate", "--data-dir", data_dir, "--checkpoint", other, "--checkpoint", tiny_checkpoint,
        "-o", tmp_path / "e",
    )  # fmt: skip
    assert call(monkeypatch, *arguments, "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert "difference" not in first
    change = second["summaries"][-1]["iou"] - first["summaries"][-1]["iou"]
    told = second["difference"]
    assert told["iou"] == pytest.approx(change)
    assert told["iou_low"] <= told["iou"] <= told["iou_high"]
    assert told["better"] + told["worse"] <= 20
    assert {path.name for path in (tmp_path / "e").iterdir()} == {"tiny-1", "tiny-2"}
    assert (tmp_path / "e" / "tiny-2" / "evaluation.csv").exists()
    assert call(monkeypatch, *arguments) == 5
    assert call(monkeypatch, *arguments, "--overwrite") == 0
    assert "Comparison with the first" in capsys.readouterr().out
    assert call(monkeypatch, *arguments, "--checkpoint", other, "--overwrite") == 2


@pytest.fixture
def trained(tmp_path: Path) -> Checkpoint:
    """Random weights as training leaves them: normalized input, lively batch-norm statistics."""
    torch.manual_seed(2)
    spec = ModelSpec("resnet101", 3, 512, (96, 96), IMAGENET_MEAN, IMAGENET_STD)
    model = build_pspnet("resnet101")
    network = TrainNet(model, spec).train()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for _ in range(2):
            network(torch.from_numpy(rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)))
    save_checkpoint(tmp_path / "best_model.pth", model.state_dict(), spec, {"epoch": 7})
    return load_checkpoint(tmp_path / "best_model.pth")


def picture(size: int) -> np.ndarray:
    noise = np.random.default_rng(4).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (size, size)), np.uint8)


def logits_of(checkpoint: Checkpoint, image: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        network = TrainNet(checkpoint.build(), checkpoint.spec).eval()
        return network(torch.from_numpy(image)[None])[0, 0].numpy()


def test_published_format_is_accepted_by_a_fresh_pspnet(
    trained: Checkpoint, tmp_path: Path
) -> None:
    export(trained, tmp_path / "published.pth")
    model = smp.PSPNet("resnet101", encoder_weights=None, in_channels=3, classes=1)
    weights = torch.load(tmp_path / "published.pth", weights_only=True)
    model.load_state_dict(weights, strict=True)
    image = picture(512)
    with torch.inference_mode():
        raw = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        found = model.eval()(raw)[0, 0].numpy()
    expected = logits_of(trained, image)
    inner = np.s_[128:384, 128:384]
    assert np.abs(found[inner] - expected[inner]).max() < 0.05 * expected.std()
    assert ((found > 0) == (expected > 0))[inner].mean() > 0.99


def test_safetensors_keep_weights_and_metadata(trained: Checkpoint, tmp_path: Path) -> None:
    export(trained, tmp_path / "w.safetensors")
    loaded = load_checkpoint(tmp_path / "w.safetensors")
    assert loaded.spec == trained.spec
    assert loaded.metadata["epoch"] == 7
    assert loaded.metadata["exported_from"] == trained.sha256
    assert (tmp_path / "w.safetensors").stat().st_size < 10e6
    assert np.array_equal(logits_of(loaded, picture(96)), logits_of(trained, picture(96)))


def test_onnx_runs_elsewhere_with_any_batch(trained: Checkpoint, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert "checked with onnxruntime" in export(trained, tmp_path / "w.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "w.onnx"))
    image = picture(96)
    for count in (1, 3):
        batch = np.repeat(image.transpose(2, 0, 1)[None].astype(np.float32), count, axis=0)
        (logits,) = session.run(None, {"images": batch})
        assert logits.shape == (count, 1, 96, 96)
        np.testing.assert_allclose(logits[-1, 0], logits_of(trained, image), atol=1e-3)
    assert not list(tmp_path.glob("*.part*"))


def test_what_cannot_be_exported(trained: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format"):
        export(trained, tmp_path / "w.tflite")
    (tmp_path / "there.pth").write_text("precious")
    with pytest.raises(OutputError, match="output exists"):
        export(trained, tmp_path / "there.pth")
    assert (tmp_path / "there.pth").read_text() == "precious"
    model = build_pspnet("mobilenet_v2")
    other = Checkpoint(model.state_dict(), ModelSpec("mobilenet_v2", image_size=(64, 64)))
    with pytest.raises(UsageError, match="ResNet encoders"):
        export(other, tmp_path / "m.pth")


def test_export_on_the_command_line(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, "export", tiny_checkpoint, "-o", tmp_path / "a.pth") == 0
    assert call(monkeypatch, "export", tiny_checkpoint, "-o", tmp_path / "a.pth") == 5
    assert call(monkeypatch, "export", tmp_path / "none.pth", "-o", tmp_path / "b.pth") == 4
    assert load_checkpoint(tmp_path / "a.pth").spec.encoder_name == "resnet18"
