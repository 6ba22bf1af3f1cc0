"""The ledger's truth into the notes: a projection, so that whatever is deleted comes back.

Each plan's note is brought to what the ledger says of it: the daemon's keys, the ticks of its steps, the
daemon's section, and the folder it belongs in. Only those bytes change, and only if nobody saved the note
within the last second; if somebody changes it while it is being written, it is read again and redone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from typing import cast

import orjson
from loguru import logger
from tzlocal import get_localzone

from signoff import observe
from signoff.config import Folders
from signoff.durable import Stamp
from signoff.errors import LedgerError, NoteChanged, NoteError, SignoffError, UnsafeFile
from signoff.flow import origin_id
from signoff.form import FormRefused
from signoff.ledger.entry import Event
from signoff.model import FINAL, LIVE, Folder, Json, JsonObject, PlanState, Status
from signoff.note.splice import CannotSplice, section_items, section_of, set_keys, set_section, set_ticks
from signoff.occurrences import first_begin, not_before
from signoff.parts import Parts
from signoff.plan.changes import Change, differences
from signoff.presence import Presence
from signoff.redact import secret_values
from signoff.say.final import finals_of
from signoff.say.form import carried_over, opened, rows_of
from signoff.say.questions import question_keys, question_section, where_it_stands
from signoff.say.section import front_keys, section
from signoff.say.view import OpenQuestion, PlanView

PACE = 0.25
"""Seconds between two writes to the note of a running plan."""
SLOWEST = 0.8
"""Seconds until progress is in the note however many plans run: a second is promised."""
A_WRITE = 0.007
"""Seconds of pace for each note that waits to be written; about what a write costs."""
A_STEP = 0.001
"""Seconds of pace for each step of a plan: a long note takes long to write, and to read again."""
AFTER_AN_EDIT = 0.3
"""Seconds until a note is written to that was edited meanwhile: what the edit means is known by then."""
DEFECT_AGAIN = 60.0
"""Seconds until a note is written to again that could not be by a defect of ours."""
LONG = 20
"""Steps; a longer note is read once more when it is shown, so that its approval need not wait for that."""
TRIES = 10
AT_ONCE = 16
"""Notes that are written at the same time. Where more wait, a plan may end meanwhile: one write less."""
SMALL, MOST_SMALL = 4096, 8192
"""Bytes of a result that is kept at hand while its plan runs, and how many are."""

FOLDER_OF: Mapping[Status, Folder] = {
    Status.PENDING: Folder.PENDING,
    Status.APPROVED: Folder.APPROVED,
    Status.SCHEDULED: Folder.APPROVED,
    Status.RUNNING: Folder.APPROVED,
    Status.WAITING: Folder.APPROVED,
    Status.DONE: Folder.DONE,
    Status.FAILED: Folder.FAILED,
    Status.UNKNOWN: Folder.FAILED,
    Status.REJECTED: Folder.REJECTED,
    Status.CANCELLED: Folder.REJECTED,
    Status.EXPIRED: Folder.REJECTED,
}
"""Where the note of a plan belongs."""


def projected(
    reading: observe.Reading, plan_id: str, view: PlanView, previous: str | None, told: str | None = None
) -> bytes:
    """The note as the ledger would have it; `told` is the section, where it is known already. Pure.

    Raises:
        CannotSplice: where its front matter is too broken to write a key into.
    """
    keys: dict[str, Json] = dict(front_keys(view))
    if reading.id is None:
        keys = {"id": plan_id, **keys}
    if reading.gesture.approval_code is not None:
        keys["approval_code"] = None  # read once, then nowhere
    if view.state.status is Status.PENDING and reading.gesture.ticked:
        keys["approved"] = False  # a tick given before this preview approves nothing
    data = set_ticks(reading.data, _marks(reading, view.state))
    return set_section(set_keys(data, keys), section(view) if told is None else told, previous=previous)


def questioned(
    data: bytes, error: SignoffError, previous: str | None = None, *, begun: bool = False
) -> bytes:
    """The note with a question or refusal written into it, nothing else changed. Pure.

    Args:
        data, error: the note, and what to write.
        previous: what stood in the section by the daemon's hand; None where that is not known.
        begun: it is the note of a plan of which something was called already.
    """
    with contextlib.suppress(CannotSplice):  # broken front matter is not touched: the section says why
        keyed = set_keys(data, question_keys(error))
        moved = where_it_stands(error, data, keyed)
        error, data = moved, set_keys(data, question_keys(moved))
    told = question_section(error, begun=begun)
    return set_section(data, told, previous=None if previous is None else f"{previous}\n{told}")


def _marks(reading: observe.Reading, state: PlanState) -> dict[int, str]:
    """Each step's own checkbox: ticked when it is done."""
    marks: dict[int, str] = {}
    for step in reading.plan.steps if reading.plan else ():
        known = state.steps.get(step.id)
        if step.checkbox is not None and known is not None:
            marks[step.checkbox] = "x" if state.is_done(known) else " "
    return marks


class WriteBack:
    """Writes what is true into the notes, paced and coalesced.

    Attributes:
        on_shown: called with a plan's id when its preview is in its note for the first time.
    """

    def __init__(
        self,
        parts: Parts,
        presence: Presence,
        look_again: Callable[[str], None],
        lock: Callable[[str], asyncio.Lock],
    ) -> None:
        """Take the parts.

        Args:
            parts, presence: of the daemon.
            look_again: called with a path that somebody may have written to.
            lock: of a plan; held while what its note says is being decided upon, so that nothing is
                written over a gesture that was read and is not recorded yet.
        """
        self._parts = parts
        self._presence = presence
        self._look_again = look_again
        self.on_shown: Callable[[str], None] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._lock = lock
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[bool]] = set()
        self._written_at: dict[str, float] = {}
        self._in_hand: set[str] = set()
        self._queued: set[str] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._small: dict[str, Json] = {}

    # ------------------------------------------------------------ when

    def soon(self, plan_id: str) -> None:
        """Write the note of a plan at the next fitting moment; many calls make one write.

        What a running plan has come to is told in steps: a plan that ends sooner is written once.
        """
        if plan_id in self._queued:
            return  # when its turn comes, what is true then is written
        live = self._parts.state.status(plan_id) in LIVE
        planned = self._later.get(plan_id)
        if planned is not None and live:
            return
        loop = asyncio.get_running_loop()
        since = time.monotonic() - self._written_at.get(plan_id, 0.0)
        when = loop.time() + (self._pace(plan_id) if live else max(0.0, PACE - since))
        if planned is not None:
            if planned.when() <= when:
                return
            planned.cancel()
        self._later[plan_id] = loop.call_at(when, self._start, plan_id)

    def _pace(self, plan_id: str) -> float:
        """Seconds until the progress of a plan is told: longer for a long one, or where many tell theirs."""
        plan = self._parts.state.plans.get(plan_id)
        writes = A_WRITE * (len(self._later) + len(self._tasks))
        return min(SLOWEST, max(PACE, writes, A_STEP * len(plan.steps) if plan else 0.0))

    def in_hand(self, path: str) -> bool:
        """Is the daemon itself just writing or moving this note? It is looked at right afterwards."""
        return path in self._in_hand

    @contextlib.contextmanager
    def _taken(self, *paths: str) -> Iterator[None]:
        """While the daemon writes to these paths, the events that this causes wake nobody."""
        self._in_hand.update(paths)
        try:
            yield
        finally:
            self._in_hand.difference_update(paths)
            for path in paths:
                self._look_again(path)  # nothing happens unless somebody else wrote to it meanwhile

    def _start(self, plan_id: str) -> None:
        self._later.pop(plan_id, None)
        if plan_id in self._queued:
            return
        self._queued.add(plan_id)
        task = asyncio.ensure_future(self._quietly(plan_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, plan_id: str) -> bool:
        async with self._turns, self._lock(plan_id):
            self._queued.discard(plan_id)
            try:
                return await self.project(plan_id)
            except (OSError, SignoffError) as error:
                logger.warning("The note of plan {} was not written: {}", plan_id, error)
                self._retry_later(plan_id)
                return False
            except Exception as defect:  # noqa: BLE001  one that is met in a note must not silence it for good
                logger.opt(exception=defect).error("The note of plan {} was not written.", plan_id)
                self._retry_later(plan_id, DEFECT_AGAIN)
                return False

    def _retry_later(self, plan_id: str, seconds: float = 2.0) -> None:
        if plan_id not in self._later:
            self._later[plan_id] = asyncio.get_running_loop().call_later(seconds, self._start, plan_id)

    @property
    def busy(self) -> bool:
        """Is a write planned or under way?"""
        return bool(self._later or self._tasks)

    async def finish(self) -> None:
        """Write everything that is planned, now, as far as the quiet second allows."""
        for plan_id in list(self._later):
            self._later.pop(plan_id).cancel()
            self._start(plan_id)
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for handle in self._later.values():
            handle.cancel()
        self._later.clear()

    # ------------------------------------------------------------ a plan's note

    async def project(self, plan_id: str) -> bool:
        """Bring a plan's note to what the ledger says; True where it now says so.

        A note saved within the last second is written later (False). Where it is gone, nothing is
        done (False): it is written when it comes back.
        """
        async with self._locks.setdefault(plan_id, asyncio.Lock()):
            for _ in range(TRIES):
                try:
                    written = await self._project_once(plan_id)
                except (NoteChanged, FileNotFoundError):
                    await asyncio.sleep(self._parts.settings.vault.settle)
                    continue
                if written and plan_id not in self._parts.state.plans:
                    self._locks.pop(plan_id, None)
                return written
        self._retry_later(plan_id)
        return False

    async def _project_once(self, plan_id: str) -> bool:
        """One try; see `project`."""
        parts, presence = self._parts, self._presence
        state = parts.state.plans.get(plan_id)
        if state is None:
            return False
        path = presence.paths.get(plan_id, state.path)
        reading = self._readable(path, plan_id)
        if reading is None:
            return False
        status = state.status
        view = self.view(state, reading)
        told = section(view)
        new = self._project_bytes(reading, view, told)
        if new != reading.data:
            with self._taken(path):
                stamp = await asyncio.to_thread(self._write, plan_id, told, path, new, reading.data)
                presence.own_write(path, stamp, plan_id)
        else:
            presence.carry(path, plan_id)
        presence.said.done(plan_id, told)
        self._written_at[plan_id] = time.monotonic()
        events = await self._move(state, path, FOLDER_OF[status])
        shown = status is Status.PENDING and not state.presented
        if shown:
            events.append(Event("presented", plan=plan_id, digest=view.state.digest))
        if events:
            await parts.ledger.append(events)
        if shown and len(state.steps) > LONG:
            self._presence.look_ahead(plan_id, new)
        if shown and self.on_shown is not None:
            self.on_shown(plan_id)
        if status is not state.status:
            self.soon(plan_id)
        elif status in FINAL:
            self._retire(plan_id)
        return True

    def _write(self, plan_id: str, told: str, path: str, new: bytes, old: bytes) -> Stamp:
        """Keep what is going to be said, then say it. Blocks."""
        self._presence.said.about_to(plan_id, told)
        return self._parts.vault.write(path, new, expect=old)

    def _readable(self, path: str, plan_id: str) -> observe.Reading | None:
        """The plan's note, if it may be written to now; else None, and it is tried again in time."""
        parts, presence = self._parts, self._presence
        wait = presence.quiet_in(path)
        if wait > 0:
            if plan_id not in self._later:
                loop = asyncio.get_running_loop()
                self._later[plan_id] = loop.call_later(wait + 0.01, self._start, plan_id)
            return None
        if parts.vault.stamp(path) is None:
            return None
        try:
            data, stamp = parts.vault.read(path)
        except UnsafeFile:
            return None
        if presence.stamps.get(path) != stamp:
            self._look_again(path)  # somebody edited it: a gesture in it must be seen before we write
            self._retry_later(plan_id, AFTER_AN_EDIT)
            return None
        reading = presence.reading(path, data)
        return None if reading.id is not None and reading.id != plan_id else reading

    def _project_bytes(self, reading: observe.Reading, view: PlanView, told: str) -> bytes:
        plan_id = view.state.id
        try:
            return projected(reading, plan_id, view, self._known_rows(view, told), told)
        except CannotSplice:
            if view.state.status is Status.PENDING:
                raise  # a gesture that stands in it could not be undone: it is not shown for approval
            return set_section(reading.data, told, previous=self._known_rows(view, told))

    async def _move(self, state: PlanState, path: str, folder: Folder) -> list[Event]:
        """Put the note where it belongs; what is to be recorded of it."""
        parts = self._parts
        where = path
        if parts.vault.kind_of(path) is not folder:
            remember = self._presence.moving(path)
            target = parts.vault.target(path, folder)
            if parts.vault.stamp(target) is None:
                remember(target)
            where = await asyncio.to_thread(parts.vault.move, path, folder)
            remember(where)
            self._presence.carry(where, state.id)
            self._look_again(where)  # nothing happens unless somebody wrote to it meanwhile
        if where == state.path:
            return []
        return [Event("moved", plan=state.id, data={"from": state.path, "to": where})]

    def _retire(self, plan_id: str) -> None:
        self._parts.state.retire(plan_id)
        self._presence.retire(plan_id)
        self._written_at.pop(plan_id, None)

    def view(self, state: PlanState, reading: observe.Reading | None = None) -> PlanView:
        """What there is to say about a plan; with what is typed in its forms, where its note is given."""
        parts = self._parts
        frozen = self._presence.frozen(state.digest)
        assessment = self._presence.assessment(frozen) if frozen else None
        approved = {given.approver for given in state.approvals}
        needed = assessment.requirement.approvers if assessment else 1
        zone = get_localzone() or UTC
        return PlanView(
            state=state,
            frozen=frozen,
            assessment=assessment,
            results=self._results(state),
            changes=self._changes(state),
            missing=max(0, needed - len(approved)),
            candidates=[name for name in parts.rules.roster.approvers() if name not in approved],
            start=not_before(frozen, zone) if frozen else None,
            begins=first_begin(frozen, state.frozen, zone) if frozen else None,
            ttl=parts.settings.approval.ttl,
            zone=zone,
            folders=folder_names(parts.settings.vault.folders),
            redactor=parts.rules.redactor,
            finals=finals_of(state, parts.blobs.get),
            questions=(questions := self._questions(state)),
            typed=self._typed(state.id, reading) if questions and reading is not None else (),
        )

    def _typed(self, plan_id: str, reading: observe.Reading) -> list[str]:
        """What stands in the forms by a person's hand, and has not been read for good."""
        done = self._presence.said.read_for_good(plan_id)
        return [item for item in section_items(reading.data) if item not in done]

    def _questions(self, state: PlanState) -> list[OpenQuestion]:
        """What servers wait to be told, each with its form."""
        found = []
        for step in state.steps.values():
            for question in step.open_questions:
                kept = self._result(question.kept) if question.kept else None
                if isinstance(kept, dict):
                    with contextlib.suppress(FormRefused):  # what was kept was one when it was asked
                        found.append(self.worded(state.id, opened(step, question, kept)))
        return found

    def worded(self, plan_id: str, asked: OpenQuestion) -> OpenQuestion:
        """A question with all that its note may say: lines in other wordings, what a code would send."""
        rows = rows_of(asked, self._parts.rules.redactor)
        number, said = asked.question.number, self._presence.said
        return replace(
            asked, rows=said.wordings(plan_id, number, rows), offered=said.offered(plan_id, number)
        )

    def _known_rows(self, view: PlanView, told: str) -> str | None:
        """Every line of a section that is no remark: the daemon's, those carried on, and those read."""
        plan_id = view.state.id
        so_far = self._presence.said.so_far(plan_id)
        if so_far is None:
            return None
        read = [f"> {row}" for row in (*self._presence.said.read_for_good(plan_id), *carried_over(view))]
        return "\n".join([so_far, told, *read])

    def _results(self, state: PlanState) -> dict[str, JsonObject]:
        results: dict[str, JsonObject] = {}
        secrets = self._secrets_of(state)
        for step in state.steps.values():
            last = next((made for made in reversed(step.attempts) if made.result), None)
            if last is None or last.result is None:
                continue
            found = self._result(last.result)
            if found is None:
                continue
            hidden = secrets.get(origin_id(step.id))
            redactor = self._parts.rules.redactor.knowing(hidden) if hidden else self._parts.rules.redactor
            results[step.id] = cast("JsonObject", redactor.json(found))
        return results

    def _result(self, name: str) -> Json:
        """A kept result; None where it was deleted after its time: the summary in the log remains."""
        found = self._small.get(name)
        if found is None:
            try:
                data = self._parts.blobs.get(name)
                found = orjson.loads(data)
            except (LedgerError, orjson.JSONDecodeError):
                return None
            if len(data) <= SMALL:
                self._small[name] = found
                while len(self._small) > MOST_SMALL:
                    del self._small[next(iter(self._small))]
        return found

    def _secrets_of(self, state: PlanState) -> dict[str, list[str]]:
        """By step, its secret arguments, which its server may have repeated in its answer."""
        frozen = self._presence.frozen(state.digest)
        if frozen is None:
            return {}
        assessed = self._presence.assessment(frozen).steps
        secret = {entry.step: entry.secret for entry in assessed if entry.secret}
        return {
            step.id: [
                value for call in step.calls for value in secret_values(dict(call.arguments), secret[step.id])
            ]
            for step in frozen.steps
            if step.id in secret
        }

    def _changes(self, state: PlanState) -> list[Change]:
        if state.replaces is None or state.status is not Status.PENDING:
            return []
        old, new = self._presence.frozen(state.replaces), self._presence.frozen(state.digest)
        return differences(old.content, new.content) if old and new else []

    # ------------------------------------------------------------ a question in a note

    def recall(self, state: PlanState) -> None:
        """Know again what the note of a plan says that has ended for good."""
        self._presence.said.done(state.id, section(self.view(state)))

    async def ask(self, path: str, error: NoteError, plan_id: str | None = None) -> bool | None:
        """Write a question into a note; True where it was not there yet, None where it must wait.

        Args:
            path, error: which note, and what.
            plan_id: the plan that it is the note, or a copy of the note, of.
        """
        if self._presence.quiet_in(path) > 0:
            return None
        try:
            data, stamp = self._parts.vault.read(path)
        except (UnsafeFile, OSError):
            return False
        if self._presence.stamps.get(path) != stamp:
            return None  # it was changed since it was looked at: the question may be answered
        own = plan_id if plan_id is not None and self._presence.paths.get(plan_id) == path else None
        before, begun = (
            (self._presence.said.so_far(own), self._parts.state.has_begun(own)) if own else (None, False)
        )
        new = questioned(data, error, before, begun=begun)
        if new == data:
            return False
        told = section_of(new) or ""
        try:
            with self._taken(path):
                if own is not None:
                    self._presence.said.about_to(own, told)
                stamp = await asyncio.to_thread(self._parts.vault.write, path, new, expect=data)
                self._presence.own_write(path, stamp)
        except (NoteChanged, FileNotFoundError):
            return None
        if own is not None:
            self._presence.said.done(own, told)
        return True


def folder_names(folders: Folders) -> dict[Folder, str]:
    """The name of each folder that the daemon writes to."""
    return {
        Folder.INBOX: folders.inbox[0],
        Folder.PENDING: folders.pending[0],
        Folder.APPROVED: folders.approved[0],
        Folder.DONE: folders.done[0],
        Folder.FAILED: folders.failed[0],
        Folder.REJECTED: folders.rejected[0],
    }
