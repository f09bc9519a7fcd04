"""Full disks, vanishing folders, failing encoders, impatient users: one error, nothing lost."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from conftest import BrightnessEngine, moving_discs, read_video, write_video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_pipeline import BoomError, ListSink, frames
from waiting import PATIENCE_S, wait_until

from cornea_stream.errors import OutputError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.pipeline.pipeline import Progress, run_pipeline
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import MaskVideoSink

FINAL = {"overlay.mp4", "mask.mkv", "metrics.csv", "run.json"}


def command(source: Path, out: Path, checkpoint: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "cornea_stream", "run", str(source), "-o", str(out)]
    return [*program, "--checkpoint", str(checkpoint), "--backend", "torch", *more]


@pytest.mark.parametrize("output", ["--mask", "--metrics", "--frames"])
def test_a_full_disk_is_one_sentence_and_keeps_what_was(
    tmp_path: Path, tiny_checkpoint: Path, output: str
) -> None:
    source = write_video(tmp_path / "v.mp4", moving_discs(30) * 20)
    before = source.read_bytes()
    folder = tmp_path / "out" / "v"
    folder.mkdir(parents=True)
    (folder / "overlay.mp4").write_text("from last year")
    (folder / "run.json").write_text("{}")
    limit = 9_000 if output == "--metrics" else 6_000 if output == "--mask" else 1_000
    more = (output, "--no-overlay", "--overwrite")
    done = subprocess.run(
        command(source, tmp_path / "out", tiny_checkpoint, *more),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 5, done.stderr
    assert "cannot write output" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert source.read_bytes() == before
    assert (folder / "overlay.mp4").read_text() == "from last year"
    assert (folder / "run.json").read_text() == "{}"
    assert not {"mask.mkv", "metrics.csv"} & {path.name for path in folder.iterdir()}


def test_a_folder_that_vanishes_is_a_clear_error(tmp_path: Path, segmenter: Segmenter) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(60))

    def vanish(progress: Progress) -> None:
        if progress.frames == 20:
            shutil.rmtree(tmp_path / "out")

    with pytest.raises(OutputError, match=r"cannot write output: .*out/v"):
        run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True), on_progress=vanish)
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_fails_does_not_spoil_the_other_file(
    tmp_path: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", moving_discs(30) * 4)
    write, count = MaskVideoSink.write, iter(range(999))

    def fail_later(sink: MaskVideoSink, item: object) -> None:
        if next(count) == 80:
            raise OutputError("cannot write output: mask.mkv: the encoder broke")
        write(sink, item)  # type: ignore[arg-type]

    monkeypatch.setattr(MaskVideoSink, "write", fail_later)
    with pytest.raises(OutputError, match="the encoder broke"):
        run_source(path, tmp_path / "out", segmenter, RunOptions(mask=True))
    folder = tmp_path / "out" / "v"
    assert not FINAL & {file.name for file in folder.iterdir()}
    assert len(read_video(folder / "overlay.part.mp4")) >= 80 - 50
    assert len(read_video(folder / "mask.part.mkv")) == 80


SLOW_PROGRAM = """
import time
from cornea_stream.cli import main
from cornea_stream.engines.torch_cpu import TorchCPUEngine

submit = TorchCPUEngine.submit
TorchCPUEngine.submit = lambda *arguments: time.sleep(0.5) or submit(*arguments)
main()
"""


def test_ctrl_c_twice_gives_up_at_once(tmp_path: Path, tiny_checkpoint: Path) -> None:
    """Finishing what is in flight would take ten seconds and leave a finished video."""
    source = write_video(tmp_path / "v.mp4", moving_discs(60))
    arguments = command(source, tmp_path / "out", tiny_checkpoint)[3:]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_PROGRAM, *arguments],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    folder = tmp_path / "out" / "v"
    try:
        wait_until((folder / "overlay.part.mp4").exists, "the first frames")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "Ctrl-C again" in process.stderr.readline()
        for _ in range(20):  # the second gives up, and the clean-up is not for the others to end
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.005)
        _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert {path.name for path in folder.iterdir()} == {"overlay.part.mp4", "run.part.json"}


class ShakyEngine(BrightnessEngine):
    """Dawdles, and fails at a chosen batch."""

    def __init__(self, delays: Iterator[float], fail_at: int | None) -> None:
        self.delays, self.fail_at, self.batches = delays, fail_at, 0

    def submit(self, images):  # type: ignore[no-untyped-def]
        time.sleep(next(self.delays))
        self.batches += 1
        if self.batches == self.fail_at:
            raise BoomError("submit")
        return super().submit(images)


def dawdle(delays: Iterator[float], items):  # type: ignore[no-untyped-def]
    for item in items:
        time.sleep(next(delays))
        yield item


class SlowSink(ListSink):
    def __init__(self, delays: Iterator[float], fail_at: int | None, fail_in: str) -> None:
        super().__init__(fail_at, fail_in)
        self.delays = delays

    def write(self, item):  # type: ignore[no-untyped-def]
        time.sleep(next(self.delays))
        super().write(item)


def within(seconds: float, work) -> BaseException | None:  # type: ignore[no-untyped-def]
    """Run `work` in a thread, return what it raised, and fail when it does not come back."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "the pipeline hangs"
    return raised[0] if raised else None


STAGES = st.sampled_from(["none", "decode", "submit", "write", "close", "stop"])


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    depth=st.integers(1, 4),
    count=st.integers(0, 40),
    fault=STAGES,
    at=st.integers(0, 39),
)
def test_random_delays_and_faults_never_lose_a_frame_or_hang(
    segmenter: Segmenter, seed: int, depth: int, count: int, fault: str, at: int
) -> None:
    rng = random.Random(seed)
    delays = iter(lambda: rng.choice((0, 0, 0, 0.0005, 0.002)), None)

    def fails(stage: str) -> int | None:
        return at if fault == stage else None

    segmenter.engine = ShakyEngine(delays, fails("submit"))
    source = dawdle(delays, frames(count, fails("decode")))
    sinks = [SlowSink(delays, fails(fault), fault), SlowSink(delays, None, "write")]
    stop = threading.Event()

    def on_progress(progress: Progress) -> None:
        if fault == "stop" and progress.frames > at:
            stop.set()

    failed = False

    def work() -> None:
        run_pipeline(
            source, segmenter.stages, sinks, stop=stop, on_progress=on_progress, depth=depth
        )

    if error := within(PATIENCE_S, work):
        failed = True
        assert isinstance(error, BoomError)
        assert str(error) == fault
    for sink in sinks:
        found = [item.frame.index for item in sink.items]
        assert found == list(range(len(found)))
        if not failed and fault != "stop":
            assert len(found) == count
        if not failed:
            assert sink.closed
    assert threading.active_count() < 12


@pytest.mark.parametrize("stage", ["decode", "submit", "write", "close"])
def test_a_fault_at_the_last_frame_is_told(segmenter: Segmenter, stage: str) -> None:
    last = 9
    at = {"submit": 1 + last // ShakyEngine.batch_size, "decode": last + 1}.get(stage, last)
    now = iter(lambda: 0.0, None)
    segmenter.engine = ShakyEngine(now, at if stage == "submit" else None)
    sink = SlowSink(now, at, stage)
    source = frames(last + 2, at) if stage == "decode" else frames(last + 1)
    error = within(PATIENCE_S, partial(run_pipeline, source, segmenter.stages, [sink]))
    assert isinstance(error, BoomError)
    assert str(error) == stage
    assert sink.aborted
    assert not sink.closed


@pytest.mark.slow
def test_ten_thousand_frames_through_queues_of_one(segmenter: Segmenter) -> None:
    sink = ListSink()
    sink.items = Tally()  # type: ignore[assignment]
    work = partial(run_pipeline, frames(10_000), segmenter.stages, [sink], depth=1)
    assert within(250, work) is None
    assert sink.items.count == 10_000  # type: ignore[attr-defined]


class Tally:
    """Counts items that come in order, and keeps none."""

    count = 0

    def __len__(self) -> int:
        return self.count

    def append(self, item) -> None:  # type: ignore[no-untyped-def]
        assert item.frame.index == self.count
        self.count += 1
