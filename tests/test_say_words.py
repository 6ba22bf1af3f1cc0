"""Times, durations, numbers and advice in plain words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.say.escape import sentence
from signoff.say.words import (
    ADVICE,
    advice,
    clock,
    duration,
    joined,
    moment,
    moment_near,
    plural,
    property_time,
)

BERLIN = ZoneInfo("Europe/Berlin")
CODES = [
    "unknown-plan",
    "consumed",
    "no-gesture",
    "refused-by-gesture",
    "unknown-approver",
    "proposer-approves",
    "method-insufficient",
    "evidence-invalid",
    "approvers-missing",
    "digest-changed",
    "action-outside",
    "expired",
    "dependency-unmet",
    "not-presented",
    "duplicate-id",
    "conflict-copy",
    "definition-changed",
    "denied-by-policy",
    "limits-violated",
    "revoked",
    "outcome-unknown",
    "tool-refused",
    "not-sent",
    "done-elsewhere",
    "answer-unreadable",
    "defect",
    "note-deleted",
    "answer-needed",
    "answer-unfit",
    "answer-not-shown",
    "answer-unclear",
    "answer-missing",
    "input-required",
    "rate-limited",
    "authentication",
    "server-error",
    "server-unavailable",
    "note-changed",
]


@pytest.mark.promise("1.5")
def test_every_reason_code_says_what_to_do() -> None:
    assert set(ADVICE) == set(CODES)
    for code, said in ADVICE.items():
        assert said.endswith("."), code
        assert sentence(said).count("`") % 2 == 0
    assert advice("never-heard-of") == ""


def test_a_time_is_said_in_local_time_with_its_zone() -> None:
    assert moment("2026-11-21T13:05:00Z", BERLIN) == "2026-11-21 14:05 (Europe/Berlin)"
    assert moment("2026-07-21T12:05:00Z", BERLIN) == "2026-07-21 14:05 (Europe/Berlin)"
    assert moment("2026-11-21T13:05:00Z", UTC) == "2026-11-21 13:05 (UTC)"
    assert moment("2026-11-21T13:05:00Z", timezone(timedelta(hours=2))) == "2026-11-21 15:05 (UTC+02:00)"


def test_a_near_time_is_said_by_the_day_in_local_time() -> None:
    now = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # the 22nd in Berlin
    assert moment_near("2026-11-21T23:45:00Z", BERLIN, now) == "today 00:45 (Europe/Berlin)"
    assert moment_near("2026-11-21T20:00:00Z", BERLIN, now) == "yesterday 21:00 (Europe/Berlin)"
    assert moment_near("2026-11-23T20:00:00Z", BERLIN, now) == "tomorrow 21:00 (Europe/Berlin)"
    assert moment_near("2026-12-24T17:00:00Z", BERLIN, now) == "2026-12-24 18:00 (Europe/Berlin)"


def test_properties_hold_local_time_with_its_offset() -> None:
    assert property_time("2026-11-21T13:05:00.123Z", BERLIN) == "2026-11-21T14:05:00+01:00"
    assert clock("2026-11-21T13:05:09Z", BERLIN) == "2026-11-21 14:05:09"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.3, "300 ms"),
        (1, "1 second"),
        (90, "1 minute and 30 seconds"),
        (3600, "1 hour"),
        (3605, "1 hour"),
        (86400, "1 day"),
        (93600, "1 day and 2 hours"),
        (timedelta(days=7), "7 days"),
    ],
)
def test_durations_are_said_in_at_most_two_units(seconds: float | timedelta, said: str) -> None:
    assert duration(seconds) == said


@given(st.floats(min_value=0, max_value=1e9))
def test_every_duration_says_something(seconds: float) -> None:
    assert duration(seconds)[0].isdigit()


def test_names_are_joined_and_numbers_agree_with_their_nouns() -> None:
    assert [joined(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert joined(["a", "b"], "or") == "a or b"
    assert plural(1, "step") == "1 step"
    assert plural(1200, "entry", "entries") == "1,200 entries"
