"""Notes as they were found in real vaults: none crashes the reader, and every refusal says where and what."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from literal import contradicted, cut, missing
from signoff import observe
from signoff.catalogue import load_catalogue
from signoff.errors import NoteError
from signoff.model import Plan, Step
from signoff.note.mend import mend

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "notes"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not part of the project")
CATALOGUE = load_catalogue(None)
PRESENTED_FLOOR = 80
"""Notes of the corpus that are presented at least, once known breakages are mended."""


def outcome(data: bytes) -> Plan | NoteError | None:
    reading = observe.read("x.md", data, CATALOGUE)
    return reading.plan if reading.left_alone or reading.problem is None else reading.problem


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Plan | NoteError | None]:
    notes = {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.md"))}
    return {name: outcome(mend(data) or data) for name, data in notes.items()}


@needs_corpus
@pytest.mark.promise("4")
def test_every_refusal_has_line_and_advice(outcomes: dict[str, Plan | NoteError | None]) -> None:
    refused = [found for found in outcomes.values() if isinstance(found, NoteError)]
    assert refused
    for error in refused:
        assert error.line is not None
        assert error.message
        assert error.hint


@needs_corpus
@pytest.mark.promise("4")
def test_every_value_presented_stands_in_its_note_and_no_line_says_otherwise(
    outcomes: dict[str, Plan | NoteError | None],
) -> None:
    presented = {name: found for name, found in outcomes.items() if isinstance(found, Plan)}
    odd = {}
    for name, plan in presented.items():
        source = (CORPUS / name).read_text(encoding="utf-8")
        said = [*missing(source, plan), *contradicted(source, plan)]
        said += [each for step in plan.steps for each in cut(source, step)]
        if said:
            odd[name] = said
    assert odd == {}
    assert len(presented) >= PRESENTED_FLOOR


@needs_corpus
@pytest.mark.promise("4")
def test_the_median_note_is_read_in_well_under_50_ms() -> None:
    times = []
    for path in sorted(CORPUS.glob("*.md")):
        data = path.read_bytes()
        before = time.perf_counter()
        outcome(data)
        times.append(time.perf_counter() - before)
    assert statistics.median(times) < 0.05


# ---------------------------------------------------------------- the look sees what it must see

LETTER = (
    "---\naction: send_email\nto: ana@example.com\n---\n# Mail\n**Amount:** $50.00\n"
    "## Message\nDear Ana,\n\nsoon.\n## Notes\nx\n"
)
RIGHT = {"to": "ana@example.com", "body": "Dear Ana,\n\nsoon.", "amount": 50}


def seen(**changed: object) -> list[str]:
    step = Step("step-1", "x", "send_email", {**RIGHT, **changed})  # type: ignore[dict-item]
    plan = Plan("x", (step,))
    return [*missing(LETTER, plan), *contradicted(LETTER, plan), *cut(LETTER, step)]


def test_what_the_note_says_is_found_in_it() -> None:
    assert seen() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"to": "eve@example.com"},
        {"body": "Dear Ana,\n\nlater."},
        {"body": "Dear Ana,\n\nsoon.\n## Notes"},
        {"body": "## Message\nDear Ana,"},
        {"amount": 5},
        {"subject": "Figures"},
    ],
    ids=str,
)
def test_a_value_that_the_note_does_not_say_is_noticed(changed: dict[str, object]) -> None:
    assert seen(**changed)


def test_a_recipient_or_a_sum_that_another_line_contradicts_is_noticed() -> None:
    plan = Plan("x", (Step("step-1", "x", "send_email", {"to": "ana@example.com", "amount": 50}),))
    assert contradicted(LETTER, plan) == []
    assert contradicted(LETTER.replace("# Mail", "**To:** eve@example.com"), plan)
    assert contradicted(LETTER.replace("$50.00", "$500.00"), plan)
