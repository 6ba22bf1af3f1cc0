"""What servers ask in the middle of a call: in the note, answered by a person, never called twice."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from support.house import House, houses
from support.project import Project, eventually, plan, projects, record
from test_strong_approval import enrol_code, enrol_key

DESK = Path(__file__).parent / "servers" / "desk.py"
SEATS = (
    "{type: object, required: [seats], properties: {seats: {type: integer, minimum: 1, maximum: 8}, "
    "meal: {type: string, oneOf: [{const: l, title: Lunch}, {const: d, title: Dinner}]}}}"
)
NESTED = "{type: object, properties: {a: {type: object, properties: {b: {type: string}}}}}"


def ask(text: str, more: str = "", identifier: str = "", schema: str = SEATS) -> str:
    head = f"id: {identifier}\n" if identifier else ""
    return f"{head}action: stub.ask\nwith:\n  text: {text}\n  schema: {schema}\n{more}"


def desk(root: Path) -> dict[str, Any]:
    return {"command": sys.executable, "args": [str(DESK), "--log", str(root / "desk.jsonl")]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("asked")
    servers = {
        name: {
            "command": sys.executable,
            "args": [str(DESK.with_name("stub.py")), "--log", str(root / f"{name}.jsonl")],
        }
        for name in ("stub", "other")
    }
    yield from houses(root, servers={**servers, "desk": desk(root)})


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def asked(house: Project, name: str, times: int = 1) -> Path:
    """The note of an approved plan, once so many forms stand in it."""
    path = house.vault / "Approved" / name

    def there() -> bool:
        return path.exists() and path.read_text().count("- [ ] Decline (question") >= times

    eventually(there, f"{times} question(s) in {name}; it is at {house.find(name)}")
    return path


def fill(path: Path, *, tick: str = "Send this answer", **values: str) -> str:
    """The text of a note with values typed into its first form, and a box ticked."""
    text = path.read_text()
    for field, value in values.items():
        text, count = re.subn(
            rf"(?m)^(> - \d+\.\d+ [^\n]*`?\b{field}\b[^\n]*\):)[^\n]*$", rf"\1 {value}", text, count=1
        )
        assert count == 1, f"no line for {field}"
    return text.replace(f"- [ ] {tick}", f"- [x] {tick}", 1) if tick else text


def save(house: Project, path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(text)
    if isinstance(house, House):
        house.aged(aside)
    aside.replace(path)


def approved(house: House, *steps: str, front: str = "", times: int = 1) -> tuple[str, Path]:
    word = house.word()
    note = house.shown(word, front=front, steps=tuple(step.replace("WORD", word) for step in steps))
    house.approve(note)
    return word, asked(house, f"{word}.md", times)


# ---------------------------------------------------------------- answering


@pytest.mark.promise("7")
def test_the_answer_in_the_note_lets_that_very_call_go_on(house: House) -> None:
    word, note = approved(house, ask("A table for WORD?"))
    assert "status: waiting" in note.read_text()
    assert "waiting for your answer" in note.read_text()

    save(house, note, fill(note, seats="3", meal="dinner"))

    done = house.await_done(word).read_text()
    assert len(house.called(word)) == 1
    outcome = house.of(word, "outcome")[0]
    assert json.loads(outcome.data["summary"]) == {"action": "accept", "content": {"seats": 3, "meal": "d"}}
    question, answer = house.of(word, "asked")[0], house.of(word, "answered")[0]
    assert (question.server, question.tool, question.step, question.attempt) == ("stub", "ask", "step-1", 1)
    assert answer.data["question"] == question.data["question"]
    assert (answer.approver, answer.data["answer"]) == ("ana", {"seats": 3, "meal": "d"})
    assert answer.seq < outcome.seq
    assert "`seats` = `3`" in done
    assert "(question" not in done
    assert done.rstrip().endswith("%% signoff %%"), "nothing of the form is left behind"


@pytest.mark.promise("1.2")
def test_in_the_newer_protocol_too_with_one_question_after_the_other(house: House) -> None:
    word, note = approved(house, "action: desk.book_twice\nwith:\n  text: WORD\n")
    save(house, note, fill(note, seats="2", kind="1"))
    eventually(lambda: "In which name are the 2 seats?" in note.read_text(), "the second question")

    save(house, note, fill(note, name="Mia"))

    house.await_done(word)
    booked = [call for call in house.called(word, "desk") if call["tool"] == "book_twice"]
    assert [call["arguments"] for call in booked] == [{"text": word, "seats": 2, "name": "Mia"}]
    assert len(house.of(word, "intent")) == 1
    assert [entry.data["answer"] for entry in house.of(word, "answered")] == [
        {"seats": 2, "window": False, "kind": "lunch"},
        {"name": "Mia"},
    ]


@pytest.mark.promise("1.5")
def test_what_does_not_fit_is_said_beside_its_field_and_nothing_is_sent(house: House) -> None:
    word, note = approved(house, ask("WORD?"))

    save(house, note, fill(note, seats="nine", meal="brunch"))

    house.await_refusal(word, "answer-unfit")
    eventually(lambda: "✗ this is not a whole number" in note.read_text(), "what is wrong")
    text = note.read_text()
    assert "): nine\n>   ✗ this is not a whole number" in text
    assert "): brunch\n>   ✗ this is not one of the choices" in text
    assert "- [ ] Send this answer" in text
    assert [call["tool"] for call in house.called(word)] == ["ask"]
    save(house, note, fill(note, seats="8", meal=""))
    house.await_done(word)
    assert house.of(word, "answered")[0].data["answer"] == {"seats": 8}


@pytest.mark.promise("1.4")
def test_what_a_person_is_typing_survives_what_the_daemon_writes_meanwhile(house: House) -> None:
    slow = "action: other.slow\nwith:\n  seconds: 2\n  text: WORD\n"
    word, note = approved(house, ask("WORD?"), slow, front="mode: parallel")
    save(house, note, fill(note, tick="", seats="5 or so") + "\nA remark below.\n")

    eventually(lambda: "✓ done" in note.read_text(), "the other step is told")

    text = note.read_text()
    assert text.count("5 or so") == 1
    assert "): 5 or so\n" in text
    assert text.rstrip().endswith("A remark below.")
    save(house, note, fill(note, seats="5"))
    house.await_done(word)


@pytest.mark.promise("1.1")
def test_a_declined_question_lets_no_further_step_run_before_a_person_has_looked(house: House) -> None:
    word, note = approved(house, ask("WORD?", identifier="first"), record("WORD after"))

    save(house, note, fill(note, tick="Decline"))

    shown = house.await_shown(word, times=2)
    assert "answer-missing" in shown.read_text()
    assert json.loads(house.of(word, "outcome")[0].data["summary"]) == {"action": "decline"}
    assert [call["tool"] for call in house.called(word)] == ["ask"]
    house.approve(shown)
    house.await_done(word)
    assert [call["tool"] for call in house.called(word)] == ["ask", "record"]


def test_both_boxes_are_no_answer(house: House) -> None:
    word, note = approved(house, ask("WORD?"))

    save(house, note, fill(note, seats="1").replace("- [ ] Decline", "- [x] Decline"))

    house.await_refusal(word, "answer-unclear")
    eventually(lambda: "- [ ] Decline" in note.read_text(), "the boxes are empty again")
    assert house.of(word, "answered") == []
    save(house, note, fill(note, tick="Decline"))
    house.await_done(word)


def test_the_terminal_shows_the_form_and_answers_it(house: House) -> None:
    word, _ = approved(house, ask("WORD?"))
    shown = json.loads(house.signoff("show", word, "--json").stdout)["steps"][0]
    assert shown["status"] == "waiting"
    form = shown["questions"][0]["form"]
    assert {field["name"]: field["kind"] for field in form["fields"]} == {
        "seats": "whole number",
        "meal": "one of",
    }
    assert "whole number" in house.signoff("answer", word, "1").stdout
    refused = house.signoff("answer", word, "1", "seats=99")
    assert (refused.returncode, "at most 8" in refused.stderr) == (1, True)

    result = house.signoff("answer", word, "1", "seats=4", "meal=Lunch")

    assert result.returncode == 0, result.stderr
    house.await_done(word)
    answer = house.of(word, "answered")[0]
    assert (answer.data["via"], answer.data["answer"]) == ("command", {"seats": 4, "meal": "l"})
    late = house.signoff("answer", word, "1", "seats=4")
    assert late.returncode == 1


def test_two_steps_of_one_plan_may_ask_at_the_same_time(house: House) -> None:
    steps = [f"id: {name}\naction: desk.confirm\nwith:\n  text: WORD {name}\n" for name in ("one", "two")]
    word, note = approved(house, *steps, front="mode: parallel", times=2)

    assert house.signoff("answer", word, "two", "--accept").returncode == 0
    eventually(lambda: note.read_text().count("- [ ] Decline") == 1, "one is left")
    assert [call["arguments"]["text"] for call in house.called(word, "desk")] == [f"{word} two"]
    save(house, note, fill(note))

    house.await_done(word)


# ---------------------------------------------------------------- stopping


@pytest.mark.promise("6")
@pytest.mark.parametrize("how", ["rejected", "moved", "deleted"])
def test_withdrawing_the_approval_takes_the_question_back_from_the_server(house: House, how: str) -> None:
    word, note = approved(house, ask("WORD?", identifier="first"), record("WORD after"))

    if how == "rejected":
        house.edit(note, "status: waiting", "status: rejected")
    elif how == "moved":
        note.rename(house.vault / "Rejected" / note.name)
    else:
        note.unlink()

    eventually(lambda: house.of(word, "finished"), "the plan ends")
    assert house.of(word, "answered")[0].data["action"] == "cancel"
    assert json.loads(house.of(word, "outcome")[0].data["summary"]) == {"action": "cancel"}
    assert [call["tool"] for call in house.called(word)] == ["ask"]


def test_a_server_may_take_its_question_back(house: House) -> None:
    word, _ = approved(house, ask("WORD?", "  take_back: true\n"))

    done = house.await_done(word)

    assert house.of(word, "answered")[0].data["reason"] in {"withdrawn", "call-ended"}
    assert "(question" not in done.read_text()


@pytest.mark.promise("7")
def test_a_question_that_nobody_answers_is_given_up_and_the_server_is_told(
    project: Callable[..., Project],
) -> None:
    house = project(settings='[execution]\nanswer_within = "1s"\n').start()
    house.approve(house.pending("Late.md", plan(ask("x"), record("after"))))

    note = house.await_note("Late.md", "Pending_Approval", "answer-missing")

    assert house.entries("answered")[0].data["reason"] == "not-answered"
    assert house.entries("outcome")[0].data["summary"] == '{"action": "cancel"}'
    assert "was not answered" in note.read_text()
    assert [call["tool"] for call in house.calls()] == ["ask", "answered"]


@pytest.mark.promise("1.2")
def test_a_daemon_that_is_killed_while_it_asks_does_not_call_again(project: Callable[..., Project]) -> None:
    house = project().start()
    house.approve(house.pending("Kill.md", plan(ask("x"))))
    note = asked(house, "Kill.md")
    save(house, note, fill(note, tick="", seats="3"))
    house.kill()
    save(house, note, fill(note, seats="3"))

    house.start()

    note = house.await_note("Kill.md", "Failed", "status: unknown")
    assert "while the server waited for an answer" in note.read_text()
    assert "(question" not in note.read_text().split("%% signoff %%")[1]
    house.edit(note, "- [ ] It did not happen", "- [x] It did not happen")
    note = asked(house, "Kill.md")
    save(house, note, fill(note, seats="4"))
    house.await_note("Kill.md", "Done", "status: done")
    assert [call["tool"] for call in house.calls()] == ["ask", "ask", "answered"]


@pytest.mark.promise("10")
def test_a_daemon_that_is_stopped_while_it_asks_ends_in_time_and_knows_how(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.approve(house.pending("Stop.md", plan(ask("x"), record("after"))))
    asked(house, "Stop.md")

    assert house.stop() == 0

    assert house.entries("answered")[0].data["reason"] == "run-stopped"
    assert house.entries("outcome")[0].data["class"] == "done"
    house.start()
    house.await_note("Stop.md", "Pending_Approval", "answer-missing")
    assert [call["tool"] for call in house.calls()] == ["ask", "answered"]


@pytest.mark.promise("10")
def test_a_suspended_call_is_left_as_it_is_by_a_daemon_that_stops_and_can_be_tried_again_where_it_is_lost(
    project: Callable[..., Project],
) -> None:
    house = project(servers={})
    house.set_servers({"desk": desk(house.root)})
    house.start()
    house.approve(house.pending("Stop.md", plan("action: desk.book\nwith:\n  text: x\n")))
    asked(house, "Stop.md")

    assert house.stop() == 0

    assert house.entries("outcome") == house.entries("answered") == []
    house.start()
    note = asked(house, "Stop.md")
    save(house, note, fill(note, seats="2", kind="lunch"))  # to a process that is not the one that asked
    note = house.await_note("Stop.md", "Failed", "it has done nothing, by the rules of the protocol")
    assert house.signoff("retry", "Stop").returncode == 0
    note = house.await_note("Stop.md", "Pending_Approval", "status: pending")
    eventually(lambda: len(house.entries("presented")) == 2, "it is shown again")
    house.approve(note)
    note = asked(house, "Stop.md")
    save(house, note, fill(note, seats="2", kind="lunch"))
    house.await_note("Stop.md", "Done", "booked 2 for lunch")
    assert [call["tool"] for call in house.calls("desk")].count("book") == 1


def test_what_looks_like_a_secret_is_warned_about_and_recorded_nowhere(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    schema = "{type: object, properties: {api_key: {type: string}}}"
    house.approve(house.pending("Key.md", plan(ask("x", schema=schema))))
    note = asked(house, "Key.md")
    assert "**Careful:** `api_key` looks like a password or key." in note.read_text()

    save(house, note, fill(note, api_key="correct-horse-battery"))

    note = house.await_note("Key.md", "Done", "status: done")
    answers = [call["arguments"] for call in house.calls() if call["tool"] == "answered"]
    assert answers == [{"action": "accept", "content": {"api_key": "correct-horse-battery"}}]
    told = note.read_bytes() + b"".join(path.read_bytes() for path in (house.logs / "audit").iterdir())
    assert b"correct-horse" not in told
    assert b"correct-horse" not in (house.logs / "mcp_actions.log").read_bytes()


def test_a_run_that_ends_when_there_is_nothing_to_do_does_not_wait_for_people(
    project: Callable[..., Project],
) -> None:
    house = project()
    house.policy("requires:\n  low: {method: auto}\n  medium: {method: auto}\n")
    house.drop("Once.md", plan(ask("x")))

    result = house.once()

    assert result.returncode == 0, result.stderr
    assert house.entries("answered")[0].data["reason"] == "run-stopped"


def test_a_call_that_waits_for_a_person_takes_no_place_from_others(project: Callable[..., Project]) -> None:
    house = project(settings="[execution]\nconcurrency = 1\n").start()
    house.approve(house.pending("Asks.md", plan(ask("x"))))
    note = asked(house, "Asks.md")

    house.approve(house.pending("Runs.md", plan(record("other"))))

    house.await_note("Runs.md", "Done", "status: done")
    save(house, note, fill(note, seats="1"))
    house.await_note("Asks.md", "Done", "status: done")


# ---------------------------------------------------------------- who may answer


def asked_under_a_code(project: Callable[..., Project]) -> tuple[Project, pyotp.TOTP, Path]:
    """A plan that a one-time code has approved, and whose server asks now; its note."""
    house = project()
    totp = enrol_code(house, "ana")
    house.policy("requires:\n  medium: {method: code}\n")
    house.start()
    note = house.pending("Code.md", plan(ask("x")))
    house.edit(note, "status: pending", f"status: pending\napproval_code: {totp.now()}")
    note = asked(house, "Code.md")
    return house, totp, note


@pytest.mark.promise("6")
def test_where_a_code_approves_only_a_code_answers_and_it_is_read_once(
    project: Callable[..., Project],
) -> None:
    house, totp, note = asked_under_a_code(project)
    save(house, note, fill(note, seats="3"))
    house.await_entry("refused", reason="method-insufficient")
    eventually(lambda: "- [ ] Send this answer" in note.read_text(), "the box is empty again")
    code = totp.at(__import__("time").time() + 30)

    text = fill(note, seats="3")
    save(house, note, re.sub(r"(?m)^(> - Code for question \d+ [^\n]*:)$", rf"\1 {code}", text))

    done = house.await_note("Code.md", "Done", "status: done")
    assert house.entries("answered")[0].data["method"] == "code"
    assert code not in done.read_text()
    everything = b"".join(path.read_bytes() for path in house.logs.rglob("*") if path.is_file())
    assert code.encode() not in everything


@pytest.mark.promise("6")
def test_a_code_sends_only_what_was_shown_before_it_was_typed(project: Callable[..., Project]) -> None:
    house, totp, note = asked_under_a_code(project)

    def typed(seats: str, code: str) -> None:
        text = fill(note, seats=seats)
        save(house, note, re.sub(r"(?m)^(> - Code for question \d+ [^\n]*:)[^\n]*$", rf"\1 {code}", text))

    def shown(seats: int) -> None:
        words = f"**This would be sent:** `seats` = `{seats}`."
        eventually(lambda: words in note.read_text(), f"what would be sent: {seats}")
        assert "- [ ] Send this answer" in note.read_text()

    typed("3", "")
    shown(3)
    first = totp.at(time.time() + 30)
    typed("8", first)  # somebody has changed it since
    house.await_entry("refused", reason="answer-not-shown")
    shown(8)
    assert first not in note.read_text()
    typed("8", first)  # what was typed once is used up
    eventually(lambda: len(house.entries("refused")) == 3, "it is refused")
    assert house.entries("answered") == []
    eventually(lambda: "- [ ] Send this answer" in note.read_text(), "the box is empty again")
    typed("3", "")
    shown(3)

    typed("3", totp.at(time.time() - 120))

    house.await_note("Code.md", "Done", "status: done")
    assert house.entries("answered")[0].data["answer"] == {"seats": 3}


@pytest.mark.promise("6")
def test_where_a_signature_approves_only_a_signature_answers(project: Callable[..., Project]) -> None:
    house = project()
    key = enrol_key(house, "ana")
    house.policy("requires:\n  medium: {method: signature}\n")
    house.start()
    house.pending("Sign.md", plan(ask("x")))
    assert house.signoff("approve", "Sign", "--sign", str(key)).returncode == 0
    note = asked(house, "Sign.md")
    assert "Send this answer (question" not in note.read_text()
    assert house.signoff("answer", "Sign", "1", "seats=3").returncode == 1
    assert house.entries("answered") == []

    result = house.signoff("answer", "Sign", "1", "seats=3", "--sign", str(key))

    assert result.returncode == 0, result.stderr
    house.await_note("Sign.md", "Done", "status: done")
    assert house.entries("answered")[0].data["method"] == "signature"


# ---------------------------------------------------------------- servers that ask badly


def test_a_form_that_nobody_could_fill_in_is_declined_with_words(house: House) -> None:
    word = house.word()
    house.approve(house.shown(word, steps=(ask(word, schema=NESTED),)))

    done = house.await_done(word)

    answer = house.of(word, "answered")[0]
    assert (answer.data["action"], answer.data["reason"]) == ("decline", "question-unusable")
    assert "question-unusable" in done.read_text()


def test_an_address_is_shown_and_never_opened(house: House) -> None:
    step = "action: stub.ask\nwith:\n  text: Sign in, WORD\n  url: https://example.com/login?id=1\n"
    word, note = approved(house, step)
    text = note.read_text()
    assert "> ```text\n> https://example.com/login?id=1\n> ```" in text
    assert "on the host `example.com`" in text

    save(house, note, fill(note, tick="I have done it"))

    house.await_done(word)
    assert house.of(word, "outcome")[0].data["summary"] == '{"action": "accept"}'


def test_an_address_that_hides_what_it_is_is_declined(house: House) -> None:
    word = house.word()
    step = f"action: stub.ask\nwith:\n  text: {word}\n  url: http://bank.example.com@evil.example/\n"
    house.approve(house.shown(word, steps=(step,)))

    house.await_done(word)

    assert house.of(word, "answered")[0].data["reason"] == "question-unusable"


def test_a_server_that_asks_without_end_is_declined_after_a_while(project: Callable[..., Project]) -> None:
    house = project(settings='[execution]\nanswer_within = "1s"\n').start()
    house.approve(house.pending("Flood.md", plan(ask("x", "  times: 60\n", schema=NESTED))))

    house.await_note("Flood.md", "Done", "status: done")

    assert len(house.entries("asked")) == 20
    assert len([call for call in house.calls() if call["tool"] == "answered"]) == 60


def test_a_question_that_could_belong_to_several_calls_is_put_to_nobody_and_the_next_one_finds_its_call(
    house: House,
) -> None:
    word = house.word()
    slow = f"action: other.slow\nwith:\n  seconds: 2\n  text: {word}\n"
    asks = f"action: other.ask\nwith:\n  text: {word}?\n"
    house.approve(house.shown(word, front="mode: parallel", steps=(slow, asks)))

    done = house.await_done(word)

    assert {entry.data["reason"] for entry in house.of(word, "answered")} == {"question-unclear"}
    assert "question-unclear" in done.read_text()
    slow, asks = slow.replace(word, "WORD"), asks.replace(word, "WORD")
    word, note = approved(house, asks, slow, front="mode: parallel")
    save(house, note, fill(note, answer="so it is"))
    house.await_done(word)
    assert [entry.data["answer"] for entry in house.of(word, "answered")] == [{"answer": "so it is"}]


def test_sampling_is_refused_as_before(house: House) -> None:
    word = house.word()
    house.approve(house.shown(word, steps=(f"action: stub.sample\nwith:\n  text: {word}\n",)))

    house.await_done(word)

    assert "not supported" in house.of(word, "outcome")[0].data["summary"].lower()
    assert house.of(word, "asked") == []


def test_a_server_that_dies_while_it_asks_leaves_the_outcome_unknown(project: Callable[..., Project]) -> None:
    house = project()
    stub = house.stub("--pids", str(house.root / "pids"))
    house.set_servers({"stub": stub})
    house.start()
    house.approve(house.pending("Dies.md", plan(ask("x"))))
    asked(house, "Dies.md")

    import os

    os.kill(int((house.root / "pids").read_text().split()[0]), signal.SIGKILL)

    note = house.await_note("Dies.md", "Failed", "status: unknown")
    assert "- [ ] Send this answer" not in note.read_text()
    assert len(house.entries("intent")) == 1


@pytest.mark.promise("1.4")
def test_what_is_typed_is_not_lost_where_a_secret_becomes_known_meanwhile(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    schema = (
        "{type: object, properties: {seats: {type: integer, title: In greenhouse-7}, meal: {type: string}}}"
    )
    house.approve(house.pending("Learn.md", plan(ask("x", schema=schema))))
    note = asked(house, "Learn.md")
    (house.config / ".env").write_text("DOOR_PASSWORD=greenhouse-7\n")
    told = house.logs / "signoff.log"
    eventually(lambda: "The configuration was read anew" in told.read_text(), "the secret is known")

    save(house, note, fill(note, seats="3 or so"))

    house.await_entry("refused", reason="answer-unfit")
    eventually(lambda: "In `[redacted]`" in note.read_text(), "the form is worded otherwise")
    assert "greenhouse-7" not in note.read_text().split("%% signoff %%")[1]
    assert note.read_text().count("3 or so") == 1
    text = note.read_text().replace("): 3 or so", "): 3")
    save(house, note, text.replace("- [ ] Send this answer", "- [x] Send this answer", 1))
    house.await_note("Learn.md", "Done", "status: done")
    assert house.entries("answered")[0].data["answer"] == {"seats": 3}


@pytest.mark.promise("1.4")
@pytest.mark.parametrize("how", ["changed", "twice", "gone"])
def test_nothing_is_sent_while_a_line_of_the_form_is_not_as_it_was_written(house: House, how: str) -> None:
    schema = "{type: object, properties: {meal: {type: string}, seats: {type: integer}}}"
    word, note = approved(house, ask("WORD?", schema=schema))
    text = fill(note, meal="lunch")
    line = next(line for line in text.splitlines() if line.endswith("): lunch"))
    changed = {"changed": line.replace("): lunch", ") : lunch"), "twice": f"{line}\n{line}", "gone": ">"}[how]

    save(house, note, text.replace(line, changed))

    house.await_refusal(word, "answer-unfit")
    eventually(lambda: "- [ ] Send this answer" in note.read_text(), "the box is empty again")
    assert "its line in the form is not as it was written" in note.read_text()
    assert house.of(word, "answered") == []
    if how == "changed":
        assert "lunch" in note.read_text()
    rest = [row for row in note.read_text().splitlines() if row != line.replace("): lunch", ") : lunch")]
    save(house, note, "\n".join(rest) + "\n")
    save(house, note, fill(note, meal="lunch", seats="2"))
    house.await_done(word)
    assert house.of(word, "answered")[0].data["answer"] == {"meal": "lunch", "seats": 2}


@pytest.mark.promise("1.4")
@pytest.mark.parametrize("more", ["> and the second line", ">   - and a list", "and no quotation"])
def test_an_answer_that_goes_on_in_the_next_line_is_not_sent_by_half(house: House, more: str) -> None:
    schema = "{type: object, properties: {meal: {type: string}, seats: {type: integer}}}"
    word, note = approved(house, ask("WORD?", schema=schema))
    text = fill(note, meal="the first line")

    save(house, note, text.replace("): the first line", f"): the first line\n{more}"))

    house.await_refusal(word, "answer-unfit")
    eventually(lambda: "- [ ] Send this answer" in note.read_text(), "the box is empty again")
    text = note.read_text()
    assert "each answer is one line" in text
    assert more.strip("> -") in text
    assert house.of(word, "answered") == []
    save(house, note, fill(note, meal=f"the first line {more}"))
    house.await_done(word)
    assert house.of(word, "answered")[0].data["answer"] == {"meal": f"the first line {more}"}
