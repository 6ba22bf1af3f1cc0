"""A note's bytes to what the decisions look at: place, gesture, plan, digest, problem.

`look` is deterministic: the same bytes, path, catalogue and servers give the same `Sight`. Reading is
separated from settling (`signoff.settle`) and from deciding (`signoff.decide`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from tzlocal import get_localzone

from signoff.catalogue import Catalogue
from signoff.decide import Seen
from signoff.errors import NoteError
from signoff.evidence import FENCE
from signoff.gesture import NoteFacts
from signoff.model import Folder, FrozenPlan, Gesture, JsonObject, Plan, ServerView, Tool
from signoff.note.document import Note, gesture, parse
from signoff.note.splice import section_ticks
from signoff.plan.again import read_again as known_plan
from signoff.plan.broken import may_be_a_plan
from signoff.plan.freeze import freeze, freeze_again
from signoff.plan.read import read_plan
from signoff.plan.times import read_time
from signoff.say.form import replies
from signoff.say.questions import answers
from signoff.vault import has_control_characters, is_conflict_copy


@dataclass(frozen=True, slots=True)
class Reading:
    """A note as read: the pure part, the same for the same bytes and catalogue.

    Attributes:
        data, sha256: the bytes and their hash.
        note: its structure; None where it cannot be read.
        plan: what it asks for; None where it is no plan or cannot be read.
        gesture: what it says about the decision.
        problem: why it cannot be read.
        kin: the same for readings of one plan, of which one was made from the other.
        left_alone: it cannot be read, and if it could, it would not be a plan: somebody's note that merely
            lies here, unless it is known as a plan already.
    """

    path: str
    data: bytes
    sha256: str
    note: Note | None
    plan: Plan | None
    gesture: Gesture
    problem: NoteError | None
    kin: object = field(default_factory=object, compare=False, repr=False)
    left_alone: bool = False

    @property
    def id(self) -> str | None:
        """The plan id that the note carries."""
        return self.plan.id if self.plan else None


@dataclass(frozen=True, slots=True)
class Sight:
    """A reading bound to the servers: what the plan would do now, and what the decisions look at."""

    reading: Reading
    seen: Seen
    frozen: FrozenPlan | None


def read(path: str, data: bytes, catalogue: Catalogue) -> Reading:
    """Read a note; never raises for what is in it."""
    sha256 = hashlib.sha256(data).hexdigest()
    note: Note | None = None
    plan: Plan | None = None
    said = Gesture()
    problem: NoteError | None = None
    try:
        note = parse(data)
        if note.front is not None:
            said = gesture(note.front)
        plan = read_plan(note, catalogue, fallback_title=_title(path))
    except NoteError as error:
        problem = error
    left_alone = problem is not None and note is None and not may_be_a_plan(data, problem, catalogue)
    return Reading(path, data, sha256, note, plan, said, problem, left_alone=left_alone)


def read_again(before: Reading, path: str, data: bytes) -> Reading | None:
    """The same as `read`, at less cost, for a note that was read before; None where it changed too much.

    Args:
        before: a reading of this note, under the same name and with the same catalogue.
        path, data: where it is, and what it says now.
    """
    if before.note is None or before.plan is None:
        return None
    try:
        note = parse(data)
    except NoteError:
        return None
    plan = known_plan(before.plan, before.note, note)
    if plan is None:
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    return Reading(path, data, sha256, note, plan, gesture(note.front), None, before.kin)


class Readings:
    """Readings at hand: a note is read again only where its bytes or its name changed.

    Reading is a pure function of the bytes, the name and the catalogue, so this changes nothing but
    time. The least recently used go when together they come from more than `MOST_BYTES`.
    """

    MOST_BYTES = 4 << 20

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: dict[tuple[str, str], Reading] = {}
        self._last: dict[str, Reading] = {}
        self._bytes = 0

    def read(self, path: str, data: bytes) -> Reading:
        """As `read`."""
        name = path.rsplit("/", 1)[-1]
        key = (name, hashlib.sha256(data).hexdigest())
        found = self._kept.pop(key, None)
        if found is None:
            found = self._read(name, path, data)
            self._bytes += len(data)
        elif found.path != path:
            found = replace(found, path=path)
        self._kept[key] = self._last[name] = found
        while self._bytes > self.MOST_BYTES and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        return found

    def _read(self, name: str, path: str, data: bytes) -> Reading:
        last = self._last.get(name)
        again = read_again(last, path, data) if last is not None else None
        return again or read(path, data, self._catalogue)

    def _drop(self, key: tuple[str, str]) -> None:
        gone = self._kept.pop(key)
        self._bytes -= len(gone.data)
        if self._last.get(key[0]) is gone:
            del self._last[key[0]]


def bind(
    reading: Reading,
    folder: Folder,
    plan_id: str | None,
    catalogue: Catalogue,
    views: Mapping[str, ServerView],
    *,
    known: FrozenPlan | None = None,
    same: FrozenPlan | None = None,
    was_approved: bool = False,
) -> Sight:
    """Bind a reading to the servers as they are now.

    Args:
        plan_id: the id under which the plan is known, or None for one not yet known (nothing is bound).
        known: the content frozen before. A server that is not connected now is taken as it was then,
            so that a server's restart does not look like a change; the call itself compares again.
        same: what this very reading, or one of its kin with the same id, came to before under all the same
            circumstances; None where it was not bound yet, or came to nothing.
        was_approved: the note lay in `Approved/` when last seen.
    """
    frozen: FrozenPlan | None = None
    problem = reading.problem
    if reading.left_alone and plan_id is None:
        problem = None
    if problem is None and reading.plan is not None:
        problem = _unfit(reading)
    if problem is None and reading.plan is not None and plan_id is not None:
        try:
            frozen = same or (
                freeze(reading.plan, plan_id, catalogue, views)
                if known is None
                else freeze_again(reading.plan, plan_id, catalogue, _with_known(views, known), known)
            )
        except NoteError as error:
            problem = error
    ticks = section_ticks(reading.data)
    facts = NoteFacts(
        path=reading.path,
        folder=folder,
        gesture=reading.gesture,
        sha256=reading.sha256,
        digest=frozen.digest if frozen else None,
        problem=str(problem) if problem else "",
        expires=reading.plan.expires if reading.plan else None,
        expires_at=expires_at(reading.plan) if reading.plan else None,
        signed=_signed(reading.note),
        moved_out=was_approved and folder is not Folder.APPROVED,
    )
    seen = Seen(
        facts=facts,
        is_plan=reading.plan is not None,
        problem=problem,
        conflict_copy=is_conflict_copy(reading.path.rsplit("/", 1)[-1]),
        answers=tuple(sorted(answers(ticks).items())),
        replies=tuple(sorted(replies(ticks).items())),
    )
    return Sight(reading, seen, frozen)


def expires_at(plan: Plan) -> str | None:
    """When the note says that an approval ends, in ISO 8601 and UTC; None where it does not say.

    Raises:
        NoteError: `time-unreadable`; a plan as read has none such.
    """
    if plan.expires is None:
        return None
    moment = read_time(plan.expires, zone=get_localzone(), end_of_day=True, key="expires")
    return moment.isoformat(timespec="seconds")


def _unfit(reading: Reading) -> NoteError | None:
    """Why a note that reads well cannot be a plan's note all the same."""
    if has_control_characters(reading.path):
        return NoteError(
            "The name of this note holds line breaks or control characters.",
            code="name-invalid",
            hint="Rename the note.",
        )
    front = reading.note.front if reading.note else None
    if front is not None and front.values and not front.extents:
        return NoteError(
            "The front matter is written in braces, so that Signoff cannot write its own lines into it.",
            code="cannot-splice",
            hint="Write it as `key: value` lines.",
            line=1,
        )
    return None


def _with_known(views: Mapping[str, ServerView], known: FrozenPlan) -> Mapping[str, ServerView]:
    """The servers as they are; one that is not connected now, as it was when the plan was frozen."""
    merged = dict(views)
    for name, pin in known.pins.items():
        server, _, tool = name.partition(".")
        view = views.get(server)
        away = view is not None and (view.tools is None or view.cached)
        if view is not None and away and pin["launch"] == view.launch:
            before = merged[server].tools or {}
            tools = {**before, tool: _pinned_tool(pin)}
            merged[server] = ServerView(server, view.launch, tools, cached=view.cached)
    return merged


def _pinned_tool(pin: JsonObject) -> Tool:
    definition = cast("dict[str, Any]", pin["definition"])
    return Tool(
        name=definition["name"],
        description=definition["description"],
        input_schema=definition["inputSchema"],
        annotations=definition["annotations"],
    )


def _signed(note: Note | None) -> str | None:
    """The first pasted signature of a note."""
    fences = note.fences if note is not None and FENCE in note.body else ()
    return next((fence.content for fence in fences if fence.info.split()[:1] == [FENCE]), None)


def _title(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".md").removesuffix(".MD")
