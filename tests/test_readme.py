"""Everything that README.md and docs/ tell people to type does what they say, or is at least read.

A command that stands in neither table fails, and so does one that the pages no longer have.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from conftest import write_video
from documents import NOT_RUN, PAGES, ROOT, arguments, blocks, commands, name
from documents import python_blocks as blocks_of_python
from typer.testing import CliRunner

from cornea_stream import Segmenter, Session
from cornea_stream.cli import app
from cornea_stream.engines import factory
from cornea_stream.models import checkpoint as weights
from cornea_stream.models import shipped
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.plan import plan_run
from cornea_stream.runs.run import run_plan
from cornea_stream.synthetic import generate_clip
from cornea_train.supervisely import annotation

runner = CliRunner()
SIZE = {"height": 144, "width": 192}

RUN = {
    "cornea-stream run surgery.mp4": ["output/surgery/overlay.mp4", "output/surgery/run.json"],
    "cornea-stream run surgery.mp4 --report": ["output/surgery/report.html"],
    "cornea-stream run surgery.mp4 --mask --save-frames --metrics": [
        "output/surgery/mask.mkv",
        "output/surgery/frames/000000_mask.png",
        "output/surgery/metrics.csv",
    ],
    "cornea-stream run surgery.mp4 --start 1:30 --end 2:00 --stride 5": [
        "output/surgery/overlay.mp4"
    ],
    "cornea-stream run surgery.mp4 --metrics --white-to-white 11.7": ["output/surgery/metrics.csv"],
    "cornea-stream run surgery.mp4 --smooth --color '#00aaff' --opacity 0.3": [
        "output/surgery/overlay.mp4"
    ],
    "cornea-stream run surgery.mp4 --checkpoint model.pth": ["output/surgery/overlay.mp4"],
    "cornea-stream run 'recordings/**/*.mp4' -o results --resume": [
        "results/a/overlay.mp4",
        "results/2024/b/overlay.mp4",
        "results/summary.csv",
    ],
    "cornea-stream frame surgery.mp4 1:30.5": [
        "output/surgery/90.500s/original.png",
        "output/surgery/90.500s/mask.png",
        "output/surgery/90.500s/overlay.png",
    ],
    "cornea-stream run surgery.mp4 --config run.toml --dry-run": [],
    "cornea-stream report results": ["results/surgery/report.html", "results/index.html"],
    "cornea-stream summary results/surgery": ["results/surgery/summary.png"],
    "cornea-stream annotate results/surgery": [
        "annotations/case_surgery/img",
        "annotations/coco.json",
    ],
    "cornea-stream run surgery.mp4 --mask --metrics": ["output/surgery/metrics.csv"],
    "cornea-stream annotate output/a output/b -o annotations": [
        "annotations/case_a/ann",
        "annotations/case_b/ann",
    ],
    "cornea-stream info": [],
    "cornea-stream info surgery.mp4": [],
    "cornea-stream evaluate --data-dir cataract-1k --checkpoint best_model.pth "
    "--split-file split.json": ["output/evaluation/evaluation.json"],
    "cornea-stream evaluate --video surgery.mp4": [],
    "cornea-stream export best_model.pth -o cornea.safetensors": ["cornea.safetensors"],
    "cornea-stream export best_model.pth -o published.pth": ["published.pth"],
}
"""Commands that are run, and what is there afterwards."""

READ = {
    "cornea-stream run recordings/ stills/ -o results --jobs 2": "processes: test_jobs.py",
    "cornea-stream run surgery.mp4 --chunk 5m --jobs 2": "processes: test_chunks.py",
    "cornea-stream run recordings/ -o results --ray auto": "a cluster: test_cluster.py",
    "cornea-stream run rtsp://camera:554/eye": "a camera: test_live.py",
    "cornea-stream run rtsp://camera:554/eye --preview": "a camera: test_preview.py",
    "cornea-stream run rtsp://camera/live --preview": "a camera: test_preview.py",
    "cornea-stream run surgery.mp4 --publish rtsp://server/cornea": "a server: test_publish.py",
    "cornea-stream config --mask --contour > run.toml": "the shell's: test_cli_help.py",
    "cornea-stream run surgery.mp4 --no-overlay --jsonl - | head -n 3": "a pipe: test_lines.py",
    "ffmpeg -i INPUT -c copy -f matroska - | cornea-stream run - --jsonl -": "pipes: test_lines.py",
    "cornea-stream run surgery.mp4 -o - | ffplay -": "opens a window: test_stream.py",
    "cornea-stream correct output/surgery": "a browser: train/correct/page/test_sessions.py",
    "cornea-stream correct results/surgery": "the same",
    "cornea-stream benchmark --baseline": "minutes: test_benchmark.py",
    "cornea-stream export best_model.pth -o cornea.onnx": "slow: test_evaluate_export.py",
    "cornea-stream train --data-dir cataract-1k": "hours, and a download: test_trainer.py",
    "cornea-stream train --data-dir cataract-1k --epochs 150 --batch-size 4 --lr 5e-5 "
    "--encoder-name resnet101 --encoder-weights imagenet --output-dir model_weights": "the same",
    "cornea-stream train --data-dir corrected --init default": "minutes: test_fine_tuning.py",
    "cornea-stream train --data-dir corrected --init default "
    "--output-dir corrected_weights": "the same",
    "cornea-stream evaluate --data-dir cataract-1k --checkpoint default "
    "--checkpoint best_model.pth": "the real default weights: test_evaluate_export.py",
    "cornea-stream export theirs.pth --input-size 256 --input-normalization imagenet "
    "-o mine.safetensors": "weights of another trainer: test_stated_input.py",
}
"""Commands that are only parsed, and why; other tests run the like."""

OTHERS = {
    "cornea-stream --install-completion": "changes the shell of who runs it: test_cli.py",
    "pip install '.[train]'": "its extra is looked up below",
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/cornea-stream demo":
        "pip; the tests run demo",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/python -m pytest":
        "CI runs it as it stands",
}  # fmt: skip
"""Commands that are not the program's own, and why they are not run."""

# Of ray, torchrun and pip.
FOREIGN_OPTIONS = {"--head", "--nproc-per-node"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """The folder of somebody who has recordings, finished runs, data and weights."""
    root = tmp_path_factory.mktemp("somebody")
    clip = list(islice(generate_clip(3, 14, **SIZE), 14))
    pictures = [rgb for rgb, _ in clip]
    # Ten seconds from frame to frame: the examples' times go beyond two minutes.
    write_video(root / "surgery.mp4", pictures, pts=range(0, 140_000, 10_000))
    cv2.imwrite(str(root / "eye.png"), pictures[0][..., ::-1])
    for place in ("recordings/a.mp4", "recordings/2024/b.mp4"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        write_video(root / place, pictures[:3])
    case = root / "cataract-1k" / "case_1"
    for folder in ("img", "ann"):
        (case / folder).mkdir(parents=True)
    for index, (rgb, mask) in enumerate(clip[:4]):
        cv2.imwrite(str(case / "img" / f"{index}.png"), rgb[..., ::-1])
        (case / "ann" / f"{index}.png.json").write_text(json.dumps(annotation(mask)))
    names = [f"case_1/img/{index}.png" for index in range(4)]
    (root / "run.toml").write_text("mask = true\n")
    (root / "split.json").write_text(json.dumps({"train": names[:2], "validation": names[2:]}))
    loaded = weights.load_checkpoint(tiny_checkpoint)
    for file in ("model.pth", "best_model.pth"):
        weights.save_checkpoint(root / file, loaded.state_dict, loaded.spec)
    segmenter = Segmenter(tiny_checkpoint, device="cpu", backend="torch")
    for folder in ("results/surgery", "output/a", "output/b"):
        options = RunOptions(mask=True, metrics=True)
        plan = plan_run(root / "surgery.mp4", root / folder, options, segmenter.mask_settings)
        done = run_plan(plan, segmenter)
        assert done.status == "complete"
    return root


@pytest.fixture
def somewhere(
    made: Path, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of that folder to work in, small default weights, a backend that starts at once."""
    root = tmp_path / "somewhere"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(shipped, "default_checkpoint_path", lambda: tiny_checkpoint)
    monkeypatch.setattr(factory, "find_spec", lambda name: None)
    return root


def test_every_command_is_known_and_every_known_one_stands_there() -> None:
    known = Counter([*RUN, *READ, *OTHERS])
    assert max(known.values()) == 1
    written = commands()
    unknown = {command: page for command, page in written.items() if command not in known}
    assert not unknown, "say in tests/test_readme.py how these are tested"
    assert set(known) <= set(written), "these stand on no page any more"
    languages = {language for page in PAGES for language, _ in blocks(page)}
    assert languages <= {"", "python", *NOT_RUN}


@pytest.mark.parametrize("command", RUN)
def test_what_is_run(command: str, somewhere: Path) -> None:
    program, *rest = arguments(command)
    assert program == "cornea-stream"
    # Finished results would be in the way of the examples that make new ones.
    if rest[:2] == ["run", "surgery.mp4"]:
        assert not (somewhere / "output" / "surgery").exists()
    done = runner.invoke(app, rest)
    assert done.exit_code == 0, (done.output, done.exception)
    for file in RUN[command]:
        assert (somewhere / file).exists(), file
    assert RUN[command] or done.output.strip()


@pytest.mark.parametrize("command", READ)
def test_what_is_read(command: str) -> None:
    (own,) = [part for part in re.split(r" [|>] ", command) if part.startswith("cornea-stream")]
    _, name_of_command, *rest = arguments(own)
    group = typer.main.get_command(app)
    with group.make_context("cornea-stream", [name_of_command, *rest]) as outer:
        found = group.get_command(outer, name_of_command)  # type: ignore[attr-defined]
        assert found is not None
        with found.make_context(name_of_command, rest, parent=outer) as context:
            assert not context.args


def after_session(printed: str, namespace: dict[str, Any]) -> None:
    lines = printed.splitlines()
    assert 1 <= len(lines) <= 14
    assert all(line.startswith("Segmentation(frame ") for line in lines)


def after_async(printed: str, namespace: dict[str, Any]) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    with Session(Segmenter()) as session:
        mask = asyncio.run(namespace["mask_of"](picture, session))
    assert mask.shape == (48, 64)


def after_run_source(printed: str, namespace: dict[str, Any]) -> None:
    assert namespace["result"].status == "complete"
    assert namespace["result"].frames == 14
    assert Path("output/surgery/mask.mkv").exists()


def after_stream(printed: str, namespace: dict[str, Any]) -> None:
    assert namespace["found"].frame.index == 13


def after_image(printed: str, namespace: dict[str, Any]) -> None:
    first, shape, *_ = printed.splitlines()
    assert first.startswith("Segmentation(frame 0 at 0.000 s, mask (144, 192) uint8")
    assert shape.startswith("(144, 192) ")
    assert re.findall(r"^{'frame': (\d+),", printed, re.MULTILINE) == [*"02468", "10", "12"]


def after_snapshot(printed: str, namespace: dict[str, Any]) -> None:
    assert len(printed.splitlines()) == 2
    assert (namespace["taken"].folder / "overlay.png").exists()


BLOCKS: dict[str, Callable[[str, dict[str, Any]], None]] = {
    'segmenter.stream("surgery.mp4"):': after_stream,
    'segmenter("eye.png")': after_image,
    "newest_only=True": after_session,
    "asyncio.wrap_future": after_async,
    "run_source(": after_run_source,
    "snapshot(": after_snapshot,
}
"""Blocks of Python by words in them, and what holds afterwards; test_recipes.py has the others."""


@pytest.mark.parametrize(
    ("place", "text"),
    [(place, text) for place, text in blocks_of_python() if "recipes" not in place],
)
def test_the_python(
    place: str, text: str, somewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (after,) = [after for words, after in BLOCKS.items() if words in text]
    text = text.replace("cv2.VideoCapture(0)", 'cv2.VideoCapture("surgery.mp4")')
    namespace: dict[str, Any] = {"__name__": "example"}
    exec(compile(text, place, "exec"), namespace)
    after(capsys.readouterr().out, namespace)


def test_the_readme_prints_what_it_says(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setattr(factory, "find_spec", lambda name: None)
    (text,) = [text for place, text in blocks_of_python() if place.startswith("README")]
    namespace: dict[str, Any] = {}
    exec(compile(text, "README.md", "exec"), namespace)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 14
    assert re.fullmatch(r"130\.00 s, \d+ px, 0\.\d\d", lines[-1])
    *_, (_, truth) = generate_clip(3, 14, **SIZE)
    assert iou(namespace["found"].mask, truth) > 0.5


def test_options_in_the_prose_exist() -> None:
    group = typer.main.get_command(app)
    known = {"--install-completion", "--help"} | FOREIGN_OPTIONS
    for command in [group, *group.commands.values()]:  # type: ignore[attr-defined]
        for parameter in command.params:
            known |= {*parameter.opts, *parameter.secondary_opts}
    for page in PAGES:
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", page.read_text("utf-8")):
            assert option.replace("_", "-") in known, f"{name(page)}: {option}"


def test_extras_in_the_prose_exist() -> None:
    declared = (ROOT / "pyproject.toml").read_text("utf-8")
    for page in PAGES:
        groups = re.findall(r"'\.\[([\w,]+)\]'", page.read_text("utf-8"))
        for extra in ",".join(groups).split(",") if groups else ():
            assert re.search(rf"^{extra} = \[", declared, re.MULTILINE), f"{name(page)}: {extra}"


def test_the_start_is_short_and_its_files_are_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 130
    for page in PAGES:
        for link in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{name(page)}: {link}"
    assert (ROOT / "docs" / "overlay.png").stat().st_size < 300_000
