"""docs/notes.md tells the truth: its examples are read, and end, as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from signoff import observe
from signoff.catalogue import load_catalogue
from signoff.plan.dialects.read import WHERE

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "notes.md").read_text(encoding="utf-8")
CATALOGUE = load_catalogue(None)
EXAMPLES = re.findall(
    r"^<!-- (reads|asks): ([^\n]+) -->\n````markdown\n(.*?)^````$", TEXT, re.MULTILINE | re.DOTALL
)


@pytest.mark.promise("4")
@pytest.mark.parametrize(("what", "wanted", "note"), EXAMPLES)
def test_an_example_comes_to_what_the_page_says(what: str, wanted: str, note: str) -> None:
    reading = observe.read("x.md", note.encode(), CATALOGUE)
    if what == "asks":
        assert reading.problem is not None
        assert reading.problem.code == wanted
    else:
        assert reading.problem is None
        assert reading.plan is not None
        assert ", ".join(step.action for step in reading.plan.steps) == wanted


def test_every_form_has_an_example() -> None:
    plans = (observe.read("x.md", note.encode(), CATALOGUE).plan for _, _, note in EXAMPLES)
    shown = {plan.dialect for plan in plans if plan is not None}
    assert shown == set(WHERE) - {"steps", "front-matter", "short"}  # those are the README's


def test_the_readme_leads_to_the_page() -> None:
    assert "docs/notes.md" in (ROOT / "README.md").read_text(encoding="utf-8")
