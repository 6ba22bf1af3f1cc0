"""Answers to what servers ask: from the note or a command, through the gate, recorded, and handed on.

Who may answer is whoever may approve the plan, by evidence as strong as its approval needs: what is answered
goes to a server as if it had stood in the plan. Declining needs no evidence, as refusing needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from signoff.approval import Facts, answers
from signoff.canonical import digest_of, sha256_hex
from signoff.errors import LedgerError, RequestRefused
from signoff.evidence import Evidence
from signoff.form import Form, read_answers
from signoff.ledger.entry import Event
from signoff.model import Json, JsonObject, PlanState, Reply
from signoff.parts import Parts
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.say.form import UNFIT, names_with_secrets, opened
from signoff.say.view import OpenQuestion


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says to a question: `accept` with what was typed by field, or `decline`."""

    action: str
    typed: Mapping[str, str]
    via: str


class Answering:
    """Takes answers."""

    def __init__(self, parts: Parts, presence: Presence, runs: Runs) -> None:
        self._parts = parts
        self._presence = presence
        self._runs = runs

    def find(self, state: PlanState, number: int) -> OpenQuestion:
        """An open question with its form.

        Raises:
            RequestRefused: `no-question`: it is answered, or was given up.
        """
        for step in state.steps.values():
            for question in step.open_questions:
                if question.number == number and question.kept is not None:
                    return opened(step, question, self._runs.result_of(question.kept))
        raise RequestRefused(f"Question {number} of this plan is not open any more.", code="no-question")

    async def answer(
        self, plan_id: str, asked: OpenQuestion, said: Said, evidence: Evidence, by: str | None = None
    ) -> str:
        """Record an answer that may be given and fits, and let the call go on; who it counts for.

        Raises:
            RequestRefused: it does not fit (`answer-unfit`), or nobody waits for it (`no-question`).
            GateRefused: it may not be given, by this person or in this way.
            LedgerError: it could not be recorded, and was not given.
        """
        number = asked.question.number
        pending = self._runs.inquiries.find(plan_id, number)
        if pending is None:
            raise RequestRefused(
                f"Nobody waits for an answer to question {number} any more.", code="no-question"
            )
        async with pending.lock:
            if pending.reply is not None or pending.dropped.is_set():
                raise RequestRefused(f"Question {number} has just been settled.", code="no-question")
            facts = await self._presence.facts(plan_id, by, evidence)
            approver = answers(facts, declines=said.action == "decline")
            content = fitting(asked.form, said) if said.action == "accept" else None
            await self._record(facts, asked, said, approver, content)
            pending.settle(Reply(said.action, content if asked.inquiry.mode == "form" else None))
        return approver

    async def _record(
        self, facts: Facts, asked: OpenQuestion, said: Said, approver: str, content: JsonObject | None
    ) -> None:
        state, question = facts.plan, asked.question
        if state is None:
            raise LedgerError("The plan is gone.")
        data: JsonObject = {
            "question": question.number,
            "action": said.action,
            "via": said.via,
            "method": facts.evidence.method.value,
            **facts.evidence.detail,
        }
        kept: list[bytes] = []
        if content is not None:
            secret = names_with_secrets(asked.form)
            data["answer"] = self._runs.summary(content, secret)
            if not secret:  # a short secret could be guessed from its hash
                data["sha256"] = digest_of(content)
            if not secret and question.suspended is not None and asked.inquiry.mode == "form":
                kept.append(orjson.dumps(content))  # for a daemon that resumes the call after this one
                data["content"] = sha256_hex(kept[0])
        event = Event(
            "answered",
            plan=state.id,
            step=asked.step.id,
            attempt=question.attempt,
            server=question.server,
            tool=question.tool,
            approver=approver or None,
            digest=state.digest,
            data=data,
        )
        await self._parts.ledger.append([event], contents=kept)
        told: Json = data.get("answer", said.action)
        self._runs.said(state.id, asked.step.id, "ANSWERED", orjson.dumps(told).decode())


def answer_about(number: int, said: Said) -> JsonObject:
    """What a signed answer is about: which question, and exactly what is said to it."""
    typed: JsonObject = dict(said.typed)
    return {"question": number, "answer": digest_of({"action": said.action, "typed": typed})}


def fitting(form: Form, said: Said) -> JsonObject:
    """The values to send.

    Raises:
        RequestRefused: `answer-unfit`, with what does not fit.
    """
    unknown = sorted(set(said.typed) - {field.name for field in form.fields})
    if unknown:
        raise RequestRefused(f"The form has no field `{unknown[0]}`.", code=UNFIT)
    read = read_answers(form, said.typed)
    if read.problems:
        wrong = "; ".join(f"`{name}`: {words}" for name, words in read.problems.items())
        raise RequestRefused(f"Nothing was sent, because not all of it fits: {wrong}.", code=UNFIT)
    return read.content
