"""Real notes against labels made by hand: what is presented says what the note says, or it is a defect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import signoff
from corpus_material import (
    HASHED,
    LONGEST_PLAIN,
    differences,
    hashed,
    is_reachable,
    leaves,
    load_labels,
    money,
    time_is_left_out,
)
from signoff import observe
from signoff.catalogue import Catalogue, load_catalogue
from signoff.model import Plan, Step

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
SHIPPED = Path(signoff.__file__).parent / "data" / "config" / "actions.yaml"
SURE_RECALL_FLOOR = 0.95
"""The least share of the notes that surely ask for a call that must be presented with it."""
RECALL_FLOOR = 0.8
"""The same, of all that are labelled with a call, the debatable ones too."""
ASKED_FLOOR = 1.0
"""The least share of the notes that surely leave something open that must end in a question."""
NOISE_CEILING = 0
"""The most notes that surely ask for nothing that may get a question."""

LABELS = load_labels()
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not part of the project")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a labelled note: `presented`, `asked` or `left alone`."""

    outcome: str
    wrong: tuple[str, ...] = ()
    untimed: bool = False


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(None) if load_catalogue(None).actions else load_catalogue(SHIPPED)


@pytest.fixture(scope="module")
def verdicts(catalogue: Catalogue) -> dict[str, Verdict]:
    return {name: _verdict(name, label, catalogue) for name, label in LABELS.notes.items()}


def _verdict(name: str, label: Mapping[str, Any], catalogue: Catalogue) -> Verdict:
    data = (CORPUS / name).read_bytes()
    reading = observe.read(name, data, catalogue)
    if reading.problem is not None and not reading.left_alone:
        return Verdict("asked")
    plan = reading.plan
    if plan is None:
        return Verdict("left alone")
    if "calls" not in label:
        return Verdict("presented", (f"presented, although: {label['why']}",))
    wrong = differences(label, plan, data.decode(), catalogue, LABELS)
    return Verdict("presented", tuple(wrong), untimed=time_is_left_out(label, plan))


# ---------------------------------------------------------------- the promises


@needs_corpus
@pytest.mark.promise("4")
def test_no_note_is_presented_with_another_call_than_it_asks_for(verdicts):
    wrong = {
        name: verdict.wrong
        for name, verdict in verdicts.items()
        if verdict.wrong and "calls" in LABELS.notes[name]
    }
    assert wrong == {}


@needs_corpus
@pytest.mark.promise("4")
def test_no_note_is_presented_that_surely_asks_for_nothing_or_leaves_something_open(verdicts):
    wrong = {
        name: verdict.wrong
        for name, verdict in verdicts.items()
        if verdict.outcome == "presented"
        and LABELS.notes[name]["kind"] != "call"
        and LABELS.notes[name]["confidence"] == "sure"
    }
    assert wrong == {}


@needs_corpus
def test_what_is_presented_of_the_labelled_notes_is_measured(verdicts, capsys):
    outcomes = Counter(
        (label["kind"], label["confidence"], verdicts[name].outcome) for name, label in LABELS.notes.items()
    )
    presented = [name for name, verdict in verdicts.items() if verdict.outcome == "presented"]
    right = {name for name in presented if not verdicts[name].wrong}
    calls = {name for name, label in LABELS.notes.items() if label["kind"] == "call"}
    sure = {name for name in calls if LABELS.notes[name]["confidence"] == "sure"}
    open_ones = Counter(outcomes_of("question", "sure", verdicts))
    noise = Counter(outcomes_of("not-a-plan", "sure", verdicts))
    with capsys.disabled():
        print(f"\n\n{'label':24} {'presented':>9} {'asked':>9} {'left alone':>10}")
        for kind, confidence in sorted({(kind, confidence) for kind, confidence, _ in outcomes}):
            row = [outcomes[kind, confidence, outcome] for outcome in ("presented", "asked", "left alone")]
            print(f"{kind + ', ' + confidence:24} {row[0]:9} {row[1]:9} {row[2]:10}")
        print(f"precision {len(right)}/{len(presented)}; recall {len(right & calls)}/{len(calls)}", end="")
        print(f", of the sure ones {len(right & sure)}/{len(sure)}")
        for name in sorted(presented):
            note = " (the time is left out)" if verdicts[name].untimed else ""
            if note or verdicts[name].wrong:
                print(f"  {name}: {'; '.join(verdicts[name].wrong) or 'right'}{note}")
    assert len(right) == len(presented)  # precision
    assert len(right & sure) / len(sure) >= SURE_RECALL_FLOOR
    assert len(right & calls) / len(calls) >= RECALL_FLOOR
    assert open_ones["asked"] / open_ones.total() >= ASKED_FLOOR
    assert noise["asked"] <= NOISE_CEILING


def outcomes_of(kind: str, confidence: str, verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """What came of the notes with such a label."""
    for name, label in LABELS.notes.items():
        if (label["kind"], label["confidence"]) == (kind, confidence):
            yield verdicts[name].outcome


# ---------------------------------------------------------------- the labels themselves


def test_enough_notes_are_labelled_and_every_label_is_complete():
    assert len(LABELS.notes) >= 150
    for name, label in LABELS.notes.items():
        assert label["kind"] in {"call", "question", "not-a-plan"}, name
        assert label["confidence"] in {"sure", "debatable"}, name
        assert label["why"], name
        assert label["confidence"] == "sure" or label.get("remark"), name
        assert label["kind"] != "call" or label["calls"], name
        assert all(call["action"] in LABELS.actions for call in label.get("calls", ())), name


def test_the_labels_hold_no_long_text_and_no_address_of_a_note():
    for name, label in LABELS.notes.items():
        for call in label.get("calls", ()):
            plain = [value for _, value in leaves(call) if isinstance(value, str)]
            for value in plain:
                if value.startswith(HASHED) or len(value) == len(hashed("")):
                    continue
                assert len(value) <= LONGEST_PLAIN, name
                assert not is_reachable(value), name


@needs_corpus
def test_every_label_is_of_a_note_in_the_index():
    index = (CORPUS / "INDEX.tsv").read_text(encoding="utf-8").splitlines()
    assert LABELS.notes.keys() <= {line.split("\t")[0] for line in index}


# ---------------------------------------------------------------- the comparison sees what it must see

NOTE = "To: Ann <ann@example.com>. Pay 500.00 for the hosting, priority high. The text: Dear Ann."
WANTED = {
    "kind": "call",
    "calls": [
        {
            "action": "send_email",
            "to": [HASHED + hashed("ann@example.com")],
            "subject": "Hosting",
            "text": {"sha256": hashed("Dear Ann,\n\nthe bill."), "length": 19},
            "amount": "500.00",
            "files": ["bills/1.pdf"],
        }
    ],
}
RIGHT = {
    "recipient": "Ann@Example.com",
    "title": "Hosting",
    "content": "Dear Ann,  \r\n\r\nthe bill.\n",
    "amount": "$500",
    "attachments": ["bills/1.pdf"],
}


def _differences(arguments: dict[str, Any], action: str = "email_send") -> list[str]:
    plan = Plan("x", (Step("step-1", "x", action, arguments),))
    return differences(WANTED, plan, NOTE, Catalogue(), LABELS)


def test_a_call_is_right_whatever_its_arguments_are_called():
    assert _differences(RIGHT) == []
    assert _differences({**RIGHT, "priority": "high"}) == []
    assert _differences(RIGHT, "mail.send_email") == []


@pytest.mark.parametrize(
    "change",
    [
        {"recipient": "bob@example.com"},
        {"title": "Hosting!"},
        {"content": "Dear Ann."},
        {"content": NOTE},
        {"amount": "5,000"},
        {"amount": 50},
        {"attachments": []},
        {"cc": "bob@example.com"},
        {"phone": "+49 170 1234567"},
        {"footer": "never in the note"},
        {"footer": "The text: Dear Ann. " * 5},
        {"late_amount": "1"},
    ],
    ids=str,
)
def test_a_call_that_differs_from_its_label_is_noticed(change):
    assert _differences({**RIGHT, **change})


def test_another_action_or_another_number_of_calls_is_noticed():
    assert _differences(RIGHT, "payment")
    step = Step("step-1", "x", "email_send", RIGHT)
    twice = Plan("x", (step, replace(step, id="step-2")))
    assert differences(WANTED, twice, NOTE, Catalogue(), LABELS) == ["2 calls instead of 1"]


def test_a_general_post_must_name_the_platform():
    wanted = {"calls": [{"action": "linkedin_post", "text": {"sha256": hashed("Hi"), "length": 2}}]}
    for platform, right in (("LinkedIn", True), ("facebook", False)):
        plan = Plan("x", (Step("step-1", "x", "social_post", {"text": "Hi", "platform": platform}),))
        assert (differences(wanted, plan, f"Hi {platform}", Catalogue(), LABELS) == []) is right


@pytest.mark.parametrize(
    ("value", "amount"),
    [("$2026", 2026), ("Rs. 1,20,000", 120000), ("500.00", 500), ("€ 3.50", 3.5), (12, 12)],
)
def test_an_amount_is_read_with_its_currency(value, amount):
    assert money(value) == pytest.approx(amount, rel=0)


def test_what_is_no_amount_is_not_read_as_one():
    assert [money(value) for value in ("Invoice #1234", "2026-01-31", True, None, "600 a month")] == [
        None
    ] * 5
