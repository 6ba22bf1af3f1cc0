"""Plans that repeat: when runs are due, what they are, and that each happens once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff.cron import read_cron
from signoff.occurrences import LEAST, MOST_COUNTED, counted_from, due, next_time
from support.project import Project, eventually, plan, projects, record

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


@pytest.mark.promise("7")
def test_cron_is_read_in_local_time_through_daylight_saving() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    first = next_time("0 9 * * *", before, BERLIN)
    assert first == datetime(2026, 3, 29, 7, 0, tzinfo=UTC)
    assert next_time("0 9 * * *", datetime(2026, 3, 27, 12, 0, tzinfo=UTC), BERLIN) == datetime(
        2026, 3, 28, 8, 0, tzinfo=UTC
    )


def test_a_time_that_daylight_saving_repeats_counts_once() -> None:
    start = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    times = []
    moment = next_time("30 2 * * *", start, BERLIN)
    while moment is not None and moment < datetime(2026, 10, 26, 12, 0, tzinfo=UTC):
        times.append(moment)
        moment = next_time("30 2 * * *", moment, BERLIN)
    days = [time.astimezone(BERLIN).date() for time in times]
    assert len(days) == len(set(days)) == 2


@given(
    st.one_of(st.integers(0, 366 * 24 * 60), st.integers(297 * 24 * 60, 298 * 24 * 60)),
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 9 * * mon-fri", "0 0 1 * *"]),
)
def test_the_next_time_is_always_later_and_never_hangs(minutes: int, schedule: str) -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = next_time(schedule, after, BERLIN)
    assert found is not None
    assert found > after


def test_a_schedule_that_never_fires_is_never_due() -> None:
    assert next_time("0 0 30 2 *", datetime(2026, 1, 1, tzinfo=UTC), UTC) is None
    assert due("0 0 30 2 *", datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC), UTC) is None


def on_the_wall(*parts: int) -> datetime:
    """A time that a clock shows, without a zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc, arg-type]


ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata"),
    *("Africa/Cairo", "Asia/Beirut", "Pacific/Apia", "America/Santiago", "Africa/Casablanca"),
]
"""Changes at 0:00, at 2:00 and at 3:00, by half an hour, and once by a whole day."""
SCHEDULES = ["30 2 * * *", "*/7 * * * *", "0 0 * * *", "15 0,1,2,3 * * *", "0 9 * * mon-fri", "59 23 31 * *"]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(SCHEDULES),
    st.datetimes(on_the_wall(2011, 12, 25), on_the_wall(2027, 12, 31)),
    st.integers(0, 4 * 24 * 60),
)
def test_in_every_zone_one_run_is_left_of_all_that_was_missed_and_nothing_before_now_is_due_after_it(
    zone: str, schedule: str, start: datetime, minutes: int
) -> None:
    where, after = ZoneInfo(zone), start.replace(tzinfo=UTC)
    now = after + timedelta(minutes=minutes)
    passed = []
    moment = next_time(schedule, after, where)
    while moment is not None and moment <= now:
        assert not passed or moment > passed[-1]
        passed.append(moment)
        moment = next_time(schedule, moment, where)

    found = due(schedule, after, now, where)

    assert (found is None) == (not passed)
    if found is not None:
        assert found.at == passed[-1]
        assert found.missed == min(len(passed) - 1, MOST_COUNTED)
        assert due(schedule, found.at, now, where) is None
        assert next_time(schedule, found.at, where) == moment


@pytest.mark.parametrize("zone", ZONES)
def test_in_every_zone_a_daily_time_comes_once_a_day_all_year_also_where_the_clock_is_put(zone: str) -> None:
    where = ZoneInfo(zone)
    for hour in (0, 1, 2, 3):
        moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
        days = []
        while moment.year == 2026:
            moment = next_time(f"30 {hour} * * *", moment, where) or pytest.fail("it never comes again")
            days.append(moment.astimezone(where).date())
        assert len(days) == len(set(days))
        assert all(later - day == timedelta(days=1) for day, later in pairwise(days))


def test_a_time_that_the_clock_is_put_over_is_due_when_it_was_put() -> None:
    night = datetime(2026, 3, 28, 22, tzinfo=UTC)
    assert next_time("30 2 * * *", night, BERLIN) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert next_time("0 9 30 12 *", datetime(2011, 12, 29, tzinfo=UTC), ZoneInfo("Pacific/Apia")) == datetime(
        2011, 12, 30, 10, 0, tzinfo=UTC
    ), "a day that was left out altogether"


@pytest.mark.parametrize(
    ("text", "day"),
    [("0 0 * * 0", 6), ("0 0 * * 7", 6), ("0 0 * * 1", 0), ("0 0 * * sun", 6), ("0 0 * * 6", 5)],
)
def test_the_days_of_the_week_are_counted_as_in_cron(text: str, day: int) -> None:
    found = next_time(text, datetime(2026, 1, 1, tzinfo=UTC), UTC)
    assert found is not None
    assert found.weekday() == day


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 13 * fri", [5, 12, 13, 19, 26]),  # either day, as in cron
        ("0 0 */2 * 5", [5, 19]),  # both, where one begins with a star
        ("0 0 * * sat-mon", [6, 7, 8, 13, 14, 15, 20, 21, 22, 27, 28, 29, 1]),
        ("0 0 1-10/4 6 *", [1, 5, 9]),
    ],
)
def test_both_days_of_a_cron_expression_are_read_as_cron_does(text: str, days: list[int]) -> None:
    cron, moment, found = read_cron(text), on_the_wall(2026, 5, 31, 23, 59), []
    while (later := cron.after(moment)) is not None and later < on_the_wall(2026, 7, 1):
        moment = later
        found.append(moment.day)
    assert sorted(found) == sorted(days)


def fields() -> st.SearchStrategy[str]:
    def field(least: int, most: int) -> st.SearchStrategy[str]:
        number = st.integers(least, most)
        steps = st.integers(1, most - least).map(lambda n: f"*/{n}")
        ranges = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
        return st.one_of(st.just("*"), steps, ranges, st.lists(number, min_size=1, max_size=3).map(joined))

    def joined(numbers: list[int]) -> str:
        return ",".join(map(str, numbers))

    return st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12)).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(fields(), st.datetimes(on_the_wall(2024, 1, 1), on_the_wall(2030, 1, 1)))
def test_cron_is_read_as_another_reader_reads_it_where_that_one_is_right(text: str, wall: datetime) -> None:
    wall = wall.replace(second=0, microsecond=0)
    other = CronTrigger.from_crontab(f"{text} *", timezone=UTC)
    expected = other.get_next_fire_time(None, wall.replace(tzinfo=UTC) + timedelta(seconds=1))
    found = read_cron(f"{text} *").after(wall)
    assert found == (expected.replace(tzinfo=None) if expected is not None else None)
    if found is not None:
        assert read_cron(f"{text} *").until(found) == found


@given(st.text(alphabet="0123456789*/,- abcfjmnorstu", max_size=30))
def test_any_text_is_a_schedule_or_refused_in_words(text: str) -> None:
    try:
        cron = read_cron(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017
        return
    assert cron.times


def test_months_down_with_a_schedule_of_every_minute_leave_one_run() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    now = start + timedelta(days=200)
    for schedule in ("* * * * *", "every 1m", "every 1s"):
        found = due(schedule, start, now, BERLIN)
        assert found is not None
        assert (found.at, found.missed) == (now, MOST_COUNTED)
        assert due(schedule, found.at, now, BERLIN) is None


def test_a_plan_with_a_time_and_a_schedule_has_its_first_run_at_that_time() -> None:
    approved, start = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 5, 9, tzinfo=UTC)
    for schedule in ("every 1h", "0 * * * *"):
        assert next_time(schedule, counted_from(schedule, approved, start), UTC) == start
        assert counted_from(schedule, approved, None) == approved
        assert counted_from(schedule, approved, approved - timedelta(days=1)) == approved


@given(st.integers(0, 5_000))
def test_what_was_missed_is_run_once_and_counted(minutes: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    now = start + timedelta(minutes=minutes)
    found = due("every 10m", start, now, UTC)
    if minutes < 10:
        assert found is None
    else:
        assert found is not None
        assert found.at <= now < found.at + timedelta(minutes=10)
        assert found.missed == minutes // 10 - 1
        assert due("every 10m", found.at, now, UTC) is None


def test_no_schedule_fires_more_often_than_once_a_minute() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert next_time("every 1s", start, UTC) == start + LEAST


@pytest.mark.promise("7")
def test_each_due_time_has_one_run_with_a_note_of_its_own_under_the_one_approval(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("Report.md", plan(record("report"), front="schedule: '* * * * *'"))
    house.approve(note)
    parent = house.await_note("Report.md", "Approved", "status: scheduled")
    assert "next_run:" in parent.read_text()

    occurrence = eventually(
        lambda: next(iter(house.entries("occurrence")), None), "a run is due", deadline=70.0
    )

    name = occurrence.data["note"].rsplit("/", 1)[-1]
    done = house.await_note(name, "Done", "status: done")
    assert 'occurrence_of: "[[Report]]"' in done.read_text()
    assert [call["arguments"]["text"] for call in house.calls()] == ["report"]
    assert house.stop() == 0
    house.start()
    parent = house.await_note("Report.md", "Approved", "status: scheduled")
    assert len(house.calls()) == len(house.entries("occurrence"))
    house.edit(parent, "status: scheduled", "status: rejected")
    house.await_note("Report.md", "Rejected", "status: rejected")
    verified = house.signoff("audit", "verify", "--evidence")
    assert verified.returncode == 0, verified.stdout
