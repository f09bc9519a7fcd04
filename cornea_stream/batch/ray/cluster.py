"""Runs tasks on a Ray cluster, with one actor per GPU or group of cores."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornea_stream.batch.ray.actor import Actor, News, Share, shares
from cornea_stream.batch.ray.connection import check_address, connect
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import Results, Step, Task, failure
from cornea_stream.engines.names import device_names
from cornea_stream.errors import EXIT_INTERNAL, CorneaStreamError, UsageError
from cornea_stream.inference.segmenter import MaskSettings
from cornea_stream.runs.result import RunResult

CORES = 8
"""Cores per actor without a GPU: about as many as one pipeline keeps busy."""
TRIES = 3
"""Number of attempts before the loss of its actor fails a task."""
_WAIT_S, _LOOK_AROUND_S, _PATIENCE_S = 0.2, 5.0, 60.0
log = logging.getLogger(__name__)


class RayCluster:
    """Runs tasks on the nodes of a Ray cluster, one at a time per actor.

    Actors read and write sources, outputs and weights under the same absolute paths; only paths,
    steps and results are transferred. If its actor or node is lost, a task is retried on another
    node, TRIES times in total. Nodes that join later are used as well.
    """

    def __init__(
        self, setup: Setup, masks: MaskSettings, address: str, *, cores: int = CORES
    ) -> None:
        """Store the setup of the segmenters and the mask settings required on every node.

        `address` is HOST:PORT of a cluster, or "auto": the cluster in $RAY_ADDRESS or of this
        machine, else a local one. `cores` is the number of cores per actor without a GPU.
        Raises UsageError for a device with a number, because Ray assigns the GPUs.
        """
        if device_names(setup.device) not in ("auto", "cpu", "cuda"):
            raise UsageError(f"Ray assigns the GPUs: {setup.device}: use device=auto, cpu or cuda")
        check_address(address)
        self._setup, self._masks, self._address, self._cores = setup, masks, address, cores
        self._description = ""

    def run(
        self, tasks: Sequence[Task], *, stop: threading.Event, on_step: Callable[[Step], None]
    ) -> Results:
        """Yield each task with its result when it is done.

        Raises UsageError if Ray or the cluster is missing, the errors of loading the weights if no
        node can load them, and CorneaStreamError if no node is left.
        """
        if any(not isinstance(task.source, Path) or task.is_watched for task in tasks):
            raise UsageError(
                "live sources and streams cannot run on a cluster: run them without one"
            )
        ray, is_mine = connect(self._address)
        crew = _Crew(ray, self._setup, self._masks, self._cores)
        waiting, tries = deque(tasks), Counter[Task]()
        engine, actors = "", 0
        try:
            while waiting or crew.is_busy:
                if stop.is_set():
                    waiting.clear()
                    crew.stop()
                crew.hire(len(waiting))
                actors = max(actors, len(crew.members))
                self._description = f"{engine}; Ray, {actors} actors" if engine else ""
                for member, news in crew.news():
                    task = member.task
                    if isinstance(news, Step) and task:
                        on_step(replace(news, task=task))
                    elif isinstance(news, RunResult) and task and news.exit_code != EXIT_INTERNAL:
                        yield task, member.done(news)
                    elif isinstance(news, str):
                        engine = news
                    else:  # it is lost, cannot load, or its GPU has failed for good
                        crew.dismiss(member, news)
                        if task and tries[task] < TRIES and not stop.is_set():
                            waiting.append(task)
                        elif task:
                            yield task, news if isinstance(news, RunResult) else _lost(task)
                for member in crew.idle():
                    if waiting:
                        task = waiting.popleft()
                        member.give(task, again=tries[task] > 0)
                        tries[task] += 1
        finally:
            crew.close()
            if is_mine:
                ray.shutdown()

    def describe(self) -> str:
        """Return the engine of an actor and the number of actors."""
        return self._description


class _Crew:
    """The actors from the side of the driver, and the free shares of nodes."""

    def __init__(self, ray: Any, setup: Setup, masks: MaskSettings, cores: int) -> None:
        self._ray, self._setup, self._masks, self._cores = ray, setup, masks, cores
        self.members: list[_Member] = []
        self._free: list[Share] = []
        self._known: set[str] = set()
        self._on_gpus: bool | None = {"cpu": False, "cuda": True}.get(device_names(setup.device))
        self._looked_around = float("-inf")
        self._seen = time.monotonic()
        self._cannot: CorneaStreamError | None = None

    @property
    def is_busy(self) -> bool:
        return any(member.task for member in self.members)

    def idle(self) -> list[_Member]:
        return [member for member in self.members if member.stream is None]

    def hire(self, waiting: int) -> None:
        """Start an actor for each waiting task, as long as there are free shares.

        Raises the loading error of the last actor, and CorneaStreamError if no actor is available
        for too long.
        """
        now = time.monotonic()
        if now - self._looked_around > _LOOK_AROUND_S:
            self._looked_around = now
            self._look_around()
        spare = sum(member.task is None for member in self.members)
        for _ in range(min(waiting - spare, len(self._free))):
            self.members.append(_Member(self._ray, self._free.pop(0), self._setup, self._masks))
        if self.members or not waiting:
            self._seen = now
        elif self._cannot:
            raise self._cannot
        elif now - self._seen > _PATIENCE_S:
            what = "GPU" if self._on_gpus else "node"
            raise CorneaStreamError(
                f"no {what} is left in the Ray cluster: check it with: ray status; resume=True "
                "continues from here"
            )

    def news(self) -> Iterator[tuple[_Member, News]]:
        """Yield messages from actors, waiting briefly."""
        members = {member.stream: member for member in self.members if member.stream is not None}
        if not members:
            time.sleep(_WAIT_S)
            return
        streams = list(members)
        ready, _ = self._ray.wait(streams, num_returns=len(streams), timeout=_WAIT_S)
        for stream in ready:
            yield members[stream], members[stream].receive()

    def dismiss(self, member: _Member, news: News) -> None:
        """Remove an actor; its share is free again if it has worked before."""
        self.members.remove(member)
        member.kill()
        if member.was_ready:
            self._free.append(member.share)
        elif isinstance(news, CorneaStreamError):
            self._cannot = news
            log.warning("a node of the cluster cannot be used: %s", news)

    def stop(self) -> None:
        for member in self.members:
            member.stop()

    def close(self) -> None:
        for member in self.members:
            member.kill()

    def _look_around(self) -> None:
        """Add new nodes."""
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        if self._on_gpus is None:
            self._on_gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in nodes)
        self._free = [s for s in self._free if s.node in {node["NodeID"] for node in nodes}]
        for node in nodes:
            if node["NodeID"] not in self._known:
                self._known.add(node["NodeID"])
                self._free += shares(node["NodeID"], node["Resources"], self._cores, self._on_gpus)
        self._free.sort(key=lambda share: share.index)  # spread tasks over nodes first


class _Member:
    """An actor from the side of the driver; `stream` is its output, or None if it is idle."""

    def __init__(self, ray: Any, share: Share, setup: Setup, masks: MaskSettings) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray, self.share = ray, share
        self.task: Task | None = None
        self.was_ready = False
        self._stopped = False
        self._actor = (
            ray.remote(Actor)
            .options(
                num_cpus=share.cores,
                num_gpus=int(share.gpu),
                max_concurrency=2,  # it can receive `stop` during a task
                scheduling_strategy=NodeAffinitySchedulingStrategy(share.node, soft=False),
            )
            .remote(replace(setup, device="cuda" if share.gpu else "cpu"), masks, share)
        )
        self.stream: Any = self._actor.load.options(num_returns="streaming").remote()

    def give(self, task: Task, *, again: bool) -> None:
        """Start a task; `again` if a lost actor may have left outputs of it."""
        self.task = task
        sent = task.again() if again else task
        self.stream = self._actor.work.options(num_returns="streaming").remote(sent)

    def receive(self) -> News:
        """Return the received message, or None if it is lost."""
        try:
            news: News = self._ray.get(next(self.stream))
        except (StopIteration, self._ray.exceptions.RayError):
            return None
        if not isinstance(news, Step):
            self.stream = None
        self.was_ready = self.was_ready or isinstance(news, str)
        return news

    def done(self, result: RunResult) -> RunResult:
        """Return the finished task with its result."""
        self.task = None
        return result

    def stop(self) -> None:
        """Make it end its task early."""
        if not self._stopped:
            self._stopped = True
            self._actor.stop.remote()

    def kill(self) -> None:
        """Kill it; its unfinished outputs remain as .part files."""
        self._ray.kill(self._actor)


def _lost(task: Task) -> RunResult:
    return failure(
        task,
        CorneaStreamError(
            f"its actor or node was lost {TRIES} times: {task.source}: check the memory and the "
            "logs of the cluster; resume=True processes it again"
        ),
    )
