"""SIGKILL at every moment: nothing is done twice, nothing is forgotten, and every note tells the truth.

The daemons of this file are forked, so that a life costs a fraction of a second, and kill themselves at
moments that the test chooses (`support.mortal`).
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from signoff.ledger.state import fold, history
from signoff.ledger.verify import verify
from signoff.ledger.walk import read_entries
from signoff.model import Status, StepStatus
from signoff.requests import Request, Requests
from support.project import STUB, Project, eventually, plan, record

KILLS = 25
AT_ONCE = 4
MORTAL = Path(__file__).parent / "support" / "mortal.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


class Lives:
    """One daemon after another over the same project."""

    def __init__(self, house: Project, zygote: subprocess.Popen[str]) -> None:
        self.house = house
        self.kills = 0
        self.zygote = zygote

    def once(self, die_at: int | None = None) -> bool:
        """A whole life of `run --once`, ended early where it is fated to; was it killed?"""
        status = self.house.root.with_name(f"{self.house.root.name}.status")
        status.unlink(missing_ok=True)
        order = {"config": str(self.house.config), "status": str(status), "die_at": die_at, "once": True}
        assert self.zygote.stdin is not None
        self.zygote.stdin.write(json.dumps(order) + "\n")
        self.zygote.stdin.flush()
        eventually(status.exists, "the daemon ends", deadline=60)
        ended = int(status.read_text())
        assert ended in {0, 9}, f"ended with {ended}: {(self.house.root / 'mortal.log').read_text()}"
        self.kills += ended == 9
        return ended == 9


def housed(root: Path) -> Project:
    """A project that is the same wherever it lies: the digest of a plan holds the server's command."""
    fast = '[vault]\nsettle = "10ms"\n[execution]\nretry_delay = "100ms"\n'
    house = Project(root, settings=fast)
    options = ["--log", "stub.jsonl", "--no-fsync", "--pids", "pids"]
    house.set_servers({"stub": {"command": sys.executable, "args": [str(STUB), *options], "cwd": "${HOUSE}"}})
    return house


@pytest.fixture(scope="module")
def zygote() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, str(MORTAL)], stdin=subprocess.PIPE, text=True)
    yield process
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


@pytest.fixture
def lives(tmp_path: Path, zygote: subprocess.Popen[str]) -> Lives:
    return Lives(housed(tmp_path / "house"), zygote)


def age(path: Path) -> Path:
    """Make a note look saved a while ago: the daemon leaves alone what was saved within a second."""
    past = time.time() - 60
    os.utime(path, (past, past))
    return path


def approve(house: Project, path: Path) -> None:
    house.approve(path)
    age(path)


def servers_gone(house: Project) -> None:
    """Wait until the servers of a killed daemon have ended: until then they may still act."""
    pids = (
        [int(line) for line in (house.root / "pids").read_text().split()]
        if (house.root / "pids").exists()
        else []
    )

    def gone() -> bool:
        for pid in pids:
            try:
                if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    return False
            except psutil.NoSuchProcess:
                continue
        return True

    eventually(gone, "the servers of the killed daemon end")
    (house.root / "pids").unlink(missing_ok=True)


def texts(house: Project) -> Counter[str]:
    return Counter(call["arguments"]["text"] for call in house.calls())


def state_of(house: Project) -> Any:
    return fold(read_entries(house.logs / "audit"))


def require_whole_ledger(house: Project) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key((house.config / "secrets" / "checkpoint.pub").read_bytes())
    verdict = verify(house.logs / "audit", public_key=key)
    assert verdict.status in {"ok", "unanchored"}, verdict


def require_truth(house: Project, names: list[str], steps: int) -> None:
    """Each plan has one note, in Done, which says what the stub's log says."""
    for name in names:
        found = [path for path in house.vault.rglob("*.md") if path.stem.split(" 2")[0] == name]
        assert [path.relative_to(house.vault).as_posix() for path in found] == [f"Done/{name}.md"]
        text = found[0].read_text()
        assert f"progress: {steps}/{steps}" in text
        assert "status: done" in text
        assert len(re.findall(r"^\d+\. \[x\] ", text, re.MULTILINE)) == steps
        assert text.count("%% signoff %%") == 2  # one section: where it begins and where it ends
        assert "Some words of the author." in text
    leftovers = [path.name for path in house.vault.rglob("*") if path.name.startswith(".signoff-")]
    assert leftovers == []


def all_done(house: Project, names: list[str]) -> bool:
    return sorted(path.stem for path in (house.vault / "Done").glob("*.md")) == names


class Person:
    """Answers what is asked, truthfully: by what the stub's log says."""

    def __init__(self, house: Project, chance: random.Random, *, ticks: bool | None = None) -> None:
        self.house = house
        self.chance = chance
        self.answered = 0
        self.ticks = ticks

    def answer_all(self) -> bool:
        """Was there anything to answer?"""
        before = self.answered
        for plan_state in state_of(self.house).plans.values():
            for step in plan_state.steps.values():
                if step.status is StepStatus.UNKNOWN and plan_state.status is Status.UNKNOWN:
                    self.answer(plan_state.id, step.id, step.name)
        return self.answered > before

    def answer(self, plan_id: str, step: str, name: str) -> None:
        number = name.removeprefix("Step ")
        happened = self.happened(plan_id, number)
        self.answered += 1
        ticks = self.chance.random() < 0.5 if self.ticks is None else self.ticks
        if ticks and self.tick(plan_id, step, happened=happened):
            return
        said = "happened" if happened else "did-not-happen"
        Requests(self.house.logs / "requests").leave(
            Request("resolve", plan_id, "ana", step=step, answer=said)
        )

    def happened(self, plan_id: str, number: str) -> bool:
        return any(
            call["meta"]["signoff/plan"] == plan_id and call["meta"]["signoff/step"] == f"step-{number}"
            for call in self.house.calls()
        )

    def tick(self, plan_id: str, step: str, *, happened: bool) -> bool:
        words = "It happened" if happened else "It did not happen"
        for path in (self.house.vault / "Failed").glob("*.md"):
            text = path.read_text()
            box = f"- [ ] {words} (step {step})"
            if plan_id in text and box in text:
                self.house.edit(path, box, box.replace("[ ]", "[x]"))
                age(path)
                return True
        return False


@pytest.mark.promise("1.2")
@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 9])
def test_killed_again_and_again_at_any_moment_each_step_happens_exactly_once(lives: Lives, seed: int) -> None:
    chance = random.Random(seed)
    house = lives.house
    names = [f"Plan{letter}" for letter in "ABC"]
    for name in names:
        steps = [record(f"{name}-{number}") for number in range(1, 6)]
        age(house.drop(f"{name}.md", plan(*steps, front="" if name != "PlanC" else "mode: parallel")))
    person = Person(house, chance)
    end = time.monotonic() + 60

    while state_of(house).plans or not all_done(house, names):
        assert time.monotonic() < end, "it never ends"
        lives.once(chance.randint(1, 25) if lives.kills < KILLS else None)
        servers_gone(house)
        for path in (house.vault / "Pending_Approval").glob("*.md"):
            if "status: pending" in path.read_text() and chance.random() < 0.7:
                approve(house, path)
        person.answer_all()

    assert lives.kills > 10
    assert person.answered
    assert texts(house) == Counter(f"{name}-{each}" for name in names for each in range(1, 6))
    require_whole_ledger(house)
    require_truth(house, names, 5)
    for ended in state_of(house).ended.values():
        assert ended.status is Status.DONE
        assert ended.path.startswith("Done/")
        assert (house.vault / ended.path).exists()
    for plan_id in state_of(house).ended:
        whole = history(plan_id, read_entries(house.logs / "audit"))
        assert whole is not None
        assert all(step.status is StepStatus.DONE for step in whole.steps.values())


MOMENTS = 60
"""More than there are in any of the lives below."""


def at_each_moment(lives: Lives, check: Callable[[Lives, int], None]) -> None:
    """Copies of the house as it is now; in each, a life that ends one moment later, and what is true then."""

    def live(moment: int) -> bool:
        root = lives.house.root.with_name(f"house{moment}")
        shutil.copytree(lives.house.root, root)
        mine = Lives(housed(root), lives.zygote)
        killed = mine.once(moment)
        servers_gone(mine.house)
        check(mine, moment)
        require_whole_ledger(mine.house)
        return killed

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(1, MOMENTS, AT_ONCE):
            killed = list(pool.map(live, range(first, first + AT_ONCE)))
            if not all(killed):
                assert first + sum(killed) > 8
                return
    raise AssertionError("there were more moments than that")


@pytest.mark.promise("1.5")
@pytest.mark.slow
def test_killed_at_each_moment_of_freezing_and_showing_there_is_one_plan_and_one_note(lives: Lives) -> None:
    house = lives.house
    age(house.drop("One.md", plan(record("one"))))

    def check(lives: Lives, _: int) -> None:
        house = lives.house
        lives.once()
        assert [path.parent.name for path in house.vault.rglob("One*.md")] == ["Pending_Approval"]
        note = house.vault / "Pending_Approval" / "One.md"
        front = house.front(note)
        (waiting,) = state_of(house).plans.values()
        assert (waiting.id, waiting.presented, waiting.status) == (front["id"], True, Status.PENDING)
        assert front["status"] == "pending"
        assert note.read_text().count("%% signoff %%") == 2
        assert house.calls() == []

    at_each_moment(lives, check)


@pytest.mark.promise("1.2")
@pytest.mark.slow
def test_killed_at_each_moment_between_approval_and_done_it_happens_once(lives: Lives) -> None:
    house = lives.house
    age(house.drop("One.md", plan(record("one"))))
    lives.once()
    approve(house, house.vault / "Pending_Approval" / "One.md")
    answered = []

    def check(lives: Lives, moment: int) -> None:
        house = lives.house
        person = Person(house, random.Random(), ticks=moment % 2 == 0)
        lives.once()
        servers_gone(house)
        if person.answer_all():
            answered.append(moment)
            lives.once()

        assert texts(house) == {"one": 1}
        require_truth(house, ["One"], 1)
        (ended,) = state_of(house).ended.values()
        assert (ended.status, ended.path) == (Status.DONE, "Done/One.md")

    at_each_moment(lives, check)
    assert len(answered) > 1


@pytest.mark.promise("1.2")
@pytest.mark.slow
def test_killed_at_each_moment_after_an_answer_the_answer_counts_for_one_call_alone(lives: Lives) -> None:
    """The tick `It did not happen` must not be taken for the answer to the next question."""
    house = lives.house
    age(house.drop("One.md", plan("action: stub.crash\nwith:\n  text: one\n")))
    lives.once()
    approve(house, house.vault / "Pending_Approval" / "One.md")
    lives.once()
    servers_gone(house)
    assert texts(house) == {"one": 1}
    note = house.vault / "Failed" / "One.md"
    house.edit(note, "- [ ] It did not happen", "- [x] It did not happen")
    age(note)

    def check(lives: Lives, _: int) -> None:
        house = lives.house
        note = house.vault / "Failed" / "One.md"
        lives.once()
        lives.once()
        servers_gone(house)

        assert texts(house)["one"] in {1, 2}  # 1: killed between the intent and the call
        (asked,) = state_of(house).plans.values()
        assert asked.status is Status.UNKNOWN
        assert [attempt.resolved for attempt in asked.steps["step-1"].attempts] == ["did-not-happen", ""]
        assert "- [ ] It did not happen" in note.read_text()
        assert "[x]" not in note.read_text()

    at_each_moment(lives, check)


@pytest.mark.promise("1.2")
@pytest.mark.slow
def test_killed_at_each_moment_of_carrying_out_a_command_it_is_carried_out_once(lives: Lives) -> None:
    house = lives.house
    age(house.drop("One.md", plan("action: stub.crash\nwith:\n  text: one\n")))
    lives.once()
    approve(house, house.vault / "Pending_Approval" / "One.md")
    lives.once()
    servers_gone(house)
    (asked,) = state_of(house).plans.values()
    Requests(house.logs / "requests").leave(
        Request("resolve", asked.id, "ana", step="step-1", answer="did-not-happen")
    )

    def check(lives: Lives, _: int) -> None:
        house = lives.house
        lives.once()
        servers_gone(house)
        assert texts(house)["one"] in {1, 2}
        (asked,) = state_of(house).plans.values()
        assert asked.status is Status.UNKNOWN
        assert len(asked.steps["step-1"].attempts) == 2
        assert not list((house.logs / "requests").glob("*.request.json"))

    at_each_moment(lives, check)
