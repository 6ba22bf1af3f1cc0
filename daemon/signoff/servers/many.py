"""Several calls at once: their answers in the order of asking, whatever becomes of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from signoff.errors import CallError, SignoffError, Transient
from signoff.model import CallResult, Json
from signoff.servers import outcome
from signoff.servers.outcome import Where

if TYPE_CHECKING:
    from signoff.servers.calls import Calling


@dataclass(frozen=True, slots=True)
class Ask:
    """One call to be made.

    Attributes:
        name: `server.tool`.
        arguments: in the tool's own names.
        timeout: seconds for this call; None for the server's or the pool's.
        critical: if it fails, calls that have not left by then do not leave.
    """

    name: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    timeout: float | None = None
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one of them: a result or an error, never both."""

    ask: Ask
    result: CallResult | None = None
    error: SignoffError | None = None

    @property
    def ok(self) -> bool:
        """There is a result."""
        return self.result is not None


async def gather(
    asks: Sequence[Ask],
    begin: Callable[[Ask], Calling],
    *,
    concurrency: int,
    timeout: float | None,
) -> list[Answer]:
    """See `ServerPool.call_many`."""
    batch = _Batch(asks, begin, concurrency)
    tasks = [asyncio.create_task(batch.one(index)) for index in range(len(asks))]
    try:
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            batch.over = True
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
    return batch.answers(timeout)


class _Batch:
    def __init__(self, asks: Sequence[Ask], begin: Callable[[Ask], Calling], concurrency: int) -> None:
        self._asks = asks
        self._begin = begin
        self._places = asyncio.Semaphore(concurrency)
        self._calls: dict[int, Calling] = {}
        self._answers: dict[int, Answer] = {}
        self._culprit = ""
        self.over = False

    async def one(self, index: int) -> None:
        ask = self._asks[index]
        async with self._places:
            if self._culprit or self.over:
                return
            try:
                call = self._calls[index] = self._begin(ask)
                self._answers[index] = Answer(ask, result=await call.call())
            except SignoffError as error:
                self._answers[index] = Answer(ask, error=error)
                if ask.critical:
                    self._culprit = self._culprit or ask.name

    def answers(self, timeout: float | None) -> list[Answer]:
        return [
            self._answers.get(index) or Answer(ask, error=self._unanswered(index, ask, timeout))
            for index, ask in enumerate(self._asks)
        ]

    def _unanswered(self, index: int, ask: Ask, timeout: float | None) -> CallError:
        server, _, tool = ask.name.partition(".")
        where = Where(server, tool)
        call = self._calls.get(index)
        if call is not None and call.sent:
            return outcome.unknown(where, f"not all answers came within {timeout:g} seconds")
        why = (
            f"{self._culprit} failed" if self._culprit else f"the time for all, {timeout:g} seconds, was over"
        )
        return Transient(f"{where} was not called: {why}.", server=server, tool=tool, code="not-begun")
