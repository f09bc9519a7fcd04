"""Help in panels, names that lead to the right ones, old names, settings in a file."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import typer
from conftest import moving_discs, write_video

from cornea_stream.cli import app

COMMANDS = list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
SCREEN = 24


def panels(text: str) -> dict[str, str]:
    """Return the sections of a help text by their headings."""
    parts = re.split(r"^(\S.*):\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_panel_fits_a_screen_and_names_no_types(call, command: str) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call(command, "--help")
    assert code == 0
    found = panels(out)
    assert found
    for name, text in found.items():
        assert len(text.splitlines()) < SCREEN, name
    assert not re.search(r"<(?!name>|time>)\w+|object at", out)
    assert max(map(len, out.splitlines())) <= 100


def test_the_panels_of_run(call) -> None:  # type: ignore[no-untyped-def]
    found = panels(call("run", "--help")[1])
    assert list(found) == [
        "Arguments", "Most used", "Input", "Outputs", "Masks", "Engine", "Streams",
        "Many videos", "Display",
    ]  # fmt: skip
    first = re.findall(r"^  (?:-\w, )?(--[\w-]+)", found["Most used"], re.MULTILINE)
    assert {"--output-dir", "--mask", "--metrics", "--start", "--resume"} <= set(first)
    assert len(first) == 10
    shown = set(re.findall(r"--[\w-]+", "".join(found.values())))
    assert not shown & {"--every", "--frames", "--calibrate", "--segment"}


def test_rich_is_not_imported_for_help(monkeypatch: pytest.MonkeyPatch, call) -> None:  # type: ignore[no-untyped-def]
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    assert call("run", "--help")[0] == 0
    assert not any(name.split(".")[0] == "rich" for name in sys.modules)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("video x", "use: cornea-stream run"),
        ("predict x", "use: cornea-stream run"),
        ("runn x", "did you mean run?"),
        ("snapshot x", "use: cornea-stream frame"),
        ("clip.mp4", "use: cornea-stream run clip.mp4"),
        ("zzz", "cornea-stream --help lists them"),
        ("run x --outline", "use --contour"),
        ("run x --weights y", "use --checkpoint"),
        ("run x --output y", "use --output-dir"),
        ("run x --source y", "without an option: cornea-stream run PATH"),
        ("run x --half", "use --precision bf16 on a CPU, or --precision fp16 on a GPU"),
        ("run x --imgsz 640", "leave it out, as weights know their input"),
        ("frame x --img-size 640", "use --input-size and --input-normalization"),
        ("run x --save-masks", "use --mask for a video, or --save-frames masks for PNGs"),
        ("run x --line-width 2", "use --contour --thickness"),
        ("run x --calib y", "use --precision int8 --calibration-data"),
        ("run x --duration 5", "use --end, the time at which to stop"),
        ("run x --vid-stride 2", "use --stride"),
        ("run x --thresold 2", "did you mean --threshold?"),
        ("run x -v", "use --verbose"),
        ("frame x -1", "leave out the minus"),
        ("run x --zzz", "cornea-stream run --help lists them"),
        ("benchmark --imgsz 320", "use --input-size"),
        ("frame x --outdir y", "use --output-dir"),
    ],
)
def test_unknown_names_lead_to_the_right_ones(call, typed: str, words: str) -> None:  # type: ignore[no-untyped-def]
    code, out, err = call(*typed.split())
    assert (code, out) == (2, "")
    error = err.rpartition("Error:")[2]
    assert words in error
    assert "demo" not in error
    assert "--live" not in error


def test_what_is_suggested_exists() -> None:
    from cornea_stream.cli import suggestions

    assert set(suggestions._COMMANDS) <= set(COMMANDS)
    group = typer.main.get_command(app)
    known = {
        name
        for command in group.commands.values()  # type: ignore[attr-defined]
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    hints = (*suggestions._OPTIONS, *suggestions._SENTENCES)
    assert set(re.findall(r"--[\w-]+", " ".join(hints))) <= known
    others = [name for names in suggestions._OPTIONS.values() for name in names.split()]
    assert len(set(others)) == len(others)


def test_old_and_new_names_are_the_same(tmp_path: Path, tiny_checkpoint: Path, call) -> None:  # type: ignore[no-untyped-def]
    video = write_video(tmp_path / "v.mp4", moving_discs(6))
    common = (video, "-q", "--checkpoint", tiny_checkpoint)
    for options in (["--every", "2", "--frames"], ["--stride=2", "--save_frames"]):
        out = tmp_path / options[0]
        code, _, err = call("run", *options, *common, "-o", out)
        assert (code, err) == (0, "")
        assert len(list((out / "v" / "frames").iterdir())) == 6


@pytest.mark.parametrize("kinds", ["masks", "overlays", "masks,overlays"])
def test_kinds_of_frames(tmp_path: Path, tiny_checkpoint: Path, call, kinds: str) -> None:  # type: ignore[no-untyped-def]
    video = write_video(tmp_path / "v.mp4", moving_discs(1))
    code, _, err = call(
        "run", video, "--save-frames", kinds, "-q", "-o", tmp_path, "--checkpoint", tiny_checkpoint
    )
    assert (code, err) == (0, "")
    found = {path.stem[7:] + "s" for path in (tmp_path / "v" / "frames").iterdir()}
    assert found == set(kinds.split(","))


def test_settings_go_to_a_file_and_come_back(
    tmp_path: Path, tiny_checkpoint: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    given = ["--mask", "--contour", "--stride", "3", "-o", "a b", "--color", "#0af", "--no-label"]
    code, text, _ = call("config", *given, "--checkpoint", tiny_checkpoint)
    assert code == 0
    Path("run.toml").write_text(text)
    for line in ("mask = true", 'output-dir = ["a b"]', "stride = 3", "label = false", "# start ="):
        assert line in text.splitlines()
    assert call("config", "--config", "run.toml")[1] == text
    unset = call("config")[1].splitlines()
    assert {"# output-dir =", "# publish ="} <= set(unset)
    assert not any(line.endswith("[]") for line in unset)
    write_video(tmp_path / "v.mp4", moving_discs(6))
    code, _, err = call("run", "v.mp4", "--config", "run.toml", "--stride", "2", "-q")
    assert (code, err) == (0, "")
    assert (tmp_path / "a b" / "v" / "mask.mkv").exists()
    settings = (tmp_path / "a b" / "v" / "run.json").read_text()
    for name, value in (("every", 2), ("contour", "true"), ("label", "false"), ("opacity", 1.0)):
        assert f'"{name}": {value}' in settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("maks = true", "unknown option in run.toml: maks: use mask"),
        ("mask = 3", "wrong value in run.toml: mask = 3: write true or false"),
        ('mask = "yes"', 'mask = "yes": write true or false'),
        ('mask = ["a", 1]', 'mask = ["a", 1]: write true or false'),
        ("stride = true", "stride = true: write a value"),
        ("stride = 'x'", "Invalid value for --stride: "),
        ("mask =", "not TOML: run.toml"),
        ("config = 'run.toml'", "unknown option"),
    ],
)
def test_wrong_settings_are_named(
    tmp_path: Path, call, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text(text)
    code, _, err = call("run", "v.mp4", "--config", "run.toml")
    assert (code, words in " ".join(err.split())) == (2, True), err


def test_a_dry_run_says_all_and_writes_nothing(
    tmp_path: Path, tiny_checkpoint: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "v.mp4", moving_discs(60))
    write_video(tmp_path / "w.mp4", moving_discs(30))
    options = ("--mask", "--dry-run", "--checkpoint", tiny_checkpoint)
    code, out, err = call("run", "v.mp4", "w.mp4", *options)
    assert (code, err) == (0, "")
    for words in (
        "output/v/overlay.mp4",
        "output/w/mask.mkv",
        " fps over the first ",
        " kB (",
        "About ",
    ):
        assert words in out
    frames = int(re.findall(r"About (\d+) frames, \d+s, ", out)[0])
    assert 85 <= frames <= 95
    assert {path.name for path in tmp_path.iterdir()} == {"v.mp4", "w.mp4"}
    assert "leave out --dry-run to start" in out
    all_made = ("--summary", "--report", "--jsonl", "lines/v.jsonl")
    code, out, err = call("run", "v.mp4", *options, *all_made)
    assert (code, err) == (0, "")
    for name in ("output/v/summary.png", "output/v/report.html", "lines/v.jsonl"):
        assert f"  {name}\n" in out
    code, out, _ = call("run", "v.mp4", "none.mp4", *options)
    assert (code, "leave out --dry-run" in out) == (6, False)
    (tmp_path / "output" / "v").mkdir(parents=True)
    (tmp_path / "output" / "v" / "overlay.mp4").touch()
    code, out, _ = call("run", "v.mp4", *options)
    assert (code, "output exists" in out, "leave out --dry-run" in out) == (5, True, False)


@pytest.mark.parametrize("only", [("--jsonl", "lines"), ("--preview",)])
def test_a_dry_run_without_videos(
    tmp_path: Path, tiny_checkpoint: Path, call, monkeypatch: pytest.MonkeyPatch, only: list[str]
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "v.mp4", moving_discs(3))
    code, out, err = call(
        "run", "v.mp4", "--no-overlay", *only, "--dry-run", "--checkpoint", tiny_checkpoint
    )
    assert (code, err) == (0, "")
    assert "About 3 frames" in out
    assert ", 0 kB (" in out
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_a_run_ends_with_paths_to_copy_and_what_to_open(
    tmp_path: Path, tiny_checkpoint: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("COLUMNS", "60")
    out = tmp_path / ("long " * 20)
    video = write_video(tmp_path / "v.mp4", moving_discs(2))
    for report, last in ((), "overlay.mp4"), (("--report", "--overwrite"), "report.html"):
        code, text, _ = call("run", video, "-o", out, *report, "--checkpoint", tiny_checkpoint)
        assert code == 0
        lines = text.splitlines()
        assert str(out / "v" / "overlay.mp4") in lines
        assert f"Next, open {out / 'v' / last}" in lines


def test_the_faster_engine_is_recommended_once(
    tmp_path: Path, tiny_checkpoint: Path, call, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    from cornea_stream.cli import next_steps

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    video = write_video(tmp_path / "v.mp4", moving_discs(2))

    def tips(number: int) -> int:
        code, out, _ = call(
            "run", video, "-o", tmp_path / str(number), "--backend", "torch", "--checkpoint",
            tiny_checkpoint,
        )  # fmt: skip
        assert code == 0
        return out.count("Tip: OpenVINO is faster on this CPU: pip install")

    assert tips(0) == 0  # it is installed, and PyTorch was asked for
    monkeypatch.setattr(next_steps, "find_spec", lambda name: None)
    assert [tips(1), tips(2)] == [1, 0]
