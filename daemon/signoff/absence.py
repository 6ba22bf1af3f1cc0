"""Servers that are away, and the plans that wait for them.

A call that was never sent, whose retries are used up, waits as long as its approval holds: nothing is
recorded while it does, unless what is wrong becomes something else. It goes on when one of its servers is
there again. A server that is not configured any more, or that a person disabled, is not waited for: its
calls are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from signoff.flow import SERVER_AWAY, calls_of, waits_for_server
from signoff.ledger.entry import Event
from signoff.model import LIVE, JsonObject, PlanState, Status, StepStatus
from signoff.parts import Parts
from signoff.presence import Presence

_THERE = frozenset({"available", "degraded"})
_FINAL = frozenset({"disabled", "missing-variable", "authentication"})
"""Reasons for which a call is refused at once, and not put off: the person is told by its failure."""


@dataclass(frozen=True, slots=True)
class Absence:
    """What is known of servers that are away, and who waits for them."""

    parts: Parts
    presence: Presence

    def away(self, server: str) -> str:
        """Empty where a call to this server would get an answer now, else what is wrong, in plain words."""
        health = self.parts.servers.health_of(server)
        if health is None or health.status in _THERE or health.reason in _FINAL:
            return ""
        return (
            f"The server `{server}` is not available: {_clause(health.message or 'it is being connected')}."
        )

    def tried_until(self, state: PlanState) -> datetime:
        """Until when unsent calls are tried; where no approval is needed, as long as one would hold."""
        if state.approvals or state.started is None:
            return state.approvals_end
        return datetime.fromisoformat(state.started) + timedelta(seconds=self.parts.settings.approval.ttl)

    def waiting(self) -> list[PlanState]:
        """The live plans of which a call waits for a server."""
        return [
            state
            for state in self.parts.state.plans.values()
            if state.status in LIVE and any(map(waits_for_server, state.steps.values()))
        ]

    def until(self, state: PlanState) -> datetime | None:
        """Until when a plan waits for nothing but servers that are away; None where it does not."""
        if not _only_waits(state):
            return None
        end = self.tried_until(state)
        if end <= self.presence.now() or not all(said for _, said in self._said(state)):
            return None
        return end

    def is_over(self, state: PlanState) -> bool:
        """Does a plan wait for nothing but servers, of which one is there?"""
        return state.status in LIVE and _only_waits(state) and not all(said for _, said in self._said(state))

    def news(self, state: PlanState) -> list[Event]:
        """What is wrong now with the servers that a plan waits for, where that was not said yet."""
        events: list[Event] = []
        for name, words in self._said(state):
            if words and words != state.steps[name].message:
                data: JsonObject = {"reason": SERVER_AWAY, "message": words}
                stands: JsonObject = {**data, "status": StepStatus.WAITING.value}
                events.append(Event("step", plan=state.id, step=name, digest=state.digest, data=stands))
                if _only_waits(state):
                    events.append(Event("waiting", plan=state.id, digest=state.digest, data=data))
        return events

    def _said(self, state: PlanState) -> Iterator[tuple[str, str]]:
        """The calls that wait for a server, with what is wrong; empty where one of theirs is there."""
        frozen = self.presence.frozen(state.digest)
        for step in state.steps.values():
            if frozen is not None and waits_for_server(step):
                said = [self.away(call.server) for call in calls_of(frozen, step.id)]
                yield step.id, " ".join(dict.fromkeys(said)) if all(said) else ""


def _only_waits(state: PlanState) -> bool:
    return state.status is Status.WAITING and state.until is None and state.reason == SERVER_AWAY


def _clause(message: str) -> str:
    return f"{message[:1].lower()}{message[1:]}".rstrip(".")
