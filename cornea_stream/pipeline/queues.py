"""Threads between stages: a bounded channel, an iterator that runs ahead, a sink that runs behind.

The rules that keep a pipeline from hanging: every channel is bounded; whoever stops a pipeline
cancels every channel, which wakes every thread that waits on one; a thread's exception travels
down its channel and is raised, as itself, by whoever reads it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Feed(Protocol[T_co]):
    """Items that come one by one, until `cancel` wakes whoever waits for the next."""

    def __iter__(self) -> Iterator[T_co]:
        """Yield items as they come."""
        ...

    def cancel(self) -> None:
        """Make no more items come."""
        ...


class Channel(Generic[T]):
    """A bounded queue between two threads that can be closed, failed or cancelled."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> bool:
        """Add an item, waiting for room; return False when the channel was closed instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self.depth)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def close(self, error: BaseException | None = None) -> None:
        """Take no more items; the reader gets what is left, then the end or `error`."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()

    def cancel(self) -> None:
        """Close, and drop what is left."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            raise StopIteration


class Mailbox(Channel[T]):
    """A channel of one item: a newer one takes the place of one that nobody has read yet.

    `on_drop` gets each item that was never read.
    """

    def __init__(self, on_drop: Callable[[T], None]) -> None:
        super().__init__(1)
        self._on_drop = on_drop

    def put(self, item: T) -> bool:
        """Leave an item; return False when the channel was closed instead. Never waits."""
        with self._changed:
            if self._closed:
                return False
            unread = list(self._items)
            self._items.clear()
            self._items.append(item)
            self._changed.notify_all()
        for old in unread:
            self._on_drop(old)
        return True


class Ahead(Generic[T]):
    """Iterate `items` in a thread of its own, up to `channel` items ahead of the reader.

    `channel` is its depth, or the channel itself.
    """

    def __init__(self, items: Iterable[T], name: str, channel: int | Channel[T]) -> None:
        self.name = name
        self.channel = Channel(channel) if isinstance(channel, int) else channel
        self._thread = threading.Thread(target=self._run, args=(items,), name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return next(self.channel)

    def cancel(self) -> None:
        """Make the thread end as soon as it comes back from the item in hand; do not wait."""
        self.channel.cancel()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join()

    def _run(self, items: Iterable[T]) -> None:
        try:
            for item in items:
                if not self.channel.put(item):
                    break
            self.channel.close()
        except BaseException as error:  # handed to the reader, who raises it
            self.channel.close(error)


class Sink(Protocol[T_contra]):
    """Where items end up: a file that grows with every item."""

    @property
    def name(self) -> str:
        """A short name, unique among the sinks of a pipeline."""
        ...

    def write(self, item: T_contra, /) -> None:
        """Add one item."""
        ...

    def close(self) -> None:
        """Complete the output and put it under its final name."""
        ...

    def abort(self) -> None:
        """Release what is open and leave no output under its final name; must not raise."""
        ...

    def hurry(self) -> None:
        """Make `write`, in another thread, return or raise within about a second."""
        ...


class Behind(Generic[T]):
    """Feed a sink in a thread that may lag up to `depth` items behind."""

    def __init__(self, sink: Sink[T], depth: int) -> None:
        self.name = sink.name
        self.sink = sink
        self.channel: Channel[T] = Channel(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=sink.name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand over one item, waiting for room; raise what the sink raised."""
        if not self.channel.put(item):
            self._reraise()

    def finish(self) -> None:
        """Write what is queued and close the sink; raise what it raised."""
        self.channel.close()
        self._thread.join()
        self._reraise()
        self.sink.close()

    def cancel(self) -> None:
        """Drop what is queued and abort the sink."""
        self.channel.cancel()
        self.sink.hurry()
        self._thread.join()
        self.sink.abort()

    def _reraise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self.channel:
                self.sink.write(item)
        except BaseException as error:  # raised by the next put or by finish
            self._error = error
            self.channel.cancel()
