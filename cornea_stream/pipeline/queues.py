"""Queues and threads between stages: bounded channels, prefetching, background writing.

These rules keep a pipeline from hanging. Every channel is bounded. Stopping a pipeline cancels
every channel, which wakes all threads that wait on one. The exception of a thread is passed
through its channel and raised by the reader. Nothing waits for ever in one piece (`worker.py` says
why), and whatever can block is done in a thread that is not the caller's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from cornea_stream.pipeline.worker import WAKE_S, Worker

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Feed(Protocol[T_co]):
    """An iterator of items that `cancel` can stop from another thread."""

    def __iter__(self) -> Iterator[T_co]:
        """Yield items as they arrive."""
        ...

    def cancel(self) -> None:
        """Stop the iteration."""
        ...


class Channel(Generic[T]):
    """A bounded queue between two threads that can be closed, failed or canceled."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> bool:
        """Add an item, waiting for room; return False if the channel is closed."""
        with self._changed:
            self._wait_until(lambda: self._closed or len(self._items) < self.depth)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def close(self, error: BaseException | None = None) -> None:
        """Accept no more items; the reader gets the remaining ones, then the end or `error`."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()

    def cancel(self) -> None:
        """Close and drop the remaining items."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._wait_until(lambda: self._closed or bool(self._items))
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            raise StopIteration

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        while not self._changed.wait_for(ready, WAKE_S):
            pass


class Mailbox(Channel[T]):
    """A latest-only queue: a new item replaces an unread one, which `on_drop` gets."""

    def __init__(self, on_drop: Callable[[T], None]) -> None:
        super().__init__(1)
        self._on_drop = on_drop

    def put(self, item: T) -> bool:
        """Add an item without waiting; return False if the channel is closed."""
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
    """Prefetch `items` in a thread, up to `channel` items ahead of the reader.

    `channel` is a depth or a channel.
    """

    def __init__(self, items: Iterable[T], name: str, channel: int | Channel[T]) -> None:
        self.name = name
        self.channel = Channel(channel) if isinstance(channel, int) else channel
        self._thread = Worker(self._run, name, items)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return next(self.channel)

    def cancel(self) -> None:
        """Make the thread end after the current item; do not wait for it."""
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
        except BaseException as error:  # raised by the reader
            self.channel.close(error)


class Sink(Protocol[T_contra]):
    """An output that grows with every item."""

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
        """Make a blocked `write` or `close` in another thread return or raise within a second."""
        ...


class Behind(Generic[T]):
    """Write to a sink and close it in a background thread, up to `depth` items behind.

    `on_error` is called in that thread if the sink fails.
    """

    def __init__(self, sink: Sink[T], depth: int, on_error: Callable[[], None]) -> None:
        self.name = sink.name
        self.sink = sink
        self.channel: Channel[T] = Channel(depth)
        self._on_error = on_error
        self._error: BaseException | None = None
        self._complete = False
        self._thread = Worker(self._run, sink.name)
        self._thread.start()

    def put(self, item: T) -> None:
        """Add one item, waiting for room; raise the error of the sink, if any."""
        if not self.channel.put(item):
            self.check()

    def check(self) -> None:
        """Raise the error of the sink, if any."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Write the queued items and close the sink; raise its error, if any."""
        self._complete = True
        self.channel.close()
        self._thread.join()
        self.check()

    def cancel(self) -> None:
        """Drop the queued items and abort the sink."""
        self._complete = False
        self.channel.cancel()
        self.sink.hurry()
        self._thread.join()
        self.sink.abort()

    def _run(self) -> None:
        try:
            for item in self.channel:
                self.sink.write(item)
            if self._complete:
                self.sink.close()
        except BaseException as error:  # raised by put, check or finish
            self._error = error
            self.channel.cancel()
            self._on_error()
