"""What servers ask during one call: put into the ledger and the note, and answered by a person.

The call stays open meanwhile: its time stands still, its place is lent to others, and nothing of it is sent
again. Every question is recorded before it is shown, and every answer before it leaves; whether the approval
still stands is asked once more at the moment it does. A question ends with an answer, when its time is up,
when the run is stopped, or when the server itself takes it back.

In the newer protocol the call is suspended while its server asks: it was answered with what it lacks, and
has done nothing. All that it takes to resume it is kept before the question is shown, and that it is about to
be resumed is recorded before it is. In between, the end of the daemon is no end of the call (`suspended`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from loguru import logger

from signoff.approval import admit
from signoff.canonical import sha256_hex
from signoff.errors import GateRefused, LedgerError
from signoff.execution.outbox import encoded
from signoff.execution.suspension import Suspended, questions_of
from signoff.execution.world import Begin, World, now, stamp
from signoff.flow import is_follow_up
from signoff.form import Form, FormRefused, read_form, require_address
from signoff.inquiries import Pending
from signoff.ledger.entry import Event
from signoff.model import InputNeeded, Inquiry, JsonObject, Question, Reply
from signoff.redact import secret_values
from signoff.slots import Slots

MOST_QUESTIONS = 20
"""Questions of one call that are put to a person; whatever a server asks beyond is declined."""
LONGEST_MESSAGE = 4000
"""Characters of a question."""


class Place:
    """The place of one call among those in flight: lent to others while a person is asked.

    Args:
        slots: all places.
        leave_turn: gives back the call's turn at its server, where it has one.
    """

    def __init__(self, slots: Slots, leave_turn: Callable[[], None]) -> None:
        self._slots = slots
        self._leave_turn = leave_turn
        self._asked = 0
        self._ended = False

    def suspend(self) -> None:
        """The call is not under way at its server until it is resumed: its turn there is for others."""
        self._leave_turn()

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
        earlier: by the server's key, the questions of a call that was suspended under an earlier daemon.
        held: the blob of the call as it is suspended now; None where it is not, or was resumed.
        refusal: why the gate did not let an answer leave, or None.
    """

    world: World
    begin: Begin
    plan_id: str
    stop: asyncio.Event
    place: Place
    replies: list[Reply] = field(default_factory=list)
    earlier: dict[str, Question] = field(default_factory=dict)
    held: str | None = None
    refusal: GateRefused | None = None
    _round: InputNeeded | None = None
    _rounds: int = 0
    _left: bool = False
    _accepted: list[Pending] = field(default_factory=list)
    _count: int = 0
    _tasks: set[asyncio.Task[Reply]] = field(default_factory=set)
    _pending: list[Pending] = field(default_factory=list)

    def take_up(self, suspended: Suspended) -> None:
        """Go on with a call that an earlier daemon left suspended."""
        step = self.world.state_of(self.plan_id).steps[self.begin.step.id]
        self.held, self.earlier = step.suspended, questions_of(step, suspended.needed)
        self._rounds = suspended.round - 1

    async def person(self, inquiry: Inquiry) -> Reply:
        """Put a question to the person; see `signoff.servers.elicit.Person`."""
        self._count += 1
        if self._count > MOST_QUESTIONS:
            if self._count == MOST_QUESTIONS + 1:
                logger.warning("{} asks again and again; the rest is declined.", self.begin.call.name)
            return Reply("decline")
        if inquiry.needed is not None and inquiry.needed is not self._round:
            self._new_round(inquiry.needed)
        known = self.earlier.pop(inquiry.key, None) if inquiry.needed is not None else None
        reply = await (self._asked_before(known, inquiry) if known else self._asked_now(inquiry))
        self.replies.append(reply)
        return reply

    def _new_round(self, needed: InputNeeded) -> None:
        self.place.suspend()
        self._round, self._left = needed, False
        self._rounds += 1
        self._accepted.clear()

    async def _asked_now(self, inquiry: Inquiry) -> Reply:
        pending = self.world.inquiries.open(self.plan_id, self.world.sequence)
        return await self._put(pending, inquiry, self._ask(pending, inquiry))

    async def _asked_before(self, question: Question, inquiry: Inquiry) -> Reply:
        """The same question as an earlier daemon put, with what was answered then, or is now."""
        if question.action == "accept" and question.content is None and inquiry.mode == "form":
            return await self._asked_now(inquiry)  # what was answered looked secret, and is kept nowhere
        pending = self.world.inquiries.again(self.plan_id, question.number)
        if question.action and pending.reply is None:
            kept = self.world.result_of(question.content) if question.content else None
            pending.settle(Reply(question.action, kept))
        until = datetime.fromisoformat(question.until) if question.until else self._until()
        return await self._put(pending, inquiry, self._wait_for_person(pending, until))

    async def _put(
        self, pending: Pending, inquiry: Inquiry, asking: Coroutine[object, object, Reply]
    ) -> Reply:
        """Have a question asked, in a task that outlives a server which takes it back."""
        self._pending.append(pending)
        task = asyncio.ensure_future(asking)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            reply = await asyncio.shield(task)
        except asyncio.CancelledError:  # the server took it back, or the call has ended
            pending.dropped.set()
            raise
        if reply.action != "accept":
            return reply
        if inquiry.needed is not None:
            self._accepted.append(pending)
            return reply  # it leaves with all others of its round: see `resuming`
        return reply if await self._may_leave([pending]) else Reply("cancel", goes_on=False)

    async def resuming(self) -> bool:
        """May a suspended call be resumed now? Recorded before it is, once for all attempts to reach it."""
        if not await self._may_leave(self._accepted):
            return False
        if not self._left:
            data: JsonObject = {"suspended": self.held}
            try:
                await self.world.record([self._event("resumed", data)])
            except LedgerError as error:
                logger.error("{} is not resumed: {}", self.begin.call.name, error)
                return False
            self._left, self.held = True, None
        return not self.stop.is_set()

    async def _may_leave(self, accepted: Sequence[Pending]) -> bool:
        """Does the approval stand as the answers leave? Otherwise it is recorded that they do not."""
        self.refusal = await self._refusal()
        if self.refusal is None and not self.stop.is_set():
            return True
        if self.suspended:
            return False  # the next daemon asks again
        why = self.refusal.code if self.refusal else "run-stopped"
        data: JsonObject = {"action": "cancel", "reason": why, "withheld": True}
        with contextlib.suppress(LedgerError):  # they do not leave in any case
            await self.world.record(
                [self._event("answered", {"question": each.number, **data}) for each in accepted]
            )
        return False

    @property
    def suspended(self) -> bool:
        """Does the call outlive the daemon, which ends now?"""
        return self.held is not None and self.world.closing

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
        try:
            kept = [encoded(inquiry.to_json()), *self._suspension()]
            await self.world.record([self._asked(pending, inquiry, form, until, kept)], kept)
        except (LedgerError, OSError) as error:
            logger.error("A question of {} could not be recorded: {}", self.begin.call.name, error)
            self.world.inquiries.close(pending)
            return Reply("cancel", goes_on=False)
        self.held = sha256_hex(kept[1]) if len(kept) > 1 else None
        self.world.said(self.plan_id, self.begin.step.id, "ASKED", inquiry.message)
        return await self._wait_for_person(pending, until)

    def _suspension(self) -> list[bytes]:
        """All that it takes to resume the call; nothing where it is open, or another call's follow-up."""
        if self._round is None or is_follow_up(self.begin.step.id):
            return []
        begin = self.begin
        held = Suspended(self._round, dict(begin.call.arguments), begin.meta, self._rounds)
        return [encoded(held.to_json())]

    async def _wait_for_person(self, pending: Pending, until: datetime) -> Reply:
        """Until a question that is recorded is answered or given up; the call's place is lent meanwhile."""
        self.place.lend()
        try:
            self.world.progressed(self.plan_id)
            return await self._wait(pending, until)
        except (LedgerError, OSError) as error:
            logger.error("What became of a question could not be recorded: {}", error)
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
            if halted and self.suspended:
                pending.dropped.set()
                return Reply("cancel", goes_on=False)  # it stays open: the next daemon asks it again
            self.refusal = None if halted else await self._refusal()
            reply = Reply("cancel", goes_on=not halted and self.refusal is None)
            pending.settle(reply)
            try:
                await self.world.record([self._answered(pending, "cancel", _why(pending, self.stop))])
            except LedgerError:  # nothing is told but that there is no answer; nothing is resumed unrecorded
                return replace(reply, goes_on=False)
            return reply

    async def _refusal(self) -> GateRefused | None:
        """Why the approval does not cover the call any more, or None."""
        try:
            admit(await self.world.facts(self.plan_id))
        except GateRefused as refusal:
            return refusal
        return None

    async def _decline(self, pending: Pending, inquiry: Inquiry, refused: FormRefused) -> Reply:
        """A question that cannot be put to anybody: recorded, and declined at once."""
        self.world.inquiries.close(pending)
        reply = Reply("decline")
        pending.settle(reply)
        words: JsonObject = {"mode": inquiry.mode, "message": self._said(inquiry.message)}
        asked = self._event("asked", {"question": pending.number, **words})
        declined = self._answered(pending, "decline", refused.code, refused.message)
        with contextlib.suppress(LedgerError):
            await self.world.record([asked, declined])
        self.world.progressed(self.plan_id)
        return reply

    # ------------------------------------------------------------ what is recorded

    def _asked(
        self, pending: Pending, inquiry: Inquiry, form: Form, until: datetime, kept: Sequence[bytes]
    ) -> Event:
        data: JsonObject = {
            "mode": inquiry.mode,
            "message": self._said(inquiry.message),
            "fields": [each.name for each in form.fields],
            "kept": sha256_hex(kept[0]),
            "until": stamp(until),
        }
        if len(kept) > 1:
            places = list(inquiry.needed.requests) if inquiry.needed else []
            data["suspended"], data["place"] = sha256_hex(kept[1]), places.index(inquiry.key)
        return self._event("asked", {"question": pending.number, **data})

    def _answered(self, pending: Pending, action: str, reason: str, message: str = "") -> Event:
        data: JsonObject = {"action": action, "reason": reason}
        if message:
            data["message"] = message
        return self._event("answered", {"question": pending.number, **data})

    def _event(self, event: str, data: JsonObject) -> Event:
        begin = self.begin
        return Event(
            event,
            plan=self.plan_id,
            step=begin.step.id,
            attempt=begin.attempt,
            server=begin.call.server,
            tool=begin.call.tool,
            digest=begin.intent.digest,
            data=data,
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
