"""Looking at evidence: what a note or a command brings, judged against secrets, keys and what was used.

A one-time code is used up the moment it is recognised, whatever becomes of the plan it stood in: it lay
open in a note. The same bytes are judged once, so that looking twice is not guessing twice.
"""

from __future__ import annotations

import asyncio

from loguru import logger
from tzlocal import get_localzone

from signoff import signatures
from signoff.errors import SignoffError
from signoff.evidence import Evidence, invalid, read_code, read_signed, split_signed
from signoff.gesture import NoteFacts
from signoff.ledger.entry import Event
from signoff.model import JsonObject, Method, PlanState
from signoff.parts import Parts
from signoff.presence import Presence


class Witness:
    """Judges evidence."""

    def __init__(self, parts: Parts, presence: Presence) -> None:
        self._parts = parts
        self._presence = presence
        self._judged: dict[str, str] = {}

    async def of_note(self, plan: PlanState, note: NoteFacts) -> Evidence | None:
        """What the note's approval rests on; None where these very bytes have been judged already."""
        if note.gesture.approval_code is None and note.signed is None:
            return Evidence()
        if self._judged.get(plan.id) == note.sha256:
            return None
        self._judged[plan.id] = note.sha256
        if note.gesture.approval_code is not None:
            return await self._of_code(plan, note.gesture.approval_code)
        found = await self.of_signature(plan, note.signed or "")
        stale = found.problem is not None and found.problem[0] == "evidence-replayed"
        return Evidence() if stale else found

    async def of_typed_code(self, plan: PlanState, typed: str) -> Evidence:
        """What a one-time code comes to that was typed beside an answer."""
        return await self._of_code(plan, typed)

    async def _of_code(self, plan: PlanState, typed: str) -> Evidence:
        codes = self._parts.state.codes
        found = read_code(
            typed,
            self._parts.rules.roster.code_secrets(),
            now=self._presence.now().astimezone(get_localzone()),
            window=self._parts.settings.approval.code_window,
            codes=codes,
        )
        if found.problem is None:
            used = Event("code-used", plan=plan.id, approver=found.approver, data=dict(found.detail))
            await self._parts.ledger.append([used])
        elif found.problem[0] == "code-locked":
            logger.error(
                "One-time codes are locked after {} wrong ones. If nobody of you typed them, somebody is "
                "guessing. `signoff approvers unlock` takes codes again.",
                len(codes.wrong),
            )
        return found

    async def of_signature(self, plan: PlanState, pasted: str, about: JsonObject | None = None) -> Evidence:
        """What a statement and its signature, one after the other, come to; `about` what an answer is."""
        parts = split_signed(pasted)
        if parts is None:
            return invalid(
                Method.SIGNATURE,
                "evidence-invalid",
                "This is not a statement with its SSH signature below it.",
            )
        signed, armour = parts
        try:
            signer = await asyncio.to_thread(
                signatures.verify, signed, armour, self._parts.rules.roster.allowed_signers
            )
        except SignoffError as error:
            return invalid(Method.SIGNATURE, error.code, str(error))
        found = read_signed(
            signed,
            approver=signer.name,
            plan=plan.id,
            digest=plan.digest,
            now=self._presence.now().astimezone(get_localzone()),
            nonces=self._parts.state.nonces,
            about=about,
        )
        if found.problem is not None:
            return found
        return Evidence(
            found.method, found.approver, {**found.detail, "signature": armour}, expires=found.expires
        )
