"""The fast path of the canonical form is the reference form, byte for byte."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from signoff.canonical import NotCanonical, canonical

numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=30,
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
    max_leaves=30,
)


@given(values | plain)
def test_the_canonical_form_is_that_of_the_reference_implementation(value):
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "character", [chr(code) for code in [*range(0x20), 0x22, 0x5C, 0x7F, 0x80, 0x2028, 0xFFFF]]
)
def test_every_escape_is_that_of_the_reference_implementation(character):
    assert canonical({"a": character}) == rfc8785.dumps({"a": character})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {"a": [2**70]}])
def test_what_json_cannot_carry_exactly_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical(value)


def test_keys_are_sorted_by_utf16_also_where_that_differs_from_utf8():
    assert canonical({"\U00010000": 1, "\uffff": 2}) == '{"\U00010000":1,"\uffff":2}'.encode()
