"""Plans that repeat: when runs are due, what they are, and that each happens once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.occurrences import LEAST, due, next_time
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
