"""Answers in notes to what servers ask: what is ticked and typed is judged, and handed on."""

from __future__ import annotations

from loguru import logger

from signoff import observe
from signoff.answering import Answering, Said, fitting
from signoff.decide import Decision
from signoff.deeds.approving import Approving
from signoff.deeds.asking import Asking
from signoff.durable import Stamp
from signoff.errors import GateRefused, RequestRefused
from signoff.evidence import Evidence
from signoff.model import Method, PlanState
from signoff.note.splice import section_items, section_of
from signoff.parts import Parts
from signoff.presence import Presence
from signoff.say.form import BOTH, code_rows, consumed_rows, require_lines, typed_code, typed_texts
from signoff.say.view import OpenQuestion
from signoff.writeback import WriteBack


class Answers:
    """Takes the answers that people write into notes."""

    def __init__(
        self,
        parts: Parts,
        presence: Presence,
        writeback: WriteBack,
        *,
        answering: Answering,
        asking: Asking,
        approving: Approving,
    ) -> None:
        self._parts = parts
        self._presence = presence
        self._writeback = writeback
        self._answering = answering
        self._asking = asking
        self._approving = approving
        self._judged: dict[str, tuple[str, Stamp | None]] = {}

    async def take(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
        """Take what a person answered in the note to the questions of servers."""
        reading = sight.reading
        save = (reading.sha256, self._presence.stamps.get(reading.path))
        if self._judged.get(plan_id) == save:
            return  # looking twice at what was saved once is not guessing twice
        self._judged[plan_id] = save
        for number, action in sight.seen.replies:
            try:
                await self._take_one(plan_id, number, action, reading.data)
            except (GateRefused, RequestRefused) as refusal:
                logger.info("{}: {} ({})", plan_id, refusal.message, refusal.code)
                if refusal.code != "no-question":
                    await self._asking.record_refusal(plan_id, refusal.code, refusal.message, reading.path)
        await self._writeback.project(plan_id)

    async def _take_one(self, plan_id: str, number: int, action: str, note: bytes) -> None:
        items, section = section_items(note), section_of(note) or ""
        state = self._parts.state.plans[plan_id]
        asked = self._writeback.worded(plan_id, self._answering.find(state, number))
        redactor = self._parts.rules.redactor
        if action == BOTH:
            raise RequestRefused("Both boxes are ticked: nothing was sent.", code="answer-unclear")
        if action == "accept":
            require_lines(section, asked, redactor)
        code = typed_code(items, asked.question) if action == "accept" else ""
        self._presence.said.have_read(plan_id, code_rows(items, asked.question))
        evidence = await self._approving.witness.of_typed_code(state, code) if code else Evidence()
        said = Said(action, typed_texts(items, asked, redactor) if action == "accept" else {}, "note")
        if action == "accept" and self._needs_code(state):
            self._require_offered(plan_id, asked, said, code)
        by = evidence.approver  # whose code it is, whoever is named as the approver of the plan
        await self._answering.answer(plan_id, asked, said, evidence, by)
        if action == "accept":
            self._presence.said.have_read(plan_id, consumed_rows(items, asked, redactor))

    def _needs_code(self, state: PlanState) -> bool:
        assessment = self._approving.assessment_of(state)
        return assessment is not None and assessment.requirement.method is Method.CODE

    def _require_offered(self, plan_id: str, asked: OpenQuestion, said: Said, code: str) -> None:
        """A code counts for the answer that was shown before it was typed: whoever writes notes changes none.

        Raises:
            RequestRefused: `answer-not-shown`; it is shown now, and the code is used up.
        """
        if not asked.form.fields:
            return
        answer = fitting(asked.form, said)
        if self._presence.said.offer(plan_id, asked.question.number, answer) != answer and code:
            raise RequestRefused(
                "The code was typed before it was shown what it would send, so nothing was sent. See what "
                "would be sent now; to send that, type a new code.",
                code="answer-not-shown",
            )
