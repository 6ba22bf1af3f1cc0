"""Hostile text is shown exactly, and nothing in it acts."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from say_material import ATTACKS, hostile
from signoff.say.escape import bounded, code, fenced, fenced_json, inline, plain_property, sentence, visible

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])

json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), hostile
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile, inner, max_size=3),
    max_leaves=6,
)


def read_back(shown: str) -> str:
    r"""What a careful reader makes of it: `\uXXXX` is that character, doubled backslashes are one each."""

    def replace(match: re.Match[str]) -> str:
        slashes, braced, plain = len(match[1]), match[2], match[3]
        if slashes % 2 == 0:
            return "\\" * (slashes // 2) + match[0][slashes:]
        return "\\" * (slashes // 2) + chr(int(braced or plain, 16))

    return re.sub(r"(\\+)u(?:\{([0-9a-f]+)\}|([0-9a-f]{4})|)", replace, shown)


def spans(markdown: str) -> list[tuple[str, str]]:
    """Type and content of everything inline in a rendered paragraph."""
    tokens = MARKDOWN.parse(f"start {markdown} end")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    return [(child.type, child.content) for child in tokens[1].children or []]


@given(hostile)
def test_visible_text_can_be_read_back_without_loss(text: str) -> None:
    assert read_back(visible(text)) == text


@given(hostile)
def test_visible_text_holds_nothing_that_cannot_be_seen(text: str) -> None:
    shown = visible(text)
    assert all(c == "\n" or c == "\ufe0f" or c.isprintable() for c in shown)
    assert "<%" not in shown
    assert "::" not in shown


@given(hostile)
def test_a_code_span_shows_exactly_the_text_and_nothing_leaves_it(text: str) -> None:
    shown = code(text)
    assert "\n" not in shown
    assert "|" not in shown
    found = spans(shown)
    assert [kind for kind, _ in found] == ["text", "code_inline", "text"]
    if text:
        assert read_back(found[1][1]) == text


@given(hostile)
def test_a_code_span_is_never_an_inline_query(text: str) -> None:
    assert not re.match(r"`\s*(=|\$=|dv:|~)", code(text))


@given(json_values)
def test_an_inline_value_is_one_code_span_that_reads_back_as_the_same_json(value: object) -> None:
    found = spans(inline(value))
    assert [kind for kind, _ in found] == ["text", "code_inline", "text"]
    assert json.loads(found[1][1]) == value
    assert not re.search(r"[|\n]|<%|::|%%", inline(value))


@given(hostile)
def test_a_fence_holds_the_whole_text_and_is_not_left_by_it(text: str) -> None:
    tokens = MARKDOWN.parse(
        "\n".join(["> [!info] x", *(f"> {line}" if line else ">" for line in fenced(text))])
    )
    kinds = [token.type for token in tokens]
    assert kinds == [
        "blockquote_open",
        "paragraph_open",
        "inline",
        "paragraph_close",
        "fence",
        "blockquote_close",
    ]
    assert tokens[4].info == "text"
    assert read_back(tokens[4].content) == text + "\n"


@given(json_values)
def test_a_json_fence_reads_back_as_the_same_json(value: object) -> None:
    tokens = MARKDOWN.parse("\n".join(f"> {line}" for line in fenced_json(value)))
    assert [token.type for token in tokens] == ["blockquote_open", "fence", "blockquote_close"]
    assert json.loads(tokens[1].content) == value


@given(hostile)
def test_a_sentence_is_plain_words_and_code_spans_on_one_line(text: str) -> None:
    shown = sentence(text)
    assert "\n" not in shown
    for kind, content in spans(shown):
        assert kind in {"text", "code_inline"}
        if kind == "text":
            assert not re.search(r"[\[\]#$^<>{}=*_|~%\\&@]|::|://|www\.", content)


@given(hostile)
def test_a_sentence_at_the_start_of_a_line_is_a_paragraph(text: str) -> None:
    shown = sentence(text)
    if shown:
        assert MARKDOWN.parse(shown)[0].type == "paragraph_open"


def test_plain_prose_stays_as_it_is_and_names_become_code() -> None:
    plain = 'The server said "no", twice (at 12:30): 50% of 1.5 - it\'s over. `ana` is not there (`none` is).'
    assert sentence(plain) == plain
    assert sentence("See config/signoff.toml.") == "See `config/signoff.toml`."
    assert sentence("one <b>two three_four</b> five") == "one `<b>two three_four</b>` five"


def test_a_long_sentence_is_cut_and_says_so() -> None:
    assert sentence("word " * 300).endswith("…")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_property_neither_links_nor_runs(attack: str) -> None:
    shown = plain_property(f"refused: {attack}")
    assert not re.search(r"\[\[|\]\(|://|<%|\{\{|::|\n", shown)


def test_long_runs_of_backslashes_are_read_once() -> None:
    run = "\\" * 1_000_000
    assert visible(run) == run
    assert code(run + "x") == f"`{run}x`"
    assert visible(run + "\u200b") == run * 2 + r"\u200b"


def test_letters_of_another_alphabet_inside_a_word_are_spelled_out() -> None:
    assert inline("p\u0430ypal.com") == r'`"p\u0430ypal.com"`'
    assert inline("Привет, Jürgen, 東京") == '`"Привет, Jürgen, 東京"`'


def test_short_results_stay_whole_and_long_ones_say_how_much_is_missing() -> None:
    assert bounded("a" * 2000) == "a" * 2000
    assert bounded("a" * 3234).endswith("\n… (1,234 more characters in the log)")
