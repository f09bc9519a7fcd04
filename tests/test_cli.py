"""The command line as users meet it: spellings, exit codes, one sentence per mistake, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from conftest import moving_discs, read_video, write_video
from typer.main import get_command
from typer.testing import CliRunner
from waiting import PATIENCE_S, wait_until

from cornea_stream.cli import app

runner = CliRunner()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "eye.mp4", moving_discs(6))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['cornea-stream', '--help']\n"
        "from cornea_stream.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code\n"
        "heavy = {'torch', 'cv2', 'av', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("run", "frame", "demo", "info"):
        assert name in done.stdout


@pytest.mark.parametrize("spelling", ["-", "_"])
def test_underscores_mean_hyphens(
    video: Path, tmp_path: Path, tiny_checkpoint: Path, call, spelling: str
) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / f"out{spelling}"
    arguments = [
        "--output-dir",
        out,
        "--batch-size",
        1,
        "--raw-mask",
        "--checkpoint",
        tiny_checkpoint,
    ]
    spelled = [
        a.replace("-", "_").replace("__", "--") if isinstance(a, str) and spelling == "_" else a
        for a in arguments
    ]
    code, _, err = call("run", video, *spelled, "--quiet")
    assert (code, err) == (0, "")
    assert (out / "eye" / "overlay.mp4").exists()
    code, _, _ = call(
        "frame",
        video,
        "--timestamp",
        "0.1",
        f"--output{spelling}dir",
        out / "f",
        "--checkpoint",
        tiny_checkpoint,
    )
    assert code == 0
    assert (out / "f" / "eye" / "0.100s" / "Cornea.png").exists()


def test_every_output_of_run_as_json(
    video: Path, tmp_path: Path, tiny_checkpoint: Path, call
) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call(
        "run", video, "-o", tmp_path / "out", "--mask", "--frames", "--metrics", "--json",
        "--checkpoint", tiny_checkpoint,
    )  # fmt: skip
    assert code == 0
    (told,) = json.loads(out)
    assert told["status"] == "complete"
    assert told["frames"] == 6
    folder = tmp_path / "out" / "eye"
    assert {p.name for p in folder.iterdir()} == {
        "overlay.mp4",
        "mask.mkv",
        "frames",
        "metrics.csv",
        "run.json",
    }
    assert len(list((folder / "frames").iterdir())) == 12


def test_the_table_at_the_end(video: Path, tmp_path: Path, tiny_checkpoint: Path, call) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call("run", video, "-o", tmp_path / "out", "--checkpoint", tiny_checkpoint)
    assert code == 0
    for word in ("eye.mp4", "complete", "fps", "overlay.mp4"):
        assert word in out


def test_exit_codes_and_sentences(video: Path, tmp_path: Path, tiny_checkpoint: Path, call) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "bad.pth").write_bytes(b"nonsense")
    (tmp_path / "file").write_text("")
    weights = ("--checkpoint", tiny_checkpoint)
    for arguments, expected, words in (
        (("run",), 2, "Missing argument"),
        (("run", video, "--shade", "x"), 2, "No such option"),
        (("run", video, "--no-overlay", *weights), 2, "nothing to write"),
        (("run", video, "--batch-size", "many", *weights), 2, "neither auto nor a positive number"),
        (("run", video, "--start", "soon", *weights), 2, "not a time"),
        (("run", tmp_path / "none.mp4", *weights), 3, "input not found"),
        (("run", tmp_path / "*.mov", *weights), 3, "no file matches"),
        (("run", video, "--checkpoint", tmp_path / "bad.pth"), 4, "bad.pth"),
        (("run", video, "-o", tmp_path / "file", *weights), 5, "-o takes a folder, not a file"),
        (("frame", video, "-t", "9", *weights), 2, "lasts 0.240 s"),
        (("frame", video, "-t", "-1", *weights), 2, "negative"),
        (("run", video, "--start", "-1", *weights), 2, "negative"),
        (("run", video, "--end", "nan", *weights), 2, "not a time"),
        (("run", video, "--segment", "1:00:00h", *weights), 2, "not a time"),
        (("run", video, "--start", "5m", *weights), 2, "no frame at or after 300 s"),
        (("frame", tmp_path / "none.mp4", "-t", "1", *weights), 3, "input not found"),
        (("info", tmp_path / "bad.pth"), 4, "bad.pth"),
        (("nonsense",), 2, "No such command"),
    ):
        code, out, err = call(*arguments)
        assert code == expected, (arguments, out, err)
        assert words in " ".join(err.split()), (arguments, err)
        assert "Traceback" not in err
    assert not (tmp_path / "output").exists()


def test_some_sources_fail_and_the_rest_is_done(
    video: Path, tmp_path: Path, tiny_checkpoint: Path, call
) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "broken.mp4").write_bytes(b"x" * 5000)
    code, out, err = call(
        "run", tmp_path / "*.mp4", "-o", tmp_path / "out", "--checkpoint", tiny_checkpoint
    )
    assert code == 6
    assert "broken.mp4" in err
    assert (tmp_path / "out" / "eye" / "overlay.mp4").exists()
    assert "complete" in out


def test_every_command_has_verbose() -> None:
    for name, command in vars(get_command(app))["commands"].items():
        assert "--verbose" in {option for param in command.params for option in param.opts}, name


@pytest.mark.parametrize("more", [(), ("--verbose",)])
def test_tracebacks_are_for_verbose(
    video: Path, tmp_path: Path, tiny_checkpoint: Path, call, more: tuple[str, ...]
) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call(
        "run", tmp_path / "none.mp4", "--json", *more, "--checkpoint", tiny_checkpoint
    )
    (result,) = json.loads(out)
    assert (code, "input not found" in result["error"]) == (3, True)
    assert (result["traceback"] is not None) == bool(more)


def test_two_sources_of_one_name_get_folders_of_their_own(
    video: Path, tmp_path: Path, tiny_checkpoint: Path, call
) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "eye.mp4").write_bytes(video.read_bytes())
    other, out = tmp_path / "b" / "eye.mp4", tmp_path / "out"
    code, _, _ = call("run", video, other, "-o", out, "--checkpoint", tiny_checkpoint)
    assert code == 0
    for folder, source in ((out / "eye", video), (out / "b" / "eye", other)):
        assert json.loads((folder / "run.json").read_text())["source"]["path"] == str(source)


def test_quiet_says_nothing(video: Path, tmp_path: Path, tiny_checkpoint: Path, call) -> None:  # type: ignore[no-untyped-def]
    for command in (
        ("run", video, "-o", tmp_path / "a"),
        ("frame", video, "-t", "0", "-o", tmp_path / "b"),
    ):
        assert call(*command, "--quiet", "--checkpoint", tiny_checkpoint) == (0, "", "")


def test_info(video: Path, tiny_checkpoint: Path, call) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call("info", "--json")
    assert code == 0
    assert json.loads(out)["torch"]
    _, out, _ = call("info", video, "--json")
    assert json.loads(out)["width"] == 160
    _, out, _ = call("info", video)
    shown = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert shown["audio_codec"] == shown["hdr"] == "none"
    assert shown["mm_per_px"] == "unknown"
    _, out, _ = call("info", tiny_checkpoint)
    assert "resnet18" in out
    assert runner.invoke(app, ["--version"]).output.startswith("cornea-stream ")


def test_the_tab_key_completes_commands_and_options() -> None:
    for typed, wanted in (("r", "run"), ("run --white", "--white-to-white"), ("inf", "info")):
        words = f"cornea-stream {typed}"
        done = subprocess.run(
            [sys.executable, "-c", "import sys; sys.argv = ['cornea-stream']\n"
             "from cornea_stream.cli import main; main()"],
            env={**os.environ, "_CORNEA_STREAM_COMPLETE": "complete_bash", "COMP_WORDS": words,
                 "COMP_CWORD": str(len(words.split()) - 1)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert wanted in done.stdout.split(), done.stderr


@pytest.mark.parametrize("name", ["a [b] 'c' $d.mp4", "ünïcode 眼.mp4", "-dash.mp4"])
def test_awkward_file_names(tmp_path: Path, tiny_checkpoint: Path, call, name: str) -> None:  # type: ignore[no-untyped-def]
    path = write_video(tmp_path / "plain.mp4", moving_discs(3)).rename(tmp_path / name)
    code, out, _ = call("run", "-o", tmp_path / "out", "--checkpoint", tiny_checkpoint, "--", path)
    assert code == 0
    assert (tmp_path / "out" / path.stem / "overlay.mp4").exists()
    assert "complete" in out


def test_ctrl_c_in_any_command_is_one_sentence(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place in ("cornea_train.trainer.train", "cornea_train.export.export"):
        monkeypatch.setattr(place, interrupt)
    monkeypatch.setattr("cornea_stream.diagnostics.installation.describe_installation", interrupt)
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("cornea_stream.batch.task.plan_source", interrupt)
    (tmp_path / "v.mp4").touch()
    for arguments, words in (
        (("info",), "Error: interrupted\n"),
        (("train", "--data-dir", tmp_path, "-o", tmp_path / "o"), "Error: interrupted\n"),
        (("run", tmp_path / "v.mp4"), "Error: interrupted: --resume skips"),
    ):
        code, out, err = call(*arguments)
        assert (code, out, words in err) == (130, "", True), err
        assert err.count("Error:") == 1
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_video_that_plays(
    tmp_path: Path, tiny_checkpoint: Path, ending: signal.Signals
) -> None:
    source = tmp_path / "long.mp4"
    write_video(source, moving_discs(30) * 100, options={"preset": "ultrafast"})
    process = subprocess.Popen(
        [sys.executable, "-m", "cornea_stream", "run", str(source), "-o", str(tmp_path / "out"),
         "--frames", "--checkpoint", str(tiny_checkpoint), "--backend", "torch"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    frames = tmp_path / "out" / "long" / "frames"
    wait_until((frames / "000020_overlay.png").exists, "the first frames")
    process.send_signal(ending)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, err
    told = json.loads((tmp_path / "out" / "long" / "run.json").read_text())
    assert told["status"] == "interrupted"
    assert 20 < told["frames"] < 3000
    assert len(read_video(tmp_path / "out" / "long" / "overlay.mp4")) == told["frames"]
    assert f"Interrupted after {told['frames']} frames" in " ".join(err.split())


def test_images_on_the_command_line(tmp_path: Path, tiny_checkpoint: Path, call) -> None:  # type: ignore[no-untyped-def]
    cv2.imwrite(str(tmp_path / "eye.jpg"), moving_discs(1)[0])
    code, _, _ = call(
        "run", tmp_path / "eye.jpg", "-o", tmp_path / "o", "--checkpoint", tiny_checkpoint
    )
    assert code == 0
    assert (tmp_path / "o" / "eye" / "overlay.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [["-"], ["rtsp://127.0.0.1:9/x"], ["v.mp4", "--preview"], ["v.mp4", "-o", "udp://127.0.0.1:9"]],
)
def test_what_goes_frame_by_frame_is_not_cut(
    call, video: Path, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    monkeypatch.chdir(video.rename(tmp_path / "v.mp4").parent)
    code, out, err = call(
        "run", *arguments, "--segment", "5m", "--checkpoint", tiny_checkpoint, "--quiet"
    )
    assert (code, out) == (2, "")
    assert f"is not cut: {arguments[0]}: run it in one piece" in err
    assert {path.name for path in tmp_path.iterdir()} == {"v.mp4"}


def test_images_beside_videos_are_named(
    call, video: Path, tmp_path: Path, tiny_checkpoint: Path
) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    (tmp_path / "cover.png").touch()
    weights = ("--checkpoint", tiny_checkpoint, "-o", tmp_path / "out")
    code, _, err = call("run", tmp_path, *weights)
    assert code == 0
    assert f"Warning: images beside videos passed over: {tmp_path} (1)" in err
