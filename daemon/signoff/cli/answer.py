"""`signoff answer`: what a server asks in the middle of a call, shown, answered or declined."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from signoff.answering import Said, answer_about, fitting
from signoff.cli.decisions import decide
from signoff.cli.find import find_plan, find_step
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.cli.words import near
from signoff.errors import LedgerError, NotFound, RequestRefused
from signoff.evidence import statement
from signoff.form import Field, FormRefused
from signoff.ledger.blobs import BlobStore
from signoff.model import Json, JsonObject, PlanState
from signoff.requests import Request
from signoff.say.form import opened
from signoff.say.view import OpenQuestion
from signoff.signatures import sign

SIGNED_FOR = timedelta(minutes=10)
"""How long a signed answer may take to the daemon."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed after `signoff answer PLAN STEP`."""

    values: Sequence[str] = ()
    accept: bool = False
    decline: bool = False
    question: int | None = None
    by: str | None = None
    code: str = ""
    key: Path | None = None

    @property
    def decides(self) -> bool:
        """Is anything answered, or only looked at?"""
        return bool(self.values) or self.accept or self.decline


def answer(project: Project, named: str, step: str, given: Given, *, as_json: bool) -> int:
    """Answers a question, or shows it where no answer is given; the exit code.

    Raises:
        SignoffError: there is no such plan, step or open question.
    """
    if given.decides:
        return decide(project, named, _request(step, given), as_json=as_json)
    plan = project.plan(find_plan(project, named))
    if plan is None:
        raise NotFound(f"There is no plan `{named}`.", code="unknown-plan")
    asked = _meant(project, plan, step, given.question)
    if as_json:
        SCREEN.json(as_object(asked))
    else:
        _say(asked)
        SCREEN.line("Answer with FIELD=VALUE ..., or --accept to send it as it is, or --decline.")
    return 0


def _request(step: str, given: Given) -> Callable[[Project, PlanState], Request]:
    def make(project: Project, plan: PlanState) -> Request:
        asked = _meant(project, plan, step, given.question)
        said = Said("decline" if given.decline else "accept", _typed(given.values), "command")
        if said.action == "accept":
            fitting(asked.form, said)
        default = project.settings.default_approver
        body: JsonObject = {
            "question": asked.question.number,
            "action": said.action,
            "typed": dict(said.typed),
        }
        return Request(
            "answer",
            plan.id,
            given.by or (default.name if default else ""),
            step=asked.step.id,
            answer=json.dumps(body),
            code=given.code,
            signed=_signed(plan, asked, said, given.key) if given.key is not None else "",
        )

    return make


def _signed(plan: PlanState, asked: OpenQuestion, said: Said, key: Path) -> str:
    about = answer_about(asked.question.number, said)
    expires = datetime.now(UTC) + SIGNED_FOR
    line = statement(plan.id, plan.digest, secrets.token_urlsafe(16), expires, about)
    return line.decode() + sign(line, key)


def _typed(values: Sequence[str]) -> dict[str, str]:
    """`FIELD=VALUE` as typed.

    Raises:
        RequestRefused: one of them is none.
    """
    found: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or name in found:
            raise RequestRefused(f"`{value}` is not FIELD=VALUE, or there twice.", code="answer-unfit")
        found[name] = text
    return found


def _meant(project: Project, plan: PlanState, named: str, number: int | None) -> OpenQuestion:
    """The open question of a step, or the one with this number.

    Raises:
        NotFound: there is no such step, or nothing is asked in it.
    """
    step = find_step(plan, named)
    found = [each for each in step.open_questions if number in {None, each.number}]
    if len(found) != 1:
        numbers = ", ".join(str(each.number) for each in step.open_questions)
        raise NotFound(
            f"Step {step.id} has several open questions: {numbers}."
            if found
            else f"Nothing is asked in step {step.id} now.",
            code="no-question",
            hint="Say which: `--question N`." if found else "",
        )
    asked = open_question(project, plan, found[0].number)
    if asked is None:
        raise NotFound(f"Question {found[0].number} cannot be read any more.", code="no-question")
    return asked


def open_question(project: Project, plan: PlanState, number: int) -> OpenQuestion | None:
    """An open question with its form; None where it is not kept."""
    for step in plan.steps.values():
        for question in step.open_questions:
            if question.number == number and question.kept is not None:
                try:
                    kept = json.loads(BlobStore(project.places.blobs).get(question.kept))
                    return opened(step, question, kept)
                except (LedgerError, FormRefused, json.JSONDecodeError):
                    return None
    return None


def as_object(asked: OpenQuestion) -> JsonObject:
    """A question for a program."""
    fields: list[Json] = [_field(field) for field in asked.form.fields]
    return {
        "question": asked.question.number,
        "step": asked.step.id,
        "server": asked.question.server,
        "tool": asked.question.tool,
        "mode": asked.inquiry.mode,
        "message": asked.inquiry.message,
        "url": asked.inquiry.url or None,
        "until": asked.question.until,
        "fields": fields,
    }


def _field(field: Field) -> JsonObject:
    choices: list[Json] = [{"value": each.value, "title": each.title} for each in field.choices]
    return {
        "name": field.name,
        "title": field.title,
        "kind": field.kind.value,
        "description": field.description,
        "required": field.required,
        "default": field.default,
        "choices": choices,
        "least": field.least,
        "most": field.most,
        "format": field.format or None,
    }


def _say(asked: OpenQuestion) -> None:
    question = asked.question
    SCREEN.line(f"{question.server}.{question.tool} asks (question {question.number}):", "bold")
    SCREEN.lines(asked.inquiry.message, indent="   ")
    if asked.inquiry.url:
        SCREEN.lines(f"At {asked.inquiry.url} (not opened).", indent="   ")
    for field in asked.form.fields:
        needed = "required" if field.required and field.default is None else "optional"
        choices = ", ".join(choice.value for choice in field.choices)
        default = "" if field.default is None else f"; empty means {json.dumps(field.default)}"
        SCREEN.line(f"   {field.name}: {field.kind.value} {choices}".rstrip() + f" ({needed}{default})")
    if question.until:
        SCREEN.line(f"   Until {near(question.until)}.")


def say_questions(project: Project, plan: PlanState) -> None:
    """The open questions of a plan, for `signoff show`."""
    for step in plan.steps.values():
        for question in step.open_questions:
            asked = open_question(project, plan, question.number)
            if asked is not None:
                SCREEN.line()
                _say(asked)
                SCREEN.line(f"   Answer in the note, or: signoff answer {plan.id} {step.id} FIELD=VALUE ...")
