"""Plans in time, over a real daemon whose clock is put: missed runs, jumps, restarts, one run at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from support.clock import ClockedProject, needs_a_clock
from support.project import Project, eventually, plan, record

pytestmark = needs_a_clock

LONG = "requires:\n  medium: {method: edit, ttl: 3650d}\n"
YEARS = "expires: 2099-01-01\n"


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Callable[..., ClockedProject]]:
    made: list[ClockedProject] = []

    def make(**options: str) -> ClockedProject:
        made.append(ClockedProject(tmp_path / f"project{len(made)}", **options))
        made[-1].policy(LONG)
        made[-1].variables["TZ"] = "Europe/Berlin"
        return made[-1]

    yield make
    for each in made:
        each.close()


def section(path: Path) -> str:
    return path.read_text().split("%% signoff %%")[1]


def scheduled(house: Project, name: str, schedule: str, step: str = record("report")) -> Path:
    """A repeating plan, approved, once it waits for its first run."""
    house.approve(house.pending(name, plan(step, front=f"schedule: '{schedule}'\n{YEARS}")))
    return house.await_note(name, "Approved", "next_run:")


def run_note(house: Project, number: int = 1) -> str:
    """The name of the note of a run."""
    had = eventually(lambda: house.entries("occurrence")[number - 1 : number], f"run {number}")
    return str(had[0].data["note"]).rsplit("/", 1)[-1]


@pytest.mark.promise("7")
@pytest.mark.parametrize(("schedule", "down"), [("0 9 * * *", 100), ("* * * * *", 40), ("every 1m", 3)])
def test_after_any_time_down_what_was_missed_is_run_once_late_and_said_to_be(
    clocked: Callable[..., ClockedProject], schedule: str, down: int
) -> None:
    house = clocked().start()
    scheduled(house, "Report.md", schedule)
    assert house.stop() == 0
    house.put(days=down)

    house.start()

    note = house.await_note(run_note(house), "Done", "status: done")
    said = section(note)
    assert ("It is late: it began on" in said) == (down == 100), "the latest minute is hardly over"
    missed = house.entries("occurrence")[0].data["missed"]
    assert missed >= 98 if down == 100 else missed == 1000
    assert ("1,000 runs or more were missed" if missed == 1000 else f"{missed} runs were missed") in said
    parent = house.await_note("Report.md", "Approved", f"[[{note.stem}]]")
    assert "1 run so far" in section(parent)
    assert "missed before the one that was due on" in section(parent)
    assert house.stop() == 0
    house.start()
    house.await_note("Report.md", "Approved", "status: scheduled")
    had = house.entries("occurrence")
    assert len(house.calls()) == len({entry.data["at"] for entry in had}) == len(had)
    assert [entry.data["missed"] for entry in had[1:]] == [0] * (len(had) - 1), (
        "there was one run for them all"
    )
    verified = house.signoff("audit", "verify", "--evidence")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.promise("7")
def test_by_setting_what_was_missed_is_left_out_and_the_note_says_so(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked(settings='[schedule]\nmissed = "skip"\n').start()
    scheduled(house, "Report.md", "0 9 * * *")
    assert house.stop() == 0
    house.put(days=10)

    house.start()

    parent = house.await_note("Report.md", "Approved", "by the settings they are left out")
    assert "runs were missed, the last one due on" in section(parent)
    assert "No run so far." in section(parent)
    [passed] = house.entries("passed")
    assert passed.data["missed"] in {9, 10}
    assert house.entries("occurrence") == []
    local = house.now() + timedelta(days=1)
    house.put(days=1)
    house.kill()
    house.start()
    eventually(lambda: len(house.entries("passed")) == 2, "what is missed anew is left out anew")
    assert house.calls() == []
    assert str(house.front(house.vault / "Approved" / "Report.md")["next_run"])[:10] >= f"{local:%Y-%m-%d}"


@pytest.mark.promise("7")
def test_a_run_that_comes_due_while_another_is_live_waits_for_it_and_none_overlap(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    scheduled(house, "Slow.md", "every 1m", "action: stub.slow\nwith:\n  text: x\n  seconds: 4\n")
    house.put(minutes=3)
    house.await_entry("intent")
    house.put(minutes=5)
    run_note(house, 2)
    first, second = (entry.data["run"] for entry in house.entries("occurrence")[:2])
    events = [(entry.event, entry.plan) for entry in house.entries()]
    assert events.index(("finished", first)) < events.index(("frozen", second))


SLOW = "action: stub.slow\nwith:\n  text: x\n  seconds: 3\n"


@pytest.mark.promise("1.1")
@pytest.mark.parametrize("how", ["command", "note"])
def test_a_repeating_plan_that_is_cancelled_while_it_runs_has_no_further_run(
    clocked: Callable[..., ClockedProject], how: str
) -> None:
    house = clocked().start()
    parent = scheduled(house, "Slow.md", "every 1m", SLOW)
    house.put(minutes=3)
    house.await_entry("intent")
    house.put(minutes=5)  # the next one is due as soon as this one has ended
    if how == "note":
        house.edit(parent, "status: scheduled", "status: cancelled")
    else:
        assert house.signoff("cancel", "Slow").returncode == 0
    plan_id = house.entries("occurrence")[0].plan
    house.await_entry("finished", plan=plan_id, status="cancelled")
    house.await_note("Slow.md", "Rejected", "status: cancelled")
    assert len(house.entries("occurrence")) == len(house.calls()) == 1


@pytest.mark.promise("6")
def test_a_run_ends_with_the_approval_of_the_plan_that_it_is_a_run_of(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    text = plan(SLOW, record("second"), front=f"schedule: every 1m\n{YEARS}")
    house.approve(house.pending("Both.md", text))
    parent = house.await_note("Both.md", "Approved", "next_run:")
    house.put(minutes=3)
    house.await_entry("intent")
    house.edit(parent, "status: scheduled", "status: pending")
    house.await_note("Both.md", "Pending_Approval", "status: pending")
    note = house.await_note(run_note(house), "Rejected", "status: cancelled")
    assert "does not stand" in section(note)
    assert len(house.calls()) == 1


@pytest.mark.promise("1.5")
def test_a_run_tells_when_its_plan_was_approved_and_the_plan_at_its_end_what_runs_it_had(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    parent = scheduled(house, "R&D – report.md", "0 9 * * *")
    approved = house.entries("approved")[0].time
    taken = house.vault / "Done" / f"R&D – report {house.now() + timedelta(days=2):%Y-%m-%d} 0900.md"
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("A note of mine.\n")
    house.put(days=3)
    run = house.await_note(run_note(house), "Done", "status: done")
    on = datetime.fromisoformat(approved).astimezone(ZoneInfo("Europe/Berlin"))
    given = f"That plan was approved by `ana` by editing the note on {on:%Y-%m-%d %H:%M} (Europe/Berlin)"
    assert given in section(run)
    assert house.front(run)["occurrence_of"] == "[[R&D – report]]"
    stands = house.await_note("R&D – report.md", "Approved", f"[[{run.stem}]]")
    assert "| in every run |" in section(stands)
    assert "progress" not in house.front(stands)
    listed = (house.vault / "Dashboard.md").read_text
    eventually(lambda: "scheduled, 1 run so far, next on" in listed(), "the dashboard says how many")
    assert "scheduled, 0/1" not in listed()
    house.edit(parent, "status: scheduled", "status: rejected")
    ended = section(house.await_note("R&D – report.md", "Rejected", "status: rejected"))
    assert f"It had 1 run; the latest: [[{run.stem}]]." in ended
    assert "Nothing was called" not in ended


@pytest.mark.promise("1.5")
def test_a_run_names_its_plan_where_no_link_could_find_it(clocked: Callable[..., ClockedProject]) -> None:
    house = clocked().start()
    scheduled(house, "Report #1.md", "0 9 * * *")
    house.put(days=1)
    run = house.await_note(run_note(house), "Done", "status: done")
    assert house.front(run)["occurrence_of"] == "Report #1"
    house.await_note("Report #1.md", "Approved", f"`{run.stem}`")


@pytest.mark.promise("1.2")
def test_a_clock_that_is_put_back_gives_no_due_time_a_second_run(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    scheduled(house, "Report.md", "*/10 * * * *")
    house.put(minutes=10)
    house.await_note(run_note(house), "Done", "status: done")
    due = house.entries("occurrence")[0].data["at"]
    house.put(minutes=-25)
    assert house.stop() == 0
    house.start()
    house.put(minutes=20)
    assert house.stop() == 0
    house.start()
    house.await_note("Report.md", "Approved", "status: scheduled")
    house.put(minutes=15)
    run_note(house, 2)
    assert [entry.data["at"] for entry in house.entries("occurrence")].count(due) == 1


def told_within_a_day(house: ClockedProject) -> None:
    """Wait until the plan says that its next run is within a day."""

    def told() -> bool:
        said = house.front(house.vault / "Approved" / "Report.md").get("next_run")
        at = datetime.fromisoformat(str(said)) if said is not None else house.now()
        return house.now() < at < house.now() + timedelta(days=1)

    eventually(told, "it is told when the next run is")


@pytest.mark.promise("7")
@pytest.mark.parametrize("schedule", ["0 9 * * *", "every 24h"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_ran_ahead_for_a_while_keeps_no_plan_from_its_next_run(
    clocked: Callable[..., ClockedProject], schedule: str, restart: bool
) -> None:
    house = clocked().start()
    scheduled(house, "Report.md", schedule)
    house.put(days=30)
    ahead = house.await_note(run_note(house), "Done", "status: done")
    if restart:
        assert house.stop() == 0
    house.put(days=-30)
    if restart:
        house.start()
    told_within_a_day(house)
    house.put(days=1, minutes=1)
    run = house.await_note(run_note(house, 2), "Done", "status: done")
    assert "missed" not in section(run)
    house.put(days=29)  # the run that is due now was had when the clock ran ahead
    told_within_a_day(house)
    house.put(days=1)
    run_note(house, 3)
    due = [entry.data["at"] for entry in house.entries("occurrence")]
    assert len(set(due)) == len(due)
    assert ahead.exists()


@pytest.mark.promise("6")
def test_an_approval_that_has_ended_is_not_revived_by_a_clock_that_is_put_back(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked(settings='[approval]\nttl = "1h"\n').start()
    house.approve(house.pending("Later.md", plan(record("later"), front="id: later\ndepends_on: first")))
    house.await_note("Later.md", "Approved", "status: waiting")
    first = house.pending("First.md", plan(record("first"), front="id: first"))
    assert house.stop() == 0
    house.put(hours=2)
    house.start()
    house.await_note("Later.md", "Rejected", "status: expired")
    house.put(hours=-2)
    house.approve(first)
    house.await_note("First.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["first"]


@pytest.mark.promise("4")
def test_a_plan_does_not_start_before_its_time_whatever_the_log_has_heard_of_later_ones(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    house.put(days=30)
    house.approve(house.pending("Soon.md", plan(record("soon"))))
    house.await_note("Soon.md", "Done", "status: done")
    house.put(days=-30)
    at = (house.now() + timedelta(hours=1)).isoformat(timespec="seconds")
    house.approve(house.pending("Later.md", plan(record("later"), front=f"run_at: '{at}'\n{YEARS}")))

    house.await_note("Later.md", "Approved", "status: scheduled")

    assert [call["arguments"]["text"] for call in house.calls()] == ["soon"]
    house.put(hours=1)
    assert house.stop() == 0
    house.start()
    house.await_note("Later.md", "Done", "status: done")


@pytest.mark.promise("1.5")
def test_a_clock_that_is_put_years_ahead_keeps_no_note_waiting(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    house.put(days=30 * 365)  # as on a machine without a battery, once it learns the time
    soon = house.pending("Soon.md", plan(record("soon")))
    house.await_note("Dashboard.md", ".", "Soon")  # written by what repeats, so it has met the new time
    house.approve(soon)
    house.await_note("Soon.md", "Done", "status: done")


@pytest.mark.promise("1.5")
def test_a_clock_that_is_put_back_silences_nothing_that_the_daemon_does_by_itself(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    house.put(days=-30)
    inbox = house.vault / "Inbox"
    inbox.rename(house.vault / "Old")
    inbox.mkdir()  # no event tells of what is in it now; only the next scan does
    house.pending("Soon.md", plan(record("soon")))
    house.await_note("Dashboard.md", ".", "Soon")


@pytest.mark.promise("1.5")
def test_a_weekly_plan_says_all_that_must_be_changed_for_it_to_run_also_at_check(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked()
    house.policy("")
    house.start()
    text = plan(record("x"), front="schedule: 0 9 1 1 *")
    need = (
        "write an `expires` into this note and set a `ttl` longer than 1 day in config/policy.yaml "
        "(its risk is medium)."
    )
    assert need in section(house.pending("Yearly.md", text))
    checked = house.root / "Checked.md"
    checked.write_text(text)
    assert need in " ".join(house.signoff("check", str(checked)).stdout.split())


@pytest.mark.promise("1.5")
def test_the_preview_says_when_a_plan_starts_and_that_a_time_has_passed(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    later = f"{house.now() + timedelta(days=2):%Y-%m-%d}"
    note = house.pending("Later.md", plan(record("x"), front=f"run_at: {later}"))
    assert f"It starts on {later} 00:00 (Europe/Berlin) at the earliest." in section(note)
    note = house.pending("Past.md", plan(record("x"), front="run_at: 2020-06-01T09:00Z"))
    said = "Its time, 2020-06-01 11:00 (Europe/Berlin), has passed: it starts as soon as it is approved."
    assert said in section(note)


@pytest.mark.promise("1.5")
@pytest.mark.parametrize("key", ["expires", "run_at"])
@pytest.mark.parametrize("time", ["'9999-12-31T23:59:59Z'", "0001-01-01"])
def test_no_time_in_a_note_is_too_far_away_to_be_told(
    clocked: Callable[..., ClockedProject], key: str, time: str
) -> None:
    house = clocked().start()
    house.drop("Far.md", plan(record("far"), front=f"{key}: {time}"))
    past_end = key == "expires" and time.startswith("0")
    told = ("Inbox", "expired") if past_end else ("Pending_Approval", "If you approve")
    house.await_note("Far.md", *told)
    house.pending("Near.md", plan(record("near")))
    house.await_note("Dashboard.md", ".", "Near")


@pytest.mark.promise("7")
def test_a_daemon_that_is_killed_again_and_again_makes_no_more_runs_than_were_due(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    scheduled(house, "Report.md", "0 * * * *")
    house.kill()
    house.put(days=30)
    for _ in range(4):
        house.start()
        house.kill()
    house.start()
    name = run_note(house)
    house.await_note(name, "Done", "status: done")
    assert len(house.entries("occurrence")) == 1
    assert len(house.calls()) == 1


@pytest.mark.promise("1.5")
def test_the_preview_says_when_the_first_run_is_and_that_an_approval_would_end_before(
    clocked: Callable[..., ClockedProject],
) -> None:
    house = clocked().start()
    note = house.pending("Yearly.md", plan(record("x"), front="schedule: 0 9 29 2 *\nid: yearly"))
    said = section(note)
    assert "**Approved now, it would never begin:** its time is" in said
    assert "To have it run, write an `expires` into this note." in said
    house.edit(note, "id: yearly", "id: yearly\nexpires: 2099-01-01")
    shown = house.await_note("Yearly.md", "Pending_Approval", "The first run is on")
    assert "02-29 09:00 (Europe/Berlin)" in section(shown)
