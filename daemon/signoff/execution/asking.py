"""What servers ask during one call: put into the ledger and the note, and answered by a person.

The call stays open meanwhile: its time stands still, its place is lent to others, and nothing of it is sent
again. Every question is recorded before it is shown, and every answer before it leaves. A question ends with
an answer, when its time is up, when the run is stopped, or when the server itself takes it back.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
from loguru import logger

from signoff.approval import admit
from signoff.canonical import sha256_hex
from signoff.errors import GateRefused, LedgerError
from signoff.execution.world import Begin, World, now, stamp
from signoff.form import Form, FormRefused, read_form, require_address
from signoff.inquiries import Pending
from signoff.ledger.entry import Event
from signoff.model import Inquiry, JsonObject, Reply
from signoff.redact import secret_values

MOST_QUESTIONS = 20
"""Questions of one call that are put to a person; whatever a server asks beyond is declined."""
LONGEST_MESSAGE = 4000
"""Characters of a question."""


class Place:
    """The place of one call among those in flight: lent to others while a person is asked."""

    def __init__(self, world: World) -> None:
        self._slots = world.slots
        self._asked = 0
        self._ended = False

    def lend(self) -> None:
        """A question is open."""
        self._asked += 1
        if self._asked == 1 and not self._ended:
            self._slots.give_back()

    def take_again(self) -> None:
        """A question is settled; the call goes on, whether there is a free place or not."""
        self._asked -= 1
        if not self._asked and not self._ended:
            self._slots.retake()

    def end(self) -> None:
        """The call has ended."""
        if not self._ended and not self._asked:
            self._slots.give_back()
        self._ended = True


@dataclass(slots=True)
class Asking:
    """The questions of one call.

    Attributes:
        replies: what the server was told to each, in order.
    """

    world: World
    begin: Begin
    plan_id: str
    stop: asyncio.Event
    place: Place
    replies: list[Reply] = field(default_factory=list)
    _count: int = 0
    _tasks: set[asyncio.Task[Reply]] = field(default_factory=set)
    _pending: list[Pending] = field(default_factory=list)

    async def person(self, inquiry: Inquiry) -> Reply:
        """Put a question to the person; see `signoff.servers.elicit.Person`."""
        self._count += 1
        if self._count > MOST_QUESTIONS:
            if self._count == MOST_QUESTIONS + 1:
                logger.warning("{} asks again and again; the rest is declined.", self.begin.call.name)
            return Reply("decline")
        pending = self.world.inquiries.open(self.plan_id, self.world.sequence)
        self._pending.append(pending)
        task = asyncio.ensure_future(self._ask(pending, inquiry))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            reply = await asyncio.shield(task)
        except asyncio.CancelledError:  # the server took it back, or the call has ended
            pending.dropped.set()
            raise
        self.replies.append(reply)
        return reply

    def close(self) -> None:
        """The call has ended: nothing more is asked in it."""
        self._count = MOST_QUESTIONS + 1
        for pending in self._pending:
            pending.dropped.set()
        self.place.end()

    # ------------------------------------------------------------ one question

    async def _ask(self, pending: Pending, inquiry: Inquiry) -> Reply:
        try:
            form = _usable(inquiry)
        except FormRefused as refused:
            return await self._decline(pending, inquiry, refused)
        until = self._until()
        self.place.lend()
        try:
            kept = orjson.dumps(inquiry.to_json())
            await self.world.record([self._asked(pending, inquiry, form, until, kept)], [kept])
            self.world.said(self.plan_id, self.begin.step.id, "ASKED", inquiry.message)
            self.world.progressed(self.plan_id)
            return await self._wait(pending, until)
        except (LedgerError, OSError) as error:
            logger.error("A question of {} could not be recorded: {}", self.begin.call.name, error)
            return Reply("cancel", goes_on=False)
        finally:
            self.world.inquiries.close(pending)
            self.place.take_again()
            self.world.progressed(self.plan_id)

    def _until(self) -> datetime:
        """When the question is given up: in so long, at the end of the approval at the latest."""
        return min(
            now() + timedelta(seconds=self.world.answer_within),
            self.world.state_of(self.plan_id).approvals_end,
        )

    async def _wait(self, pending: Pending, until: datetime) -> Reply:
        """Until it is answered, or given up."""
        events = (self.stop, pending.dropped, pending.settled)
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            left = max(0.0, (until - now()).total_seconds())
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        async with pending.lock:
            if pending.reply is not None:
                return pending.reply
            halted = self.stop.is_set() or pending.dropped.is_set()
            reply = Reply("cancel", goes_on=not halted and await self._stands())
            pending.settle(reply)
            with contextlib.suppress(LedgerError):  # nothing is told but that there is no answer
                await self.world.record([self._answered(pending, "cancel", _why(pending, self.stop))])
            return reply

    async def _stands(self) -> bool:
        """Does the approval still cover the call?"""
        try:
            admit(await self.world.facts(self.plan_id))
        except GateRefused:
            return False
        return True

    async def _decline(self, pending: Pending, inquiry: Inquiry, refused: FormRefused) -> Reply:
        """A question that cannot be put to anybody: recorded, and declined at once."""
        self.world.inquiries.close(pending)
        reply = Reply("decline")
        pending.settle(reply)
        asked = self._event("asked", pending, {"mode": inquiry.mode, "message": self._said(inquiry.message)})
        declined = self._answered(pending, "decline", refused.code, refused.message)
        with contextlib.suppress(LedgerError):
            await self.world.record([asked, declined])
        self.world.progressed(self.plan_id)
        return reply

    # ------------------------------------------------------------ what is recorded

    def _asked(self, pending: Pending, inquiry: Inquiry, form: Form, until: datetime, kept: bytes) -> Event:
        data: JsonObject = {
            "mode": inquiry.mode,
            "message": self._said(inquiry.message),
            "fields": [each.name for each in form.fields],
            "kept": sha256_hex(kept),
            "until": stamp(until),
        }
        return self._event("asked", pending, data)

    def _answered(self, pending: Pending, action: str, reason: str, message: str = "") -> Event:
        data: JsonObject = {"action": action, "reason": reason}
        if message:
            data["message"] = message
        return self._event("answered", pending, data)

    def _event(self, event: str, pending: Pending, data: JsonObject) -> Event:
        begin = self.begin
        return Event(
            event,
            plan=self.plan_id,
            step=begin.step.id,
            attempt=begin.attempt,
            server=begin.call.server,
            tool=begin.call.tool,
            digest=begin.intent.digest,
            data={"question": pending.number, **data},
        )

    def _said(self, text: str) -> str:
        hidden = secret_values(dict(self.begin.call.arguments), self.begin.terms.secret)
        return str(self.world.summary(text, (), hidden))


def _usable(inquiry: Inquiry) -> Form:
    """The form of a question that can be put to a person; an empty one for an address.

    Raises:
        FormRefused: it cannot.
    """
    if inquiry.problem is not None:
        raise FormRefused(inquiry.problem[1], code=inquiry.problem[0])
    if len(inquiry.message) > LONGEST_MESSAGE:
        raise FormRefused(f"Its question has {len(inquiry.message)} characters.")
    try:
        inquiry.message.encode()
        inquiry.url.encode()
    except UnicodeEncodeError as error:
        raise FormRefused("Its question cannot be read.") from error
    if inquiry.mode == "url":
        require_address(inquiry.url)
        return Form()
    return read_form(inquiry.schema)


def _why(pending: Pending, stop: asyncio.Event) -> str:
    """Why a question was given up."""
    if stop.is_set():
        return "run-stopped"
    return "withdrawn" if pending.dropped.is_set() else "not-answered"
