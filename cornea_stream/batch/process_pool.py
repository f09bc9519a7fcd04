"""Worker processes on this machine, each with its own model and its GPU or share of cores."""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import TypeAlias

from cornea_stream.batch.cores import core_shares
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import (
    Executor,
    Here,
    Results,
    Step,
    Task,
    describe_engine,
    failure,
    run_task,
    seldom,
)
from cornea_stream.engines.device import choose_devices, gpu_count
from cornea_stream.engines.names import device_names
from cornea_stream.errors import EXIT_INTERNAL, CorneaStreamError
from cornea_stream.runs.result import RunResult

_LOOK_FOR_STOP_S = 0.1
_SAFE_PATH = "PYTHONSAFEPATH"
_ENDINGS = (signal.SIGINT, signal.SIGTERM)
"""Terminals and systems send these to all processes at once; the driver stops the workers."""
_News: TypeAlias = Step | RunResult | str | CorneaStreamError | None
"""Progress, the result of a task, the loaded engine, a loading error, or None: it died."""
log = logging.getLogger(__name__)


def worker_devices(device: str, jobs: int | None) -> list[str]:
    """Return the device of each of `jobs` processes: GPUs in turn, or cpu.

    `device` is auto or cuda for all GPUs, cpu, cuda:N, or several GPUs separated by commas.
    Without `jobs`, there is one process per GPU, or a single one.
    Raises UsageError if a device is not available.
    """
    chosen = choose_devices(device)
    if device_names(device) in ("auto", "cuda") and chosen != ["cpu"]:
        chosen = [f"cuda:{number}" for number in range(gpu_count())]
    return [chosen[number % len(chosen)] for number in range(jobs or len(chosen))]


def executor_for(setup: Setup, jobs: int | None, tasks: int | None) -> Executor:
    """Return the executor for this number of tasks on this machine (None: many).

    Raises UsageError like `worker_devices`.
    """
    devices = worker_devices(setup.device, jobs)[:tasks]
    return Processes(setup, devices) if len(devices) > 1 else Here(setup)


class Processes:
    """Runs tasks in worker processes, one at a time each; a dead worker only fails its task.

    Workers are spawned, because the threads of FFmpeg and PyTorch do not survive a fork. Each
    starts with its share of the cores, so that all libraries together use as many threads as there
    are cores.
    """

    def __init__(self, setup: Setup, devices: Sequence[str]) -> None:
        """Store the setup of the segmenters and the device of each worker."""
        self._setups = [replace(setup, device=device) for device in devices]
        self._description = ""

    def run(
        self, tasks: Sequence[Task], *, stop: threading.Event, on_step: Callable[[Step], None]
    ) -> Results:
        """Yield each task with its result when it is done.

        A worker that cannot load its model is dropped. If none is left, raises its error, or
        CorneaStreamError if all died.
        """
        waiting = deque(tasks)
        cannot: CorneaStreamError | None = None
        setups = self._setups[: len(tasks)]
        workers = list(map(_Worker, setups, core_shares(len(setups))))
        try:
            while any(worker.task for worker in workers) or (waiting and workers):
                if stop.is_set():
                    waiting.clear()
                    for worker in workers:
                        worker.stop()
                for worker in _with_news(workers):
                    news = worker.receive()
                    if isinstance(news, Step):
                        if worker.task:
                            on_step(replace(news, task=worker.task))
                    elif isinstance(news, CorneaStreamError):
                        cannot = news
                        log.warning("a worker process cannot be used: %s", news)
                    elif isinstance(news, str):
                        self._description = f"{news}; {len(setups)} processes"
                    elif news is not None:
                        yield worker.done(), news
                        if news.exit_code == EXIT_INTERNAL:  # a failed GPU does not recover
                            worker.kill()
                    else:
                        workers.remove(worker)
                        if worker.task:
                            yield worker.task, failure(worker.task, worker.death())
                        if worker.was_ready and waiting:
                            workers.append(worker.again())
                for worker in workers:
                    if worker.is_idle and waiting:
                        worker.give(waiting.popleft())
            if waiting:
                raise cannot or CorneaStreamError(
                    "all workers died while loading the model: memory may have run out: use fewer "
                    "jobs"
                )
        finally:
            for worker in workers:
                worker.kill()

    def describe(self) -> str:
        """Return the engine of a worker and the number of workers."""
        return self._description


class _Worker:
    """A worker process from the side of the driver."""

    def __init__(self, setup: Setup, cores: frozenset[int]) -> None:
        self._setup, self._cores = setup, cores
        self.task: Task | None = None
        self.was_ready = self._stopped = self._killed = False
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, setup, len(cores)), daemon=True
        )
        with born_with(cores):
            self._process.start()
        # At exit, multiprocessing sends SIGTERM, which workers ignore, and waits for their end.
        Finalize(self, self._process.kill, exitpriority=0)
        theirs.close()

    @property
    def is_idle(self) -> bool:
        """Whether it has loaded its model and is waiting for a task."""
        return self.was_ready and self.task is None and not (self._stopped or self._killed)

    def again(self) -> _Worker:
        """Return a replacement."""
        return _Worker(self._setup, self._cores)

    def give(self, task: Task) -> None:
        """Start a task."""
        self.task = task
        with suppress(OSError):  # it died: `receive` reports it
            self.connection.send(task)

    def receive(self) -> _News:
        """Return the received message, or None at its end."""
        try:
            news: _News = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return None
        self.was_ready = self.was_ready or isinstance(news, str)
        return news

    def done(self) -> Task:
        """Return the finished task."""
        task, self.task = self.task, None
        assert task is not None
        return task

    def death(self) -> CorneaStreamError:
        """Return the error for the task during which it died."""
        assert self.task is not None
        code = self._process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return CorneaStreamError(
            f"its worker process died ({how}): {self.task.source}: if memory ran out, use "
            "fewer jobs; resume=True processes it again"
        )

    def stop(self) -> None:
        """Make it end its task early."""
        if not self._stopped:
            self._stopped = True
            with suppress(OSError):
                self.connection.send(None)

    def kill(self) -> None:
        """Kill it; its unfinished outputs remain as .part files."""
        self._killed = True
        self._process.kill()
        self._process.join()


def _with_news(workers: Sequence[_Worker]) -> list[_Worker]:
    ready = wait([worker.connection for worker in workers], _LOOK_FOR_STOP_S)
    return [worker for worker in workers if worker.connection in ready]


@contextmanager
def born_with(cores: frozenset[int]) -> Iterator[None]:
    """Restrict processes started in this context to these cores; hide Ctrl-C and SIGTERM from them.

    Setting the cores within a process is too late, because libraries count them on import. From
    Python 3.11 on, the processes also do not import modules from the current folder.
    """
    path = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    can_mask = hasattr(signal, "pthread_sigmask")  # not on Windows, where `_serve` ignores them
    if can_mask:
        resource_tracker.ensure_running()  # starting it would reset the mask
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        if before is not None:
            os.sched_setaffinity(0, cores)
        yield
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)
        if can_mask:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
        if path is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = path


def _serve(connection: Connection, setup: Setup, cores: int) -> None:
    """Run as a worker: load the model, then run tasks until stopped or the driver ends.

    In both cases, frames in flight are finished and the files closed so that they play.
    """
    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    # torch reads it on import, in whichever engine needs it.
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))
    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(connection, tasks, stop), daemon=True).start()

    def say(news: _News) -> None:
        with suppress(OSError):  # the driver is gone; the listener ends the worker
            connection.send(news)

    try:
        segmenter = setup.build()
    except CorneaStreamError as err:
        say(err)
        return
    except Exception as err:
        say(CorneaStreamError(f"cannot load the model: {err!r}: try one process, without jobs"))
        return
    say(describe_engine(segmenter))
    while task := tasks.get():
        say(run_task(task, segmenter, stop=stop, on_step=seldom(say)))


def _listen(
    connection: Connection, tasks: queue.SimpleQueue[Task | None], stop: threading.Event
) -> None:
    with suppress(EOFError, OSError):
        while task := connection.recv():
            tasks.put(task)
    stop.set()
    tasks.put(None)
