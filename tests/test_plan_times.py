"""Times follow one documented rule, and an approval never lasts for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.errors import NoteError
from signoff.plan.times import expiry, read_time

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.promise("4")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00"),
        ("2026-03-01T09:00:00.250z", "2026-03-01T09:00:00.250"),
        ("2026-03-01 09:00+02:00", "2026-03-01T07:00:00"),
        ("2026-03-01T09:00-0530", "2026-03-01T14:30:00"),
        ("2026-03-01T09:00:00 +01", "2026-03-01T08:00:00"),
        ("2026-03-01T09:00:00+00:00Z", "2026-03-01T09:00:00"),
        ("2026-03-01T09:00:00", "2026-03-01T08:00:00"),
        ("  2026-07-01 09:00 ", "2026-07-01T07:00:00"),
        ("2026-03-01", "2026-02-28T23:00:00"),
        ("2026-10-25 02:30", "2026-10-25T00:30:00"),  # twice that night: the earlier one
    ],
)
def test_a_time_is_that_moment_or_local_time(text, moment):
    assert read_time(text, zone=BERLIN) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-03-29 02:30", "Europe/Berlin", "2026-03-29T01:30:00+00:00"),  # 3:30 on the clock
        ("2026-10-25 02:30", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),  # the earlier of the two
        ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03T15:45:00+00:00"),  # 2:45, by half an hour
        ("2011-12-30 09:00", "Pacific/Apia", "2011-12-30T19:00:00+00:00"),  # the day was left out
        ("2026-11-01 01:30", "America/New_York", "2026-11-01T05:30:00+00:00"),
    ],
)
def test_a_local_time_that_is_not_there_or_twice_is_one_moment_all_the_same(text, zone, moment):
    assert read_time(text, zone=ZoneInfo(zone)).isoformat() == moment


def test_a_date_alone_ends_with_that_day_where_it_is_an_end():
    end = read_time("2026-03-01", zone=BERLIN, end_of_day=True)
    assert end == datetime(2026, 3, 1, 23, 59, 59, tzinfo=BERLIN)


@pytest.mark.parametrize(
    "text",
    [
        "", "never", "tomorrow", "2026-02-30", "2026-13-01", "2026-03-01T25:00", "2026-03-01T09:00+25:00",
        "20260301",
        "2026-W01-1", "01.03.2026", "2026-03-01 9am", "2026-03-01T09:00+01:00Z", "1767225600", "٢٠٢٦-٠٣-٠١",
        "2026-03-01T09:00:60", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "2026-03-01T09:00 CET",
    ],
)  # fmt: skip
def test_what_is_unreadable_is_a_question_and_never_for_ever(text):
    with pytest.raises(NoteError) as caught:
        read_time(text, zone=UTC, end_of_day=True, key="expires")
    assert caught.value.code == "time-unreadable"
    assert "2026-03-01 09:00" in caught.value.hint


@given(
    st.text(max_size=30) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.+Z-]{0,20})?", fullmatch=True)
)
def test_any_text_is_a_moment_with_a_zone_or_a_question(text):
    try:
        moment = read_time(text, zone=timezone(timedelta(hours=14)), end_of_day=True)
    except NoteError as error:
        moment = None
        assert error.code == "time-unreadable"  # noqa: PT017
    assert moment is None or moment.tzinfo is UTC


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "9999-12-31", "9999-12-31 23:59", "0001-01-01"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_the_first_and_the_last_of_all_days_are_moments_that_every_zone_can_say(text, zone):
    moment = read_time(text, zone=ZoneInfo(zone), end_of_day=True)
    for other in available_timezones():
        assert moment.astimezone(ZoneInfo(other)) == moment


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001
def test_what_is_written_as_iso_is_read_as_it_was(moment):
    assert read_time(moment.isoformat(), zone=BERLIN) == moment


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.promise("6")
@pytest.mark.parametrize(
    ("note", "policy", "hours"),
    [
        (None, None, 24),
        (None, 4 * 3600.0, 4),
        (None, 48 * 3600.0, 24),
        ("2026-03-01T14:00Z", None, 2),
        ("2026-03-01T14:00Z", 4 * 3600.0, 2),
        ("2026-03-08T12:00Z", 4 * 3600.0, 4),
        ("2026-03-03T12:00Z", None, 48),
        ("2026-03-01T11:00Z", 4 * 3600.0, -1),
    ],
)
def test_an_approval_ends_at_the_earliest_of_the_notes_and_the_policys_expiry(note, policy, hours):
    until = expiry(note, policy_ttl=policy, settings_ttl=24 * 3600.0, approved_at=NOW, zone=BERLIN)
    assert until == NOW + timedelta(hours=hours)


@pytest.mark.promise("6")
def test_an_unreadable_expiry_gives_no_approval():
    with pytest.raises(NoteError):
        expiry("whenever", policy_ttl=None, settings_ttl=60.0, approved_at=NOW, zone=UTC)
