"""`signoff check`: what a note comes to, before any daemon sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import Laid
from support.project import plan, record


@pytest.fixture
def house(tmp_path: Path) -> Laid:
    return Laid(tmp_path / "home")


def write(house: Laid, name: str, text: str) -> str:
    path = house.root / name
    path.write_text(text)
    return str(path)


@pytest.mark.promise("10")
def test_check_shows_each_call_what_is_late_and_the_approval_it_needs(house: Laid) -> None:
    late = "id: say\naction: stub.look\nneeds: [first]\nwith:\n  text: ${{ steps.first.result.text }}\n"
    file = write(house, "two.md", plan(record("hello", "first"), late, front="id: two"))
    prose = write(house, "prose.md", "# Only words\n")

    found = house.json("check", file, prose)

    assert [entry["kind"] for entry in found] == ["plan", "not-a-plan"]
    entry = found[0]
    assert entry["file"] == file
    assert [step["id"] for step in entry["steps"]] == ["first", "say"]
    assert entry["steps"][0] == {
        "id": "first",
        "action": "stub.record",
        "server": "stub",
        "tool": "record",
        "arguments": {"text": "hello"},
        "late": [],
        "risk": "medium",
        "fallback": [],
    }
    assert entry["steps"][1]["late"] == ["text"]
    assert entry["steps"][1]["risk"] == "low"
    assert entry["needs"]["method"] == "edit"
    assert entry["needs"]["approvers"] == 1
    assert entry["needs"]["sentence"].startswith("Medium risk because")
    assert len(entry["digest"]) == 64
    assert house.calls() == []
    text = house.signoff("check", file).stdout
    assert "stub.record" in text
    assert "\x1b" not in text


@pytest.mark.promise("10")
def test_check_changes_nothing_and_agrees_with_the_daemon(house: Laid) -> None:
    text = plan(record("hello"), front="id: agreed")
    file = write(house, "agreed.md", text)
    before = house.json("check", file)[0]
    assert Path(file).read_text() == text

    house.drop("agreed.md", text)
    house.worked()
    assert house.json("show", "agreed")["digest"] == before["digest"]


@pytest.mark.promise("10")
def test_a_question_names_its_place_and_ends_with_1(house: Laid) -> None:
    file = write(house, "typo.md", plan("action: stub.record\nwith:\n  txet: hello\n"))
    found = house.json("check", file, code=1)[0]
    assert found["kind"] == "question"
    assert found["reason"] in {"argument-missing", "argument-unknown"}
    assert "txet" in found["message"]
    assert isinstance(found["line"], int)
    assert "steps" not in found
    result = house.signoff("check", file)
    assert result.returncode == 1
    assert f"{file}:{found['line']}" in result.stdout
    assert f"({found['reason']})" in result.stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (plan("action: nobody.knows\nwith: {}\n"), "unknown-server"),
        (plan("action: stub.nothing\nwith: {}\n"), "unknown-tool"),
        (plan(record("x"), front="expires: 2020-01-01"), "expired"),
        (plan("action: stub.wipe\nwith:\n  text: x\n"), "denied-by-policy"),
        (plan(record("too much")), "limits-violated"),
    ],
)
def test_what_the_daemon_would_ask_is_asked_here(house: Laid, text: str, reason: str) -> None:
    house.policy(
        "rules:\n"
        "  - match: {tool: wipe}\n    deny: true\n"
        "  - match: {tool: record}\n    limits: \"with.text != 'too much'\"\n"
    )
    assert house.json("check", write(house, "asked.md", text), code=1)[0]["reason"] == reason


@pytest.mark.promise("7")
def test_plans_that_would_wait_for_each_other_are_questions_that_name_the_way_around(house: Laid) -> None:
    def waiting(own: str, *others: str) -> str:
        text = plan(record(own), front=f"id: {own}\ndepends_on: [{', '.join(others)}]")
        return write(house, f"{own}.md", text)

    a, b, c = waiting("a", "b"), waiting("b", "x", "c"), waiting("c", "a")
    assert house.json("check", a, b)[0]["kind"] == "plan"
    found = house.json("check", a, b, c, code=1)
    assert [each["reason"] for each in found] == ["depends-cycle"] * 3
    assert [each["line"] for each in found] == [3, 3, 3]
    assert "b → c → a → b" in found[1]["message"]

    house.drop("a.md", (house.root / "a.md").read_text())
    house.drop("b.md", (house.root / "b.md").read_text())
    assert house.once().returncode == 0

    [asked] = house.json("check", c, code=1)
    assert "c → a → b → c" in asked["message"], "plans that are known already count as well"


def test_what_cannot_be_opened_is_a_question_not_a_crash(house: Laid) -> None:
    (house.root / "folder.md").mkdir()
    (house.root / "link.md").symlink_to(write(house, "real.md", plan(record("x"))))
    (house.root / "binary.md").write_bytes(b"\xff\xfe\x00")
    names = ("folder.md", "link.md", "binary.md", "missing.md")
    found = house.json("check", *(str(house.root / name) for name in names), code=1)
    assert {entry["kind"] for entry in found} == {"question"}
    assert [entry["reason"] for entry in found][:2] == ["not-a-regular-file", "not-a-regular-file"]


def test_secrets_of_a_plan_are_not_shown(house: Laid) -> None:
    house.policy("rules:\n  - match: {tool: record}\n    secret: [text]\n")
    file = write(house, "secret.md", plan(record("hush-hush")))
    result = house.signoff("check", file, "--json")
    assert "hush-hush" not in result.stdout
    assert "hush-hush" not in house.signoff("check", file).stdout


@pytest.mark.promise("10")
def test_tools_that_are_known_are_not_asked_for_again(house: Laid) -> None:
    pids = house.root / "pids"
    house.set_servers({"stub": house.stub("--pids", str(pids))})
    file = write(house, "one.md", plan(record("hello")))
    house.json("check", file)
    started = len(pids.read_text().split())
    house.json("check", file)
    assert len(pids.read_text().split()) == started
    house.json("check", file, "--live")
    assert len(pids.read_text().split()) > started

    house.set_servers({"stub": house.stub("--pids", str(pids), "--tools", "look")})  # launched otherwise
    assert house.json("check", file, code=1)[0]["reason"] == "unknown-tool"


def test_no_server_is_started_for_prose(house: Laid) -> None:
    pids = house.root / "pids"
    house.set_servers({"stub": house.stub("--pids", str(pids))})
    house.json("check", write(house, "prose.md", "# Words\n"))
    assert not pids.exists()


@pytest.mark.promise("4")
def test_fix_mends_the_known_breakages_and_shows_what_it_did(house: Laid) -> None:
    broken = "---\naction: stub.record\nsubject: Re: lunch\nwith:\n  text: hello\n---\n"
    file = write(house, "broken.md", broken)
    assert house.json("check", file, code=1)[0]["reason"] == "yaml-invalid"
    assert Path(file).read_text() == broken

    result = house.signoff("check", "--fix", file)

    assert Path(file).read_text() == broken.replace("Re: lunch", '"Re: lunch"')
    assert "-subject: Re: lunch" in result.stdout
    assert '+subject: "Re: lunch"' in result.stdout
    mended = Path(file).read_bytes()
    again = house.signoff("check", "--fix", file)
    assert "+subject" not in again.stdout
    assert Path(file).read_bytes() == mended


def test_fix_leaves_alone_what_it_cannot_mend(house: Laid) -> None:
    broken = "---\naction: [unclosed\n---\n"
    file = write(house, "broken.md", broken)
    assert house.signoff("check", "--fix", file).returncode == 1
    assert Path(file).read_text() == broken


def test_a_name_in_a_note_cannot_move_the_cursor(house: Laid) -> None:
    file = write(house, "evil.md", plan('action: stub.record\nwith:\n  text: "\\e[2Jgone\\u202E"\n'))
    result = house.signoff("check", file)
    assert result.returncode == 0, result.stdout
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
