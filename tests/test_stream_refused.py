"""Streams that cannot be are refused with a sentence, in which no secret is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import moving_discs, write_video

from cornea_stream.cli import main
from cornea_stream.errors import UsageError
from cornea_stream.sinks.stream.target import parse_target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "-", "--mask"], "carries one"),
        (["-o", "-", "--metrics"], "carries one"),
        (["-o", "-", "--stream-format", "mp4"], "unknown stream format"),
        (["-o", "udp://127.0.0.1:9", "--mask", "--no-overlay"], "masks can only be streamed"),
        (["-o", "gopher://host/x"], "gopher:// cannot be written to"),
        (["-o", "udp://host"], "not a usable udp:// address"),
        (["-o", "a", "-o", "b"], "-o takes one folder"),
        (["-o", "-", "OTHER"], "takes one source, not 2"),
    ],
)
def test_senseless_wishes_are_refused(
    tmp_path: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    paths = [write_video(tmp_path / f"{name}.mp4", moving_discs(2)) for name in "ab"]
    arguments = [str(paths[1]) if a == "OTHER" else a for a in arguments]
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["cornea-stream", "run", str(paths[0]), *arguments])
    with pytest.raises(SystemExit) as exited:
        main()
    told = capsys.readouterr()
    assert (exited.value.code, told.out) == (2, ""), told.err
    assert message in told.err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:secret@host:8554/live?key=secret", "rtsp://host:8554/live"),
        ("RTMP://host/app/secret", "rtmp://host/app/…"),
        ("udp://user:secret@239.0.0.1:1234?secret=1", "udp://239.0.0.1:1234"),
    ],
)
def test_secrets_are_not_shown(address: str, shown: str) -> None:
    target = parse_target(address)
    assert str(target) == shown
    assert "secret" not in repr(target)
    with pytest.raises(UsageError) as caught:
        parse_target("rtsp://user:secret@host:not-a-port/x")
    assert "secret" not in str(caught.value)
