"""The ledger that a daemon holds open: many append at once, one thread writes, one fsync serves all.

Only what is durable is told to anybody. The order of `seq` is the order in which subscribers hear of
entries and appenders go on. Assumes that one process has the log open (`ownership.OwnerLock`); a second
one is noticed by the first, which then stops.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loguru import logger

from signoff import system
from signoff.errors import LedgerError
from signoff.ledger.entry import Draft, Entry, Event, draft
from signoff.ledger.resume import Repair, cut_torn_tail, resume
from signoff.ledger.walk import read_entries
from signoff.ledger.writer import Clock, Writer, utc_now

Subscriber = Callable[[list[Entry]], None]
Keep = Callable[[Sequence[bytes]], None]
"""Makes content durable; raises `LedgerError` where it cannot."""
_CHECKPOINT_EVERY = 1.0  # seconds


@dataclass(slots=True)
class _Request:
    """Entries that wait for the next write, and who waits for them: nobody, where it is content alone."""

    drafts: list[Draft]
    contents: Sequence[bytes]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[list[Entry]] | None = None
    on_durable: Subscriber | None = None
    entries: list[Entry] | None = None
    error: LedgerError | None = None


class Ledger:
    """The log, open for appending.

    Attributes:
        on_entries: hears of all entries after they are durable and before those who appended them go
            on, in the order of `seq`, in the thread of their event loop. It must not fail: if it does,
            what is known no longer follows the log, and nothing more is appended.
    """

    def __init__(self, directory: Path, writer: Writer, keep: Keep | None = None) -> None:
        self.directory = directory
        self._keep = keep
        self.on_entries: Subscriber | None = None
        self._writer = writer
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._said = time.monotonic()
        self._warned = False
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        blobs: Path,
        key: Ed25519PrivateKey | None,
        keep: Keep | None = None,
        on_repair: Callable[[Repair], None] | None = None,
        clock: Clock = utc_now,
    ) -> Ledger:
        """Verifies the log, mends a torn tail with a record, and opens it for appending.

        Args:
            directory: `logs/audit`; made where it is missing.
            blobs: the folder of blobs, to notice that a log is gone which they belonged to.
            key: signs checkpoints; None for a log without.
            keep: makes content durable that entries speak of, right before them, in the writer's thread.
            on_repair: hears of a torn tail that was cut off.
            clock: the time of entries.

        Raises:
            LedgerDamaged: `truncated` or `tampered`; nothing was changed.
            LedgerError: it cannot be read or written.
        """
        try:
            system.make_owner_only_directory(directory)
            resumed = resume(directory, public_key=key.public_key() if key else None, blobs=blobs)
            repair = resumed.torn and cut_torn_tail(directory, resumed.torn)
            writer = Writer(directory, resumed, key=key, clock=clock)
            try:
                if repair:
                    writer.append([draft(_repaired(repair))])
                writer.checkpoint()
            except (OSError, LedgerError):
                writer.close()
                raise
        except OSError as error:
            raise LedgerError(
                f"The audit log cannot be opened: {error}. Nothing was started.", file=str(directory)
            ) from error
        if repair and on_repair:
            on_repair(repair)
        return cls(directory, writer, keep)

    @property
    def size(self) -> int:
        """The number of durable entries."""
        return self._writer.chain.seq

    @property
    def head(self) -> str:
        """The hash of the last durable entry."""
        return self._writer.chain.head

    @property
    def failure(self) -> LedgerError | None:
        """Why nothing can be appended any more, or None while it can."""
        return self._writer.failure

    def entries(self) -> Iterator[Entry]:
        """All entries, from the disk."""
        return read_entries(self.directory)

    async def append(
        self,
        events: Sequence[Event],
        *,
        contents: Sequence[bytes] = (),
        on_durable: Subscriber | None = None,
    ) -> list[Entry]:
        """Adds events, next to each other and in this order; durable on return.

        A caller that is cancelled meanwhile does not stop the write.

        Args:
            events: what happened.
            contents: what they speak of by its hash; durable before they are.
            on_durable: hears of the entries right after `on_entries`, also where the caller was cancelled.

        Raises:
            LedgerError: none of them was recorded; say so and do nothing that relied on it.
            NotCanonical: a value cannot be recorded without loss.
        """
        drafts = [draft(event) for event in events]
        if not drafts:
            return []
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Entry]] = loop.create_future()
        with self._gate:
            if self._closed:
                raise LedgerError("The ledger is closed.", file=str(self.directory))
            self._queue.put(_Request(drafts, contents, loop, done, on_durable))
        return await asyncio.shield(done)

    def keep_ahead(self, contents: Sequence[bytes]) -> None:
        """Begins to make content durable that entries will speak of soon, so that they wait less.

        Nothing hangs on it: where it fails, it is tried again with the entries themselves.
        """
        with self._gate:
            if not self._closed and contents:
                self._queue.put(_Request([], contents, asyncio.get_running_loop()))
                time.sleep(0)  # let the writer begin now: it needs the interpreter for a moment

    def close(self) -> None:
        """Writes what still waits and a last checkpoint, and closes the log; blocks until then."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    # ------------------------------------------------------------ in the writer's thread

    def _work(self) -> None:
        ends = False
        try:
            while not ends:
                group, ends = self._take()
                if group:
                    self._write(group)
                    self._tell(group)
                if ends or time.monotonic() - self._said >= _CHECKPOINT_EVERY:
                    self._checkpoint()
        finally:
            self._writer.close()

    def _take(self) -> tuple[list[_Request], bool]:
        """All requests that wait now, at least one unless a checkpoint is due; whether to end after them."""
        wait = None
        if self._writer.unsaid:
            wait = max(0.0, self._said + _CHECKPOINT_EVERY - time.monotonic())
        group: list[_Request] = []
        try:
            request = self._queue.get(timeout=wait)
            while request is not None:
                group.append(request)
                request = self._queue.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _write(self, group: list[_Request]) -> None:
        try:
            self._keep_contents([each for request in group for each in request.contents])
            drafts = [each for request in group for each in request.drafts]
            entries = iter(self._writer.append(drafts) if drafts else ())
        except LedgerError as error:
            _fail(group, error)
            return
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of any defect)
            logger.opt(exception=error).error("The ledger's writer failed.")
            self._writer.failure = LedgerError(f"The ledger's writer failed: {error!r}.")
            _fail(group, self._writer.failure)
            return
        for request in group:
            request.entries = list(itertools.islice(entries, len(request.drafts)))

    def _keep_contents(self, contents: list[bytes]) -> None:
        if contents and self._keep is not None:
            self._keep(contents)

    def _tell(self, group: list[_Request]) -> None:
        waiting = [request for request in group if request.done is not None]
        for loop, requests in itertools.groupby(waiting, key=lambda request: request.loop):
            try:
                loop.call_soon_threadsafe(self._deliver, list(requests))
            except RuntimeError:  # the loop has ended, and with it everyone who waited
                continue

    def _checkpoint(self) -> None:
        self._said = time.monotonic()
        try:
            self._writer.checkpoint()
        except OSError as error:
            if not self._warned:  # once, not every second
                logger.warning("The checkpoint of the audit log cannot be written: {}. Trying on.", error)
            self._warned = True
        else:
            self._warned = False

    # ------------------------------------------------------------ in the event loop's thread

    def _deliver(self, group: list[_Request]) -> None:
        durable = [entry for request in group for entry in request.entries or ()]
        failure: LedgerError | None = None
        if durable and self.on_entries is not None:
            failure = self._hear(self.on_entries, durable)
        for request in group:
            if request.entries is not None and request.on_durable is not None:
                failure = self._hear(request.on_durable, request.entries) or failure
            error = request.error or failure
            assert request.done is not None  # noqa: S101  the others are not told
            if error is not None:
                request.done.set_exception(error)
            elif request.entries is not None:
                request.done.set_result(request.entries)

    def _hear(self, subscriber: Subscriber, entries: list[Entry]) -> LedgerError | None:
        try:
            subscriber(entries)
        except Exception as error:  # noqa: BLE001 (any defect of a subscriber must stop the work)
            logger.opt(exception=error).error("A subscriber of the ledger failed.")
            failure = LedgerError(
                f"Entry {entries[-1].seq} is recorded, but the program failed to take it in: {error!r}.",
                code="ledger-subscriber-failed",
                hint="Start the daemon again: it reads the whole log.",
            )
            self._writer.failure = failure
            return failure
        return None


def _fail(group: list[_Request], error: LedgerError) -> None:
    for request in group:
        request.error = error


def _repaired(repair: Repair) -> Event:
    return Event(
        "repaired",
        data={
            "reason": "torn-tail",
            "file": repair.file.name,
            "offset": repair.offset,
            "bytes": repair.cut,
            "kept": repair.kept.name,
        },
    )
