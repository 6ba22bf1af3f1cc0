"""The loop's body: look at a note, decide, carry it out. Events are hints; what is on disk counts.

A hint names a path. It is looked at after it has settled, under a lock of its plan; what follows is
`signoff.decide`'s to say, and carried out here in a few calls each. Looking twice at the same note
changes nothing, so a hint may come too often or too late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from loguru import logger

from signoff import observe
from signoff.decide import Known, decide
from signoff.deeds import COPY_CODES, Deeds
from signoff.errors import LedgerError, NoteError, SignoffError, UnsafeFile
from signoff.ledger.entry import Entry
from signoff.ledger.frozen import NOTE_DELETED
from signoff.model import LIVE, PlanState, Status
from signoff.note.splice import section_of
from signoff.parts import Parts
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.writeback import FOLDER_OF, WriteBack

SERVER_CODES = frozenset(
    {
        "server-unavailable",
        "unknown-server",
        "unknown-tool",
        "unknown-action",
        "schema-broken",
        "argument-missing",
        "argument-invalid",
        "argument-unknown",
    }
)
"""Questions that a server's coming or changing may answer."""


LOOKS = 1024
"""Notes looked at at the same time; each costs a few reads and a timer."""
MOVED_WITHIN = 1.0
"""Seconds in which a note that is gone from one place is expected at another."""
DELETED_AFTER = 60.0
"""Seconds in which a note that waits for approval may come back: sync tools move in two steps."""
DELETED = "Its note was deleted while it waited for approval."
UNREADABLE_AGAIN = 10.0
"""Seconds after which a file that may not be read is tried again: permissions change without a trace."""


class Reconciler:
    """Takes hints, looks at notes, and has done what is decided about them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.presence = Presence(parts)
        self.writeback = WriteBack(parts, self.presence, self.hint, self.lock)
        self.runs = Runs(parts, self.presence, self.writeback.soon, self.consider_plan)
        self.deeds = Deeds(parts, self.presence, self.writeback, self.runs, self)
        self.writeback.on_shown = self._shown
        self._locks: dict[str, asyncio.Lock] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._deleted: dict[str, asyncio.TimerHandle] = {}
        self._refused: set[str] = set()
        self._at_once = asyncio.Semaphore(LOOKS)
        self.closing = False

    # ------------------------------------------------------------ hints

    def hint(self, path: str, *, after: float = 0.0) -> None:
        """Something may have changed at this path; look at it soon."""
        if self.closing or self._parts.vault.kind_of(path) is None:
            return
        if after > 0:
            self._set_timer(path, after)
            return
        if path in self._looking:
            self._again.add(path)
            return
        if self.writeback.in_hand(path):
            return  # our own write, or looked at as soon as that is done
        stamp = self._parts.vault.stamp(path)
        if stamp is not None and self.presence.stamps.get(path) == stamp:
            return  # our own write, or already taken into account
        if stamp is None and self._is_unknown(path):
            return  # gone, and nothing is known of it
        self._look(path)

    def _carry(self, path: str, plan_id: str) -> None:
        """Remember where a plan's note is; where there was none, those that wait for the plan may say so."""
        lost = plan_id not in self.presence.paths
        self.presence.carry(path, plan_id)
        if lost:
            self.runs.look_at_dependents(plan_id)
            if plan_id in self._deleted:
                self._deleted.pop(plan_id).cancel()

    def _is_unknown(self, path: str) -> bool:
        known = (self.presence.ids, self.presence.stamps, self.deeds.asked, self._refused)
        return not any(path in each for each in known)

    def _set_timer(self, path: str, after: float) -> None:
        """Look at a note in so many seconds, or sooner where that was planned already."""
        loop = asyncio.get_running_loop()
        planned = self._timers.get(path)
        if planned is not None:
            if planned.when() <= loop.time() + after:
                return
            planned.cancel()
        self._timers[path] = loop.call_later(after, self._timed, path)

    def look_anew(self, path: str) -> None:
        """Look at a note even if it has not changed: the servers or the ledger have."""
        self.presence.stamps.pop(path, None)
        self.hint(path)

    def _timed(self, path: str) -> None:
        self._timers.pop(path, None)
        self.look_anew(path)

    def _look(self, path: str) -> None:
        """Look at a note in a task of its own."""
        task = asyncio.ensure_future(self._consider_safely(path))
        self._looking[path] = task
        task.add_done_callback(lambda _: self._looked(path))

    def _looked(self, path: str) -> None:
        self._looking.pop(path, None)
        if path in self._again:
            self._again.discard(path)
            self.hint(path)

    @property
    def busy(self) -> bool:
        """Is any note being looked at or waiting to be?"""
        return bool(self._looking or self._timers)

    async def quiesce(self) -> None:
        """Wait until no note is being looked at."""
        while self._looking:
            await asyncio.wait(list(self._looking.values()))

    async def _consider_safely(self, path: str) -> None:
        try:
            async with self._at_once:
                await self.consider(path)
        except LedgerError as error:
            logger.error("{}: nothing was done, because it could not be recorded. {}", path, error)
            self.hint_later(path)
        except (OSError, SignoffError) as error:
            logger.warning("{}: {}", path, error)
            self.hint_later(path)
        except Exception as error:  # noqa: BLE001  a defect met in one note must not silence that note
            logger.error("{}: a defect of Signoff stood in the way ({!r}).", path, error)
            self.hint_later(path)

    def hint_later(self, path: str) -> None:
        """Look again in a few seconds: what stood in the way may be gone then."""
        self.hint(path, after=5.0)

    # ------------------------------------------------------------ looking

    async def consider(self, path: str) -> None:
        """Look at a note once it rests, and carry out what follows."""
        folder = self._parts.vault.kind_of(path)
        if folder is None:
            return
        try:
            found = await self.presence.settled(path)
        except UnsafeFile as error:
            await self._refuse_file(path, error)
            return
        if found is None:
            self._gone(path)
            return
        data, stamp = found
        reading = self.presence.reading(path, data)
        plan_id = self._plan_of(reading)
        if path not in self.presence.stamps and plan_id is not None and self._is_whole(reading, plan_id):
            self.presence.stamps[path] = stamp
            return
        async with self.lock(plan_id or path):
            if self._parts.vault.stamp(path) != stamp:
                self._again.add(path)  # it was written to while this waited for its turn
                return
            # Only now: until it is decided what this save means, nothing of ours is written over it.
            self.presence.stamps[path] = stamp
            servers = self.presence.views_version
            sight = self.presence.bind(reading, folder, plan_id)
            known = self._known(plan_id, path)
            former = self.presence.ids.get(path)
            decision = decide(sight.seen, known)
            self._refused.discard(path)
            if plan_id is not None and known.status is not None and _is_own_note(sight, known):
                self._carry(path, plan_id)
            await self.deeds.carry_out(decision, sight, plan_id)
            if former is not None and self.presence.is_lost(former):
                self._lost(former)  # its note is that of another plan now
        if servers != self.presence.views_version:
            self._ask_servers_again(path)

    def _ask_servers_again(self, path: str) -> None:
        """The servers changed while a note was considered: what was asked of it may be answered by now."""
        error = self.deeds.asked.get(path)
        if error is not None and error.code in SERVER_CODES:
            self.hint(path, after=0.01)

    def _shown(self, plan_id: str) -> None:
        task = asyncio.ensure_future(self._after_showing(plan_id))
        self._looking[f"shown:{plan_id}"] = task
        task.add_done_callback(lambda _: self._looking.pop(f"shown:{plan_id}", None))

    async def _after_showing(self, plan_id: str) -> None:
        async with self.lock(plan_id):
            await self.deeds.approve_if_automatic(plan_id)

    async def consider_plan(self, plan_id: str) -> None:
        """Look at the note of a plan again, whether it changed or not."""
        state = self._parts.state.plans.get(plan_id)
        path = self.presence.paths.get(plan_id, state.path if state else "")
        if path:
            self.look_anew(path)

    def heard(self, entry: Entry) -> None:
        """What was recorded of one plan may be what others wait for, or what a question was about."""
        if self.closing:
            return
        self.runs.heard(entry)
        if entry.event in {"frozen", "finished"}:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._ask_again, lambda error: error.code == "depends-cycle")

    def _ask_again(self, concerned: Callable[[NoteError], bool]) -> None:
        """Look again at open questions that may have answered themselves."""
        for path, error in list(self.deeds.asked.items()):
            if concerned(error):
                self.look_anew(path)

    def lock(self, name: str) -> asyncio.Lock:
        """The lock of a plan, or of a path that carries none."""
        return self._locks.setdefault(name, asyncio.Lock())

    def _plan_of(self, reading: observe.Reading) -> str | None:
        """The plan a note belongs to: by its id, else by the place where it was last seen.

        The second is for a note that cannot be read, whose id was deleted, or whose id was never
        written because the daemon was killed just before.
        """
        if reading.id is not None:
            return reading.id
        return self.presence.ids.get(reading.path)

    def _is_whole(self, reading: observe.Reading, plan_id: str) -> bool:
        """Does an archived note that nothing is remembered of still say what it was left saying?

        Where what was remembered is lost, folding the history of each of perhaps a hundred thousand
        ended plans would take hours; a note whose daemon's part is there and fits is left as it is.
        """
        ended = self._parts.state.ended.get(plan_id)
        front = reading.note.front if reading.note else None
        return (
            ended is not None
            and front is not None
            and reading.path == ended.path
            and self._parts.vault.kind_of(reading.path) is FOLDER_OF[ended.status]
            and reading.gesture.status == ended.status.value
            and front.values.get("digest") == ended.digest
            and section_of(reading.data) is not None
        )

    def _known(self, plan_id: str | None, path: str) -> Known:
        state = self._parts.state
        if plan_id is None or state.status(plan_id) is None:
            return Known()
        recorded = state.path(plan_id)
        last = self.presence.paths.get(plan_id) or recorded
        return Known(
            status=state.status(plan_id),
            plan=state.plans.get(plan_id),
            path=recorded,
            home=self._parts.vault.kind_of(recorded) if recorded else None,
            original_elsewhere=last is not None and last != path and self._carries(last, plan_id),
            deleted=state.is_deleted(plan_id),
        )

    def _carries(self, path: str, plan_id: str) -> bool:
        """Does the note at this path carry this id (now, on disk)?"""
        try:
            data, _ = self._parts.vault.read(path)
        except (UnsafeFile, OSError):
            return False
        found = self.presence.reading(path, data)
        return found.id == plan_id or (found.problem is not None and self.presence.ids.get(path) == plan_id)

    def _gone(self, path: str) -> None:
        """A note is gone. Where its plan is live, deleting is withdrawing; but it may just have moved."""
        self.deeds.asked.pop(path, None)
        self._refused.discard(path)
        plan_id = self.presence.forget(path)
        if plan_id is not None:
            self._look_at_copies()
            self._lost(plan_id)

    def _lost(self, plan_id: str) -> None:
        """A plan has no note; one that has none in a moment either has lost it for good."""
        if plan_id not in self._timers:
            later = asyncio.get_running_loop().call_later(MOVED_WITHIN, self._still_gone, plan_id)
            self._timers[plan_id] = later

    def _look_at_copies(self) -> None:
        """A note is gone: what was a copy of it may be the note itself, moved by a sync tool."""
        self._ask_again(lambda error: error.code in COPY_CODES)

    def _still_gone(self, plan_id: str) -> None:
        self._timers.pop(plan_id, None)
        if self.presence.is_lost(plan_id) and not self.closing:
            self.runs.inquiries.drop(plan_id)
            self.runs.start(plan_id, asleep=False)  # the gate sees that there is no note
            self.runs.look_at_dependents(plan_id)
            if self._parts.state.status(plan_id) is Status.PENDING and plan_id not in self._deleted:
                later = asyncio.get_running_loop().call_later(DELETED_AFTER, self._stays_gone, plan_id)
                self._deleted[plan_id] = later

    def _stays_gone(self, plan_id: str) -> None:
        self._deleted.pop(plan_id, None)
        if not self.closing:
            asyncio.ensure_future(self._withdraw(plan_id))  # noqa: RUF006  what fails is met again at the next start

    async def withdraw_deleted(self) -> None:
        """Withdraw the plans that wait for approval and whose notes are gone, without waiting any longer."""
        for plan in list(self._parts.state.plans.values()):
            await self._withdraw(plan.id)

    async def _withdraw(self, plan_id: str) -> None:
        """To delete the note of a plan that waits for approval is to withdraw it, unless it comes back."""
        async with self.lock(plan_id):
            if self._parts.state.status(plan_id) is Status.PENDING and self.presence.is_lost(plan_id):
                with contextlib.suppress(LedgerError):
                    await self.deeds.end(plan_id, Status.CANCELLED, NOTE_DELETED, DELETED)

    async def _refuse_file(self, path: str, error: UnsafeFile) -> None:
        """Say once that this is no file to be read; look again later where that may change by itself."""
        stamp = self._parts.vault.stamp(path)
        if error.code == "note-unreadable":
            self.hint(path, after=UNREADABLE_AGAIN)
        elif stamp is not None:
            self.presence.stamps[path] = stamp
        if path in self._refused or self._parts.vault.is_folder(path):
            return
        self._refused.add(path)
        logger.warning("{}: {}", path, error)
        await self.deeds.record_refusal(None, error.code, error.message, path)

    def servers_changed(self) -> None:
        """What servers offer has changed: look again at open questions, and at previews it makes untrue."""
        self.presence.views_version += 1
        self._ask_again(lambda error: error.code in SERVER_CODES)
        for plan in self._parts.state.plans.values():
            if plan.status is Status.PENDING and plan.presented and self._is_outdated(plan):
                self.look_anew(self.presence.paths.get(plan.id, plan.path))

    def rules_changed(self) -> None:
        """The catalogue or the policy is another: look again at whatever they were asked about."""
        self.presence.rules_changed()
        for path in list(self.deeds.asked):
            self.look_anew(path)
        for plan in list(self._parts.state.plans.values()):
            if plan.status is Status.PENDING:
                self.look_anew(self.presence.paths.get(plan.id, plan.path))
            elif plan.status in LIVE:
                self.runs.start(plan.id)
            self.writeback.soon(plan.id)

    def _is_outdated(self, plan: PlanState) -> bool:
        """Does a server that is there now offer something else than what the preview shows?"""
        frozen = self.presence.frozen(plan.digest)
        views = self.presence.views()
        for name, pin in frozen.pins.items() if frozen else ():
            server, _, tool = name.partition(".")
            view = views.get(server)
            if view is None or view.tools is None or view.cached:
                continue
            found = view.tools.get(tool)
            if view.launch != pin["launch"] or found is None or found.definition() != pin["definition"]:
                return True
        return False


def _is_own_note(sight: observe.Sight, known: Known) -> bool:
    """Is this the plan's own note, not a copy of it?"""
    return not known.original_elsewhere and not sight.seen.conflict_copy
