"""Where each plan's note is, and what it says now.

The memory here is a cache over the disk, rebuilt by any scan: which stamp each note had when it was last
taken into account (so that the daemon's own writes do not wake it), and which path carries which plan.
A note is believed only after two equal reads around a quiet time, because sync clients write in place
and a reader can meet an empty or half-written file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tzlocal import get_localzone

from signoff import observe
from signoff.approval import Facts
from signoff.dependencies import Dependency
from signoff.durable import Stamp
from signoff.errors import LedgerError, UnsafeFile
from signoff.evidence import Evidence
from signoff.gesture import NoteFacts
from signoff.model import (
    FINAL,
    Assessment,
    Call,
    Folder,
    FrozenPlan,
    FrozenStep,
    Requirement,
    ServerView,
    Status,
)
from signoff.parts import Parts
from signoff.places import Places
from signoff.plan.freeze import thaw
from signoff.policy import assess, limits_on
from signoff.said import Said

QUIET = 1.0
"""Seconds after a person's save during which the daemon does not write to the note."""
RACY = 0.2
"""Seconds: a note changed this shortly before it was read is read again, since a file's time is coarse."""
WRITER = 0.25
"""Seconds between two looks at a note that somebody has open for writing."""
LONGEST_WRITER = 30.0
"""Seconds after which a program that keeps a note open is no longer waited for."""
UNSETTLED = 20
"""Reads after which a note that never rests is left for the next event."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    stamp: Stamp
    views: int
    facts: NoteFacts


class Presence:
    """The daemon's picture of the notes on disk.

    Attributes:
        stamps: by path, the stamp of what was last taken into account.
        paths: by plan id, where its note was last seen.
        ids: by path, the plan id it carried.
        said: the daemon's sections as last written.
        views_version: counts changes of what servers offer.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.stamps: dict[str, Stamp] = {}
        self.paths: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.said = Said(Places(parts.settings).sections)
        self.views_version = 0
        self._own: dict[str, Stamp] = {}
        self._inodes: dict[str, int] = {}
        self._writers: dict[str, float] = {}
        self._first_seen: dict[str, tuple[Stamp, float]] = {}
        self._remembered: dict[str, _Remembered] = {}
        self._frozen: dict[str, FrozenPlan] = {}
        self._assessed: dict[str, Assessment] = {}
        self._limits: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._bound: dict[str, tuple[tuple[object, ...], observe.Sight]] = {}
        self._readings = observe.Readings(parts.rules.catalogue)

    # ------------------------------------------------------------ notes

    async def settled(self, path: str) -> tuple[bytes, Stamp] | None:
        """A note's bytes, after it was the same twice around the settle time; None where it is gone.

        Raises:
            UnsafeFile: for what is no regular file, or too large, or may not be read.
        """
        before: tuple[bytes, Stamp] | None = None
        for _ in range(UNSETTLED):
            try:
                now = self._parts.vault.read(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                raise UnsafeFile(
                    f"The note cannot be read: {error.strerror or error}.",
                    code="note-unreadable",
                    file=path,
                ) from error
            if before is not None and before == now:
                return now
            before = now
            await asyncio.sleep(self._parts.settings.vault.settle)
        return None

    def reading(self, path: str, data: bytes) -> observe.Reading:
        """A note as read, at little cost where the same bytes were read before."""
        return self._readings.read(path, data)

    def own_write(self, path: str, stamp: Stamp, plan_id: str | None = None) -> None:
        """Remember a note as the daemon itself left it; what was written to it since is somebody else's."""
        self.stamps[path] = self._own[path] = stamp
        if plan_id is not None:
            self.carry(path, plan_id)

    def moving(self, path: str) -> Callable[[str], None]:
        """Remembers a note, as it is at this path, under the place that the daemon moves it to.

        Said before the move where the place is known, so that the event of it wakes nobody; what is
        written to the note meanwhile has another stamp and does.
        """
        stamp, own = self.stamps.get(path), self._own.get(path)

        def remember(where: str) -> None:
            if stamp is not None:
                self.stamps[where] = stamp
            if own is not None:
                self._own[where] = own

        return remember

    def carry(self, path: str, plan_id: str) -> None:
        """Remember which plan a path carries."""
        stamp = self._parts.vault.stamp(path)
        if stamp is not None:
            self._inodes[plan_id] = stamp.inode
        old = self.paths.get(plan_id)
        if old is not None and old != path and self.ids.get(old) == plan_id:
            self.forget(old)
        former = self.ids.get(path)
        if former is not None and former != plan_id and self.paths.get(former) == path:
            del self.paths[former]
        self.paths[plan_id] = path
        self.ids[path] = plan_id

    def is_lost(self, plan_id: str) -> bool:
        """Is there no note of this plan, as far as is known?"""
        return plan_id not in self.paths

    def forget(self, path: str) -> str | None:
        """Drop what is remembered of a path that is gone; the plan it carried."""
        self.stamps.pop(path, None)
        self._own.pop(path, None)
        self._first_seen.pop(path, None)
        self._writers.pop(path, None)
        plan_id = self.ids.pop(path, None)
        if plan_id is not None and self.paths.get(plan_id) == path:
            del self.paths[plan_id]
            self._remembered.pop(plan_id, None)
            self._bound.pop(plan_id, None)
        return plan_id

    def retire(self, plan_id: str) -> None:
        """Forget the details of a plan that has ended for good."""
        self.said.forget(plan_id)
        self._inodes.pop(plan_id, None)
        self._remembered.pop(plan_id, None)
        self._bound.pop(plan_id, None)

    def quiet_in(self, path: str) -> float:
        """Seconds until the daemon may write to a note; 0 where it may now.

        A person's save less than a second ago is left alone, and so is a note that somebody still has open
        for writing. A time in the future (another machine's clock) is measured from when it was first
        seen here.
        """
        stamp = self._parts.vault.stamp(path)
        if stamp is None:
            return 0.0
        wait = 0.0 if self._own.get(path) == stamp else self._until_quiet(path, stamp)
        return wait or self._until_closed(path)

    def _until_quiet(self, path: str, stamp: Stamp) -> float:
        age = time.time() - stamp.mtime_ns / 1e9
        if age < 0:
            first = self._first_seen.get(path)
            if first is None or first[0] != stamp:
                first = self._first_seen[path] = (stamp, time.monotonic())
            age = time.monotonic() - first[1]
        return max(0.0, QUIET - age)

    def _until_closed(self, path: str) -> float:
        """Until whoever writes to a note in place may be ready; one that never is, is not waited for."""
        if not self._parts.vault.is_being_written(path):
            self._writers.pop(path, None)
            return 0.0
        since = self._writers.setdefault(path, time.monotonic())
        return WRITER if time.monotonic() - since < LONGEST_WRITER else 0.0

    # ------------------------------------------------------------ frozen content

    def frozen(self, digest: str) -> FrozenPlan | None:
        """The content under a digest, from its blob; None where the blob is gone or damaged."""
        found = self._frozen.get(digest)
        if found is None:
            try:
                found = thaw(self._parts.blobs.get(digest), digest=digest)
            except LedgerError:
                return None
            self.remember_frozen(found)
        return found

    def remember_frozen(self, frozen: FrozenPlan) -> None:
        """Keep a content at hand; the oldest go when there are many."""
        self._frozen[frozen.digest] = frozen
        while len(self._frozen) > 2048:
            del self._frozen[next(iter(self._frozen))]

    def assessment(self, frozen: FrozenPlan) -> Assessment:
        """What the policy says of a content, as it is now."""
        found = self._assessed.get(frozen.digest)
        if found is None:
            found = assess(frozen, self._parts.rules.catalogue, self._parts.rules.policy)
            self._assessed[frozen.digest] = found
            while len(self._assessed) > 2048:
                del self._assessed[next(iter(self._assessed))]
        return found

    def rules_changed(self) -> None:
        """Forget what was concluded from the catalogue and the policy that were."""
        self._readings = observe.Readings(self._parts.rules.catalogue)
        self._assessed.clear()
        self._limits.clear()
        self._bound.clear()
        self._remembered.clear()
        self.views_version += 1

    def look_ahead(self, plan_id: str, data: bytes) -> None:
        """Read and bind a note that was just written, so that the next look at it costs little."""
        path = self.paths.get(plan_id, "")
        folder = self._parts.vault.kind_of(path)
        if folder is not None:
            self.bind(self.reading(path, data), folder, plan_id)

    def limits(self, frozen: FrozenPlan, step: FrozenStep, call: Call) -> tuple[str, ...]:
        """The policy's limits on one of a step's calls."""
        key = (frozen.digest, step.action, call.name)
        found = self._limits.get(key)
        if found is None:
            rules = self._parts.rules
            found = self._limits[key] = limits_on(call, step, frozen, rules.catalogue, rules.policy)
            while len(self._limits) > 4096:
                del self._limits[next(iter(self._limits))]
        return found

    def bind(self, reading: observe.Reading, folder: Folder, plan_id: str | None) -> observe.Sight:
        """A reading bound to the servers as they are now."""
        state = self._parts.state.plans.get(plan_id) if plan_id else None
        was_approved = state is not None and self._parts.vault.kind_of(state.path) is Folder.APPROVED
        digest = state.digest if state else None
        circumstances = (reading.kin, reading.id, digest, self.views_version)
        key = (circumstances, reading.path, reading.sha256, folder, was_approved)
        kept = self._bound.get(plan_id) if plan_id else None
        if kept is not None and kept[0] == key:
            return kept[1]
        sight = observe.bind(
            reading,
            folder,
            plan_id,
            self._parts.rules.catalogue,
            self.views(),
            known=self.frozen(state.digest) if state else None,
            same=kept[1].frozen if kept is not None and kept[0][0] == circumstances else None,
            was_approved=was_approved,
        )
        if plan_id and state is not None:
            self._bound[plan_id] = (key, sight)
        return sight

    def views(self) -> Mapping[str, ServerView]:
        """What is known of each server."""
        return self._parts.servers.views()

    # ------------------------------------------------------------ what the gate looks at

    async def facts(self, plan_id: str, by: str | None = None, evidence: Evidence | None = None) -> Facts:
        """Everything the gate looks at, read afresh; `by` and `evidence` where somebody approves now."""
        parts = self._parts
        state = parts.state.plans.get(plan_id)
        frozen = self.frozen(state.digest) if state else None
        note = await self.note_facts(plan_id) if state else None
        requirement, denied = Requirement(), frozenset[str]()
        dependencies: list[Dependency] = []
        if frozen is not None:
            assessment = self.assessment(frozen)
            requirement = assessment.requirement
            denied = assessment.denied
            dependencies = [self._dependency(name) for name in frozen.depends_on]
        return Facts(
            plan=state,
            frozen=frozen,
            note=note,
            requirement=requirement,
            denied=denied,
            approvers=parts.rules.roster.approvers(),
            default_approver=parts.rules.roster.default(),
            dependencies=dependencies,
            now=self.now(),
            evidence=evidence or Evidence(),
            by=by,
            zone=get_localzone() or UTC,
        )

    def _dependency(self, name: str) -> Dependency:
        """A plan that another one waits for."""
        state = self._parts.state
        status, plan = state.status(name), state.plans.get(name)
        path = self.paths.get(name) or state.path(name)
        if path is None or status is Status.DONE:
            return Dependency(name, status)
        frozen = self.frozen(plan.digest) if plan is not None else None
        repeats = frozen is not None and frozen.schedule is not None
        return Dependency(name, status, self._parts.vault.stamp(path) is None, repeats)

    def waits_for(self, name: str) -> tuple[str, ...]:
        """The plans that a plan waits for or would wait for; none for one that does not run by itself."""
        plan = self._parts.state.plans.get(name)
        frozen = self.frozen(plan.digest) if plan is not None and plan.status not in FINAL else None
        return frozen.depends_on if frozen is not None else ()

    def now(self) -> datetime:
        """The present, never earlier than the latest time in the ledger."""
        clock = datetime.now(UTC)
        latest = self._parts.state.latest
        return max(clock, datetime.fromisoformat(latest)) if latest else clock

    def clock(self) -> datetime:
        """The present as the clock has it: what may begin is judged by it, what has ended by `now`.

        The ledger may have heard of a later time, from a clock that was wrong for a while.
        """
        return datetime.now(UTC)

    async def note_facts(self, plan_id: str) -> NoteFacts | None:
        """What the plan's note says now; None where there is no such note any more.

        Read only where its stamp or the servers changed. What looks changed is read again after the
        settle time, so that a half-written file is not taken for an edit.
        """
        path = self._find(plan_id)
        if path is None:
            return None
        folder = self._parts.vault.kind_of(path)
        stamp = self._parts.vault.stamp(path)
        if folder is None or stamp is None:
            return None
        kept = self._remembered.get(plan_id)
        if kept and kept.stamp == stamp and kept.views == self.views_version and kept.facts.path == path:
            return kept.facts
        state = self._parts.state.plans[plan_id]
        facts, stamp = self._read_facts(path, folder, plan_id)
        if facts is None or facts.digest != state.digest:
            again = await self._settled_or_none(path)
            if again is None:
                return None
            facts, stamp = self._read_facts(path, folder, plan_id)
        if facts is not None and time.time() - stamp.mtime_ns / 1e9 > RACY:
            self._remembered[plan_id] = _Remembered(stamp, self.views_version, facts)
        return facts

    async def _settled_or_none(self, path: str) -> tuple[bytes, Stamp] | None:
        try:
            return await self.settled(path)
        except UnsafeFile:
            return None

    def _read_facts(self, path: str, folder: Folder, plan_id: str) -> tuple[NoteFacts | None, Stamp]:
        try:
            data, stamp = self._parts.vault.read(path)
        except (UnsafeFile, OSError):
            return None, Stamp(0, 0, 0)
        reading = self.reading(path, data)
        sight = self.bind(reading, folder, plan_id)
        if sight.seen.conflict_copy or (reading.id is not None and reading.id != plan_id):
            return None, stamp
        return sight.seen.facts, stamp

    def _find(self, plan_id: str) -> str | None:
        """Where the plan's note is: where it was, or where a rename that no event told us of took it."""
        state = self._parts.state.plans[plan_id]
        known = self.paths.get(plan_id, state.path)
        stamp = self._parts.vault.stamp(known)
        if stamp is not None:
            return known
        inode = self._inodes.get(plan_id)
        if not inode:
            return None
        active = (Folder.APPROVED, Folder.PENDING, Folder.REJECTED, Folder.INBOX)
        return next((path for path, found in self._parts.vault.scan(*active) if found.inode == inode), None)
