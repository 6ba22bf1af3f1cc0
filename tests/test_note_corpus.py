"""Notes as they were found in real vaults: read or refused with the fix, and spliced without a loss."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from signoff.errors import NoteError
from signoff.note.document import Note, parse
from signoff.note.keys import DAEMON_KEYS
from signoff.note.mend import mend
from signoff.note.splice import CannotSplice, set_keys, set_section, without_daemon_parts

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "notes"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not part of the project")


@pytest.fixture(scope="module")
def corpus() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPUS.glob("*.md"))]


def reading(data: bytes) -> Note | NoteError:
    try:
        return parse(data)
    except NoteError as error:
        return error


@pytest.mark.promise("4")
def test_every_real_note_is_read_or_refused_with_line_column_and_fix(corpus):
    refused = [read for read in map(reading, corpus) if isinstance(read, NoteError)]
    assert len(refused) < len(corpus) / 8
    for error in refused:
        assert error.line is not None
        assert error.column is not None
        assert error.hint


@pytest.mark.promise("4")
def test_every_broken_note_in_the_corpus_can_be_mended(corpus):
    for data in corpus:
        if isinstance(reading(data), NoteError):
            mended = mend(data)
            assert mended is not None
            assert parse(mended).front is not None


@pytest.mark.promise("4")
def test_writing_to_a_real_note_changes_only_the_daemons_lines(corpus):
    for data in corpus:
        changed = set_section(data, "> [!success] Done")
        try:
            changed = set_keys(changed, {"progress": "3/3", "risk": "low"})
        except CannotSplice:
            assert isinstance(reading(data), NoteError)
        lost = Counter(data.splitlines()) - Counter(changed.splitlines())
        assert all(line.startswith((b"risk:", b"progress:")) for line in lost)
        assert set_section(changed, None) == set_section(set_section(changed, "> other"), None)
        assert without_daemon_parts(changed, DAEMON_KEYS) == without_daemon_parts(data, DAEMON_KEYS)
