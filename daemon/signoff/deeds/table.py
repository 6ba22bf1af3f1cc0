"""Which deed follows from a decision, and the deeds, put together once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from signoff import observe
from signoff.answering import Answering
from signoff.decide import Decision, Do
from signoff.deeds.answers import Answers
from signoff.deeds.approving import Approving
from signoff.deeds.asking import Asking, Eyes
from signoff.deeds.ending import Ending
from signoff.deeds.going_on import GoingOn
from signoff.deeds.showing import Showing
from signoff.errors import NoteError
from signoff.model import Status
from signoff.parts import Parts
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.writeback import WriteBack


class Deeds:
    """What follows from a decision, and what commands may ask for by name.

    Attributes:
        asked: by path, the question that stands in a note.
        witness: judges codes and signatures.
        answering: takes answers to what servers ask.
    """

    def __init__(
        self, parts: Parts, presence: Presence, writeback: WriteBack, runs: Runs, eyes: Eyes
    ) -> None:
        self._parts = parts
        self.answering = Answering(parts, presence, runs)
        self._asking = asking = Asking(parts, presence, writeback, eyes)
        approving = Approving(parts, presence, writeback, runs, asking)
        going_on = GoingOn(parts, presence, writeback, runs, eyes=eyes, asking=asking)
        showing = Showing(
            parts, presence, writeback, runs, asking=asking, approving=approving, going_on=going_on
        )
        answers = Answers(
            parts, presence, writeback, answering=self.answering, asking=asking, approving=approving
        )
        ending = Ending(parts, writeback, runs, eyes)
        self._freeze = showing.freeze
        self._deeds: dict[Do, Callable[[str, observe.Sight, Decision], Awaitable[None]]] = {
            Do.PRESENT: showing.present,
            Do.CLAIM: approving.claim,
            Do.REJECT: ending.as_noted,
            Do.CANCEL: ending.as_noted,
            Do.WITHDRAW: ending.withdraw,
            Do.RETRY: showing.freeze,
            Do.RESOLVE: going_on.as_noted,
            Do.ANSWER: answers.take,
            Do.PROJECT: going_on.project,
        }
        self.asked, self.record_refusal = asking.asked, asking.record_refusal
        self.witness = approving.witness
        self.approve, self.approve_if_automatic = approving.approve, approving.approve_if_automatic
        self.end = ending.end
        self.resolve, self.bring_back = going_on.resolve, going_on.bring_back

    async def carry_out(self, decision: Decision, sight: observe.Sight, plan_id: str | None) -> None:
        """Do what was decided about a note.

        Raises:
            LedgerError: it could not be recorded, and was not done.
            OSError: the note could not be written; the record stands, and it is tried again.
        """
        path = sight.reading.path
        if decision.do is not Do.ASK:
            question = self.asked.pop(path, None)
            decision = self._as_answered(decision, question, plan_id)
        if decision.do is Do.NOTHING:
            return
        if decision.do is Do.ASK and decision.error is not None:
            await self._asking.ask(path, decision.error, plan_id)
            return
        if decision.do is Do.FREEZE:
            await self._freeze(plan_id, sight, decision)
            return
        if plan_id is not None:
            await self._deeds[decision.do](plan_id, sight, decision)

    def _as_answered(self, decision: Decision, question: NoteError | None, plan_id: str | None) -> Decision:
        """Where a question answered itself by what was shown before, that is shown anew, without it."""
        state = self._parts.state.plans.get(plan_id or "")
        if question is None or state is None or decision != Decision(Do.PROJECT):
            return decision
        stands = state.status is Status.PENDING and state.reason == question.code
        return Decision(Do.FREEZE) if stands else decision
