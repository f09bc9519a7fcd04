"""What runs on a node of a Ray cluster: a segmenter that is loaded once, and task after task."""

from __future__ import annotations

import os
import platform
import queue
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

import torch

from cornea_stream.batch.process_pool import core_shares
from cornea_stream.batch.task import Setup, Step, Task, describe_engine, run_task, seldom
from cornea_stream.errors import CheckpointError, CorneaStreamError
from cornea_stream.inference.segmenter import MaskSettings
from cornea_stream.runs.options import RunResult

News: TypeAlias = Step | RunResult | str | CorneaStreamError | None
"""How far an actor is, a task's result, the engine it loaded, why it cannot; None: it is lost."""


@dataclass(frozen=True, slots=True)
class Share:
    """What an actor gets of a node: the `index`-th of `count` equal parts."""

    node: str
    index: int
    count: int
    node_cores: int
    gpu: bool

    @property
    def cores(self) -> int:
        """How many cores that is."""
        return self.node_cores // self.count


def shares(node: str, resources: dict[str, float], cores: int, on_gpus: bool) -> list[Share]:
    """Deal a node out: one share per GPU, or one per `cores` cores, at least one; none of neither.

    The shares take all cores, so that no other work lies on those that they are pinned to.
    """
    own = int(resources.get("CPU", 0))
    count = int(resources.get("GPU", 0)) if on_gpus else min(own, max(1, own // cores))
    return [Share(node, index, count, own, on_gpus) for index in range(count)]


class Actor:
    """What runs on the node: a segmenter, and one task at a time."""

    def __init__(self, setup: Setup, masks: MaskSettings, share: Share) -> None:
        self._setup, self._masks, self._share = setup, masks, share
        self._stop = threading.Event()

    def load(self) -> Generator[News, None, None]:
        """Yield the engine in words, or the error that keeps it from being made."""
        try:
            _keep_to(self._share)
            self._segmenter = self._setup.build()
            if self._segmenter.mask_settings != self._masks:
                raise CheckpointError(
                    f"other weights on {platform.node()}: {self._segmenter.checkpoint.path}: "
                    "install the same version everywhere, and keep weights on shared storage"
                )
            yield describe_engine(self._segmenter)
        except CorneaStreamError as err:
            yield err
        except Exception as err:
            yield CorneaStreamError(
                f"cannot load the model on {platform.node()}: {err!r}: try it there without "
                "a cluster"
            )

    def work(self, task: Task) -> Generator[News, None, None]:
        """Yield steps, and at last the result."""
        news: queue.SimpleQueue[News] = queue.SimpleQueue()

        def do() -> None:
            news.put(run_task(task, self._segmenter, stop=self._stop, on_step=seldom(news.put)))

        threading.Thread(target=do, daemon=True).start()
        while isinstance(told := news.get(), Step):
            yield told
        yield told

    def stop(self) -> None:
        """End the task in hand early."""
        self._stop.set()


def _keep_to(share: Share) -> None:
    """Let this process use its share of the cores only.

    Pinned only where Ray deals all cores of the machine: a container that is given a part of their
    time sees all of them, and others in its place would choose the same ones.
    """
    if sys.platform == "linux" and share.node_cores == len(os.sched_getaffinity(0)):
        cores = core_shares(share.count)[share.index]
        for thread in os.listdir("/proc/self/task"):  # noqa: PTH208
            os.sched_setaffinity(int(thread), cores)
    torch.set_num_threads(min(max(1, share.cores), torch.get_num_threads()))
