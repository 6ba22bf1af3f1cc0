"""The fast path of the canonical form is the reference form, byte for byte."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given, settings
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


@settings(max_examples=1000, deadline=None)
@given(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(1e-4, 2e15),
        st.integers(-(10**9), 10**9).map(lambda number: number / 10),
        st.sampled_from([0.001, 999999999999999.9, 1e15, 1e15 - 0.125, 0.1 + 0.2, 5e-324, -0.0, 1.5]),
    )
)
def test_every_fraction_is_written_as_the_standard_has_it(number):
    assert canonical({"ms": number}) == rfc8785.dumps({"ms": number})
