"""Carrying out what commands asked for, with the same gate and the same records as a gesture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import orjson
from loguru import logger

from signoff.answering import Said, answer_about
from signoff.errors import GateRefused, LedgerError, RequestRefused, SignoffError
from signoff.evidence import Evidence
from signoff.ledger.entry import Event
from signoff.model import FINAL, Folder, PlanState, Status
from signoff.parts import Parts
from signoff.reconcile import Reconciler
from signoff.requests import Answer, Request, Requests, require_stopped
from signoff.servers.health import ServerHealth


class Errands:
    """Takes requests and answers them."""

    def __init__(
        self,
        parts: Parts,
        reconciler: Reconciler,
        requests: Requests,
        *,
        restart: Callable[[str], Awaitable[None]],
        reload: Callable[[], Awaitable[str]],
        check: Callable[[str], Awaitable[ServerHealth]],
    ) -> None:
        self._parts = parts
        self._reconciler = reconciler
        self._requests = requests
        self._restart = restart
        self._reload = reload
        self._check = check
        self._checking: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, str] = {}
        self.busy = False

    async def run(self) -> None:
        """Answer every request that waits, oldest first."""
        if self.busy:
            return
        self.busy = True
        try:
            for request in list(self._requests.waiting()):
                if isinstance(request, Path):
                    logger.warning("{} is no request; it was set aside.", request.name)
                    self._requests.drop(request)
                elif request.kind == "check":
                    self._aside(request)
                else:
                    await self._try(request)
        finally:
            self.busy = False

    def _aside(self, request: Request) -> None:
        """Answer a request that may take as long as a server does to start, while others are answered."""
        if request.name not in self._checking:
            task = asyncio.ensure_future(self._try(request))
            self._checking[request.name] = task
            task.add_done_callback(lambda _: self._checking.pop(request.name))

    async def _try(self, request: Request) -> None:
        """Answer a request; where that cannot be done now, it waits, and no other waits for it."""
        try:
            await self._answer(request)
        except (LedgerError, OSError) as error:
            if self._told.get(request.name) != str(error):
                self._told[request.name] = str(error)
                logger.error("A request to {} {} waits: {}", request.kind, request.plan, error)
        else:
            self._told.pop(request.name, None)

    async def _answer(self, request: Request) -> None:
        try:
            message = await self._carry_out(request)
            answer = Answer(ok=True, code="", message=message)
        except LedgerError:
            raise
        except SignoffError as error:
            answer = Answer(ok=False, code=error.code, message=str(error))
            if isinstance(error, GateRefused):
                await self._reconciler.deeds.record_refusal(request.plan, error.code, error.message, "")
        logger.info("{} by {}: {}", f"{request.kind} {request.plan}".strip(), request.by, answer.message)
        self._requests.answer(request, answer)

    async def _carry_out(self, request: Request) -> str:
        if request.kind == "restart":
            await self._restart(request.plan)
            self._reconciler.runs.try_again(request.plan)
            return f"The server {request.plan} is being restarted."
        if request.kind == "check":
            return (await self._check(request.plan)).status
        if request.kind == "reload":
            return await self._reload()
        if request.kind == "unlock":
            await self._parts.ledger.append([Event("codes-unlocked", data={"by": request.by})])
            return "One-time codes are taken again."
        plan = await self._plan(request.plan)
        deeds: dict[str, Callable[[PlanState, Request], Awaitable[str]]] = {
            "approve": self._approve,
            "reject": self._end,
            "cancel": self._end,
            "resolve": self._resolve,
            "retry": self._retry,
            "answer": self._answer_question,
        }
        return await deeds[request.kind](plan, request)

    async def _plan(self, plan_id: str) -> PlanState:
        state = self._parts.state
        if plan_id in state.ended:
            await self._reconciler.deeds.bring_back(plan_id)
        plan = state.plans.get(plan_id)
        if plan is None:
            raise RequestRefused(f"There is no plan `{plan_id}`.", code="unknown-plan")
        return plan

    async def _approve(self, plan: PlanState, request: Request) -> str:
        async with self._reconciler.lock(plan.id):
            _require_after(request, plan.shown, "the plan was shown anew after it")
            deeds = self._reconciler.deeds
            if request.signed:
                claim = await deeds.approve(plan.id, await deeds.witness.of_signature(plan, request.signed))
            else:
                claim = await deeds.approve(plan.id, Evidence(), by=request.by)
        return f"Approved by {claim.approver} ({claim.method.value})."

    async def _end(self, plan: PlanState, request: Request) -> str:
        if plan.status in FINAL:
            raise RequestRefused(f"The plan is {plan.status.value} already.", code="consumed")
        status = Status.REJECTED if request.kind == "reject" else Status.CANCELLED
        said = f"{status.value.capitalize()} by {request.by}"
        message = f"{said}: {request.reason}" if request.reason else f"{said}."
        async with self._reconciler.lock(plan.id):
            await self._reconciler.deeds.end(plan.id, status, "refused-by-command", message, by=request.by)
        return message

    async def _resolve(self, plan: PlanState, request: Request) -> str:
        async with self._reconciler.lock(plan.id):
            known = plan.steps.get(request.step)
            last = known.attempts[-1].started if known and known.attempts else None
            _require_after(request, last, "the step was called again after it")
            await self._reconciler.deeds.resolve(
                plan.id, request.step, request.answer, via="command", by=request.by
            )
        return f"Recorded that step {request.step} {request.answer.replace('-', ' ')}."

    async def _answer_question(self, plan: PlanState, request: Request) -> str:
        """Tell a server what it asked; see `signoff.answering`."""
        deeds = self._reconciler.deeds
        number, said = _said(request)
        async with self._reconciler.lock(plan.id):
            asked = deeds.answering.find(plan, number)
            evidence = Evidence()
            if request.code:
                evidence = await deeds.witness.of_typed_code(plan, request.code)
            elif request.signed:
                evidence = await deeds.witness.of_signature(plan, request.signed, answer_about(number, said))
            await deeds.answering.answer(plan.id, asked, said, evidence, evidence.approver or request.by)
        self._reconciler.writeback.soon(plan.id)
        return "Declined." if said.action == "decline" else "Answered; the call goes on."

    async def _retry(self, plan: PlanState, _: Request) -> str:
        """Show a failed, rejected or expired plan for approval again: its note goes to the inbox."""
        require_stopped(plan)
        if self._parts.vault.stamp(self._path_of(plan)) is None:
            raise RequestRefused(
                f"The note of this plan is not at {self._path_of(plan)} any more.", code="note-gone"
            )
        if not await self._is_in_place(plan):
            raise RequestRefused(
                "Somebody is editing the note of this plan just now. Try again in a moment.",
                code="note-changed",
            )
        async with self._reconciler.lock(plan.id):
            path = self._path_of(plan)
            if self._parts.vault.kind_of(path) is not Folder.INBOX:
                moved = self._parts.vault.move(path, Folder.INBOX)
                self._reconciler.presence.forget(path)
                self._reconciler.look_anew(moved)
        return "Its note is in the inbox; it is checked there and shown for approval again."

    def _path_of(self, plan: PlanState) -> str:
        return self._reconciler.presence.paths.get(plan.id, plan.path)

    async def _is_in_place(self, plan: PlanState) -> bool:
        """Does the note lie where its plan's end has put it? Until then, where it lies says nothing new."""
        for _ in range(40):
            async with self._reconciler.lock(plan.id):
                if await self._reconciler.writeback.project(plan.id) or plan.id in self._parts.state.ended:
                    return True
            await asyncio.sleep(0.1)  # somebody has just saved the note: it is left alone for a second
        return False


def _said(request: Request) -> tuple[int, Said]:
    """The question and the answer of a request.

    Raises:
        RequestRefused: it holds none.
    """
    try:
        found = orjson.loads(request.answer)
        typed = {str(name): str(text) for name, text in found["typed"].items()}
        number, action = int(found["question"]), str(found["action"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RequestRefused("The request holds no answer.", code="answer-unfit") from error
    if action not in {"accept", "decline"}:
        raise RequestRefused("An answer is given or declined.", code="answer-unfit")
    return number, Said(action, typed, "command")


def _require_after(request: Request, moment: str | None, what: str) -> None:
    """A request is about what its person saw: it counts for nothing that came later.

    So a request that is found a second time, because the daemon was killed before it was taken away,
    approves no other content and answers no other question.

    Raises:
        RequestRefused: `out-of-date`.
    """
    if moment is not None and request.left_at < datetime.fromisoformat(moment):
        raise RequestRefused(
            f"The request is out of date: {what}.",
            code="out-of-date",
            hint="Look at the plan, and decide again.",
        )
