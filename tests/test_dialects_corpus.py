"""Notes as they were found in real vaults: none crashes the reader, and every refusal says where and what."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from signoff.catalogue import load_catalogue
from signoff.errors import NoteError
from signoff.model import Plan
from signoff.note.document import parse
from signoff.note.mend import mend
from signoff.plan.read import read_plan

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "notes"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not part of the project")
CATALOGUE = load_catalogue(None)


def outcome(data: bytes) -> Plan | NoteError | None:
    try:
        return read_plan(parse(data), CATALOGUE, fallback_title="x")
    except NoteError as error:
        return error


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Plan | NoteError | None]:
    notes = {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.md"))}
    return {name: outcome(mend(data) or data) for name, data in notes.items()}


@pytest.mark.promise("4")
def test_every_refusal_has_line_and_advice(outcomes: dict[str, Plan | NoteError | None]) -> None:
    refused = [found for found in outcomes.values() if isinstance(found, NoteError)]
    assert refused
    for error in refused:
        assert error.line is not None
        assert error.message
        assert error.hint


@pytest.mark.promise("4")
def test_every_text_and_recipient_presented_stands_in_its_note(
    outcomes: dict[str, Plan | NoteError | None],
) -> None:
    presented = 0
    for name, found in outcomes.items():
        if not isinstance(found, Plan):
            continue
        source = " ".join((CORPUS / name).read_text(encoding="utf-8").split())
        for step in found.steps:
            presented += 1
            for key in {"to", "text", "body", "subject"} & step.arguments.keys():
                value = step.arguments[key]
                if isinstance(value, str) and found.dialect != "fence":
                    assert " ".join(value.split()) in source
    assert presented > 40


@pytest.mark.promise("4")
def test_the_median_note_is_read_in_well_under_50_ms() -> None:
    times = []
    for path in sorted(CORPUS.glob("*.md")):
        data = path.read_bytes()
        before = time.perf_counter()
        outcome(data)
        times.append(time.perf_counter() - before)
    assert statistics.median(times) < 0.05
