"""The actor on a node of a Ray cluster: one segmenter that runs task after task."""

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

from cornea_stream.batch.cores import core_shares
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import Step, Task, describe_engine, run_task, seldom
from cornea_stream.errors import CheckpointError, CorneaStreamError
from cornea_stream.inference.segmenter import MaskSettings
from cornea_stream.runs.result import RunResult

News: TypeAlias = Step | RunResult | str | CorneaStreamError | None
"""Progress, the result of a task, the loaded engine, a loading error, or None: it is lost."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a node for one actor: the `index`-th of `count` equal parts."""

    node: str
    index: int
    count: int
    node_cores: int
    gpu: bool

    @property
    def cores(self) -> int:
        """The number of cores of the share."""
        return self.node_cores // self.count


def shares(node: str, resources: dict[str, float], cores: int, on_gpus: bool) -> list[Share]:
    """Divide a node: one share per GPU, or one per `cores` cores and at least one, if it has any.

    The shares claim all cores, so that no other work runs on the cores they are pinned to.
    """
    own = int(resources.get("CPU", 0))
    count = int(resources.get("GPU", 0)) if on_gpus else min(own, max(1, own // cores))
    return [Share(node, index, count, own, on_gpus) for index in range(count)]


class Actor:
    """The process on the node: a segmenter that runs one task at a time."""

    def __init__(self, setup: Setup, masks: MaskSettings, share: Share) -> None:
        self._setup, self._masks, self._share = setup, masks, share
        self._stop = threading.Event()

    def load(self) -> Generator[News, None, None]:
        """Yield the description of the engine, or the error from loading it."""
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
        """Yield steps and finally the result."""
        news: queue.SimpleQueue[News] = queue.SimpleQueue()

        def do() -> None:
            news.put(run_task(task, self._segmenter, stop=self._stop, on_step=seldom(news.put)))

        threading.Thread(target=do, daemon=True).start()
        while isinstance(told := news.get(), Step):
            yield told
        yield told

    def stop(self) -> None:
        """End the current task early."""
        self._stop.set()


def _keep_to(share: Share) -> None:
    """Restrict this process to its share of the cores.

    It is pinned only if Ray manages all cores of the machine. A container with a CPU quota sees all
    cores, and other containers would choose the same ones.
    """
    if sys.platform == "linux" and share.node_cores == len(os.sched_getaffinity(0)):
        cores = core_shares(share.count)[share.index]
        for thread in os.listdir("/proc/self/task"):  # noqa: PTH208
            os.sched_setaffinity(int(thread), cores)
    torch.set_num_threads(min(max(1, share.cores), torch.get_num_threads()))
