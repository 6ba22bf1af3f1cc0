"""What the front matter says of the plan as a whole: everything but its steps.

An empty value counts as absent here, since property editors leave such keys behind. A key that is one of
these in another spelling (`run-at`, `dependsOn`) is a question: ignoring it would change when or whether
the plan runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from signoff.config.durations import parse_duration
from signoff.config.section import suggestion
from signoff.cron import read_cron
from signoff.errors import NoteError
from signoff.model import Json, Plan
from signoff.note.document import Note
from signoff.plan.placeholders import is_placeholder
from signoff.plan.steps import Source
from signoff.plan.times import read_time

EXPIRY_KEYS = ("expires", "expires_at", "timeout_at")
HEADER_KEYS = frozenset(
    {"title", "id", "proposed_by", "mode", "on_failure", "depends_on", "priority", "run_at", "schedule"}
    | {"approved", "approved_by", "approval_code", "rejection_reason", *EXPIRY_KEYS}
)
"""The keys of the note as a whole, the daemon's own excepted."""
MODES = ("sequential", "parallel")
ON_FAILURE = ("stop", "continue", "undo")
PRIORITIES = ("high", "normal", "low")
MOST_OFTEN = 60.0
"""Seconds; nothing repeats more often."""
_FILLED_IN = ("title", "id", "proposed_by", "depends_on", "run_at", "schedule")
"""What templates leave to the author."""

LATER_KEYS = (
    *("scheduled_for", "scheduled_at", "scheduled_time", "scheduled", "schedule_time"),
    *("send_at", "post_at", "publish_at"),
)
"""What other forms call `run_at`."""
_PRIORITY = {
    **dict.fromkeys(("high", "urgent", "critical", "highest", "p0", "p1", "asap"), "high"),
    **dict.fromkeys(("low", "lowest", "minor", "p3", "p4"), "low"),
}

_PLAN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_EVERY = re.compile(r"every\s+(\S.*)", re.IGNORECASE)
_PLAIN_NAMES = {re.sub("_", "", key): key for key in HEADER_KEYS if "_" in key}


def read_header(note: Note, fallback_title: str, *, strict: bool = True) -> Plan:
    """A plan without steps, of what the front matter says.

    Args:
        note: as parsed.
        fallback_title: for a note with neither a title nor a heading.
        strict: an unknown word for the mode or the priority is a question. Notes in other forms have words
            of their own there (`P1`, `urgent`), which at most change in which order plans start.

    Raises:
        NoteError: with line and column: `value-unknown`, `wrong-type`, `plan-id-invalid`, `unknown-key`,
            `time-unreadable`, `schedule-unreadable`,
            `schedule-too-often`, `schedule-never`, `expires-twice`, `depends-cycle`.
    """
    front = note.front
    given: Mapping[str, Json] = front.values if front else {}
    written: dict[str, Json] = {key: value for key, value in given.items() if value not in (None, "")}
    written = written if strict else _in_our_words(written)
    source = Source(written, front.places if front else {}, (), 1, "the plan")
    _refuse_other_spellings(source)
    _refuse_placeholders(source)
    plan_id = _plan_id(source, "id", source.text("id")) if "id" in written else None
    depends_on = source.texts("depends_on") if "depends_on" in written else ()
    for other in depends_on:
        _plan_id(source, "depends_on", other)
    if plan_id is not None and plan_id in depends_on:
        raise source.question(
            "depends-cycle",
            f"The plan `{plan_id}` depends on itself.",
            "depends_on",
            hint="Take it out of `depends_on`.",
        )
    return Plan(
        title=_title(note, written.get("title")) or fallback_title,
        steps=(),
        id=plan_id,
        proposed_by=_plain(written.get("proposed_by")),
        mode=_choice(source, "mode", MODES, "sequential"),
        on_failure=_choice(source, "on_failure", ON_FAILURE, "stop"),
        depends_on=depends_on,
        priority=_choice(source, "priority", PRIORITIES, "normal"),
        run_at=_time(source, "run_at") if "run_at" in written else None,
        schedule=_schedule(source) if "schedule" in written else None,
        expires=_expires(source),
    )


def _in_our_words(written: Mapping[str, Json]) -> dict[str, Json]:
    """The mode only where it is one, and the priority as the word that comes nearest."""
    kept: dict[str, Json] = {key: value for key, value in written.items() if key != "mode" or value in MODES}
    if "priority" in kept:
        kept["priority"] = _PRIORITY.get(str(kept["priority"]).strip().lower(), "normal")
    if later := next((kept[key] for key in LATER_KEYS if is_time(kept.get(key))), None):
        kept.setdefault("run_at", later)
    return kept


def is_time(value: Json) -> bool:
    """Whether a value is a point in time that can be read."""
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        read_time(value.strip(), zone=UTC, end_of_day=False, key="run_at")
    except NoteError:
        return False
    return True


def _refuse_other_spellings(source: Source) -> None:
    for key in source.values:
        meant = _PLAIN_NAMES.get(re.sub(r"[\s_-]", "", key).lower())
        if meant is not None and key != meant:
            raise source.question(
                "unknown-key",
                f"The key `{key[:60]}` is not read; it is spelled `{meant}`.",
                key,
                hint=f"Write `{meant}:`.",
            )


def _refuse_placeholders(source: Source) -> None:
    """What a template left to be filled in is not shown to anybody as a title or a time."""
    for key in (*_FILLED_IN, *EXPIRY_KEYS):
        value = source.values.get(key)
        if isinstance(value, str) and is_placeholder(value):
            raise source.question(
                "placeholder",
                f"`{key}` is still to be filled in: `{value.strip()}`.",
                key,
                hint="Write what is meant in its place, or delete the line.",
            )


def _title(note: Note, written: Json) -> str | None:
    """The title as written, else the first heading but that of the steps."""
    headings = (" ".join(heading.text.split()) for heading in note.headings)
    return _plain(written) or next((text for text in headings if text and text.lower() != "steps"), None)


def _plain(value: Json) -> str | None:
    """A text or number on one line; None for all else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return " ".join(str(value).split()) or None


def _plan_id(source: Source, key: str, plan_id: str) -> str:
    """An id of a plan, which is also part of file names."""
    if not _PLAN_ID.fullmatch(plan_id) or plan_id.endswith(".") or _RESERVED.fullmatch(plan_id):
        raise source.question(
            "plan-id-invalid",
            f"`{plan_id[:140]}` cannot be the id of a plan.",
            key,
            hint="Use up to 128 letters (a to z), digits, `_`, `-`, `.`, and no name that Windows reserves.",
        )
    return plan_id


def _choice(source: Source, key: str, known: Collection[str], default: str) -> str:
    """One of the known words, in any case."""
    if key not in source.values:
        return default
    word = source.text(key).lower()
    word = "normal" if (key, word) == ("priority", "medium") else word  # what half the world calls it
    if word not in known:
        raise source.question(
            "value-unknown", f"`{key}` cannot be `{word[:60]}`.", key, hint=_one_of(word, known)
        )
    return word


def _one_of(word: str, known: Collection[str]) -> str:
    close = suggestion(word, known)
    listed = ", ".join(f"`{other}`" for other in known)
    return close if close.startswith("Did") else f"It is one of {listed}."


def _time(source: Source, key: str, *, end_of_day: bool = False) -> str:
    """A time as the author wrote it, known to be readable."""
    text = source.text(key)
    try:
        read_time(text, zone=UTC, end_of_day=end_of_day, key=key)
    except NoteError as error:
        raise source.question(error.code, error.message, key, hint=error.hint) from None
    return text


def _expires(source: Source) -> str | None:
    """The expiry as written, under whichever of its keys; two that differ are a question."""
    found = {key: _time(source, key, end_of_day=True) for key in EXPIRY_KEYS if key in source.values}
    if len(set(found.values())) > 1:
        said = " and ".join(f"`{key}: {text}`" for key, text in found.items())
        raise source.question(
            "expires-twice",
            f"The note says in two ways when it expires: {said}.",
            list(found)[-1],
            hint="Keep one.",
        )
    return next(iter(found.values()), None)


def _schedule(source: Source) -> str:
    """A schedule as written, known to be readable and to come due, and not all the time."""
    text = " ".join(source.text("schedule").split())
    every = _EVERY.fullmatch(text)
    try:
        if every is not None and parse_duration(every[1]) < MOST_OFTEN:
            raise source.question(
                "schedule-too-often",
                f"`schedule: {text[:60]}` is more often than once a minute.",
                "schedule",
                hint="Write `every 1m`, or more.",
            )
        if every is None and read_cron(text).after(datetime(2000, 1, 1)) is None:  # noqa: DTZ001  wall clock
            raise source.question(
                "schedule-never",
                f"`schedule: {text[:60]}` never comes due: there is no such date.",
                "schedule",
                hint="Correct the day of the month, or the month.",
            )
    except ValueError as error:
        why = "" if every is not None else f": {error}"
        raise source.question(
            "schedule-unreadable",
            f"`schedule: {text[:60]}` is not a schedule that can be read{why}.",
            "schedule",
            hint="Write `every 1h`, or five cron fields such as `0 9 * * mon-fri`.",
        ) from None
    return text
