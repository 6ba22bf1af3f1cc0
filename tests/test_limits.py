"""Limits hold only where they are plainly true; whatever cannot be told does not hold."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signoff.limits import LimitError, check, final_arguments, first_broken, holds

PAYMENT = {
    "amount": 499.5,
    "count": 5,
    "currency": "EUR",
    "to": "ana@example.com",
    "cc": None,
    "urgent": True,
    "rows": [{"n": 1}, {"n": 2}],
    "list": [1, 2, 3],
    "deep": {"x": 1},
}


@pytest.mark.promise("6")
@pytest.mark.parametrize(
    "expression",
    [
        "with.amount <= 500 && with.currency == 'EUR'",
        "with.count <= 5.5",
        "5.0 == with.count",
        "with.count + 0.5 < 6",
        "with.amount - 1 < 499",
        "with.count * 2.0 == 10",
        "with.amount + with.amount - 0.5 <= 998.5 && with.amount * 2.0 > 998.0",
        "with.to.endsWith('@example.com')",
        "with.to.matches('^[^@]+@example[.]com$')",
        "with.currency in ['EUR', 'USD']",
        "with.rows.all(row, row.n < 3)",
        "!with.list.exists(x, x > 3)",
        "size(with.list) == 3",
        "has(with.to) && !has(with.bcc)",
        "!has(with.bcc) || with.bcc == ''",
        "with.cc == null",
        "with.to != null",
        "with['to'] == 'ana@example.com'",
        "with.deep == {'x': 1}",
        "with.urgent",
        "with.amount > 100 ? with.currency == 'EUR' : true",
        "plan.id == 'p-1' && step.id == 'pay'",
        "duration('5m') < duration('1h')",
        "with.list + [4] == [1, 2, 3, 4] && 'a' + 'b' == 'ab'",
        "with.to.contains('@') && b'a' == b'a' && 'urgent' in with",
        "with.count - 1 == 4 && 2.5 * with.count == 12.5",
        "with.currency in [1, 'EUR'] && !(with.currency in [1, 2])",
    ],
)
def test_a_limit_that_is_met_holds(expression: str) -> None:
    verdict = holds(expression, PAYMENT, plan={"id": "p-1"}, step={"id": "pay"})
    assert verdict.holds, verdict.message
    assert bool(verdict)


@pytest.mark.promise("6")
@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("with.amount <= 499", "outside it"),
        ("with.ammount <= 500", "no 'ammount'"),
        ("with.bcc == ''", "no 'bcc'"),
        ("wiht.amount <= 500", "'wiht'"),
        ("with.amount", "not true or false"),
        ("'true'", "not true or false"),
        ("with.urgent <= 500", "true or false cannot be compared with a number"),
        ("with.urgent == 1", "cannot be compared"),
        ("[true] == [1]", "cannot be compared"),
        ("with.currency <= 500", "a text cannot be compared with a number"),
        ("with.cc <= 500", "null cannot be compared"),
        ("with.to in 'ana@example.com'", "needs a list"),
        ("!with.to.exists(x, x == 'b')", "needs a list"),
        ("!(with.missing == 1)", "no 'missing'"),
        ("!(with.count && true)", "a number is not true or false"),
        ("1 && true", "is not true or false"),
        ("with.list.reduce(a, b, 0, a + b) < 100", "`reduce`"),
        ("'a' * 1000000000 != ''", "cannot be multiplied"),
        ("with.to.matches('(')", "pattern is not valid"),
        ("with.list[5] == 1", "does not hold"),
        ("with.urgent + with.urgent == 2", "cannot be added"),
        ("2 - with.urgent == 1", "cannot be subtracted"),
        ("with.count < null", "cannot be compared with null"),
        ("with.count.contains('5')", "needs texts"),
        ("with.count.matches('5')", "needs texts"),
        ("size(with.count) == 1", "needs a text or a list"),
        ("with.missing in with.list", "no 'missing'"),
        ("with.missing + 1 == 2", "no 'missing'"),
        ("with.missing.contains('x')", "no 'missing'"),
        ("with.missing.all(x, true)", "no 'missing'"),
        ("1 / 0 == 1", "does not hold"),
        ("9223372036854775807 + 1 > 0", "overflow"),
        ("nope(with.to)", "'nope'"),
        ("with.__class__ == 1", "'__class__'"),
        ("with.to.size() <", "not a valid expression"),
        ("", "empty"),
    ],
)
def test_a_limit_that_is_not_plainly_true_does_not_hold_and_says_why(expression: str, why: str) -> None:
    verdict = holds(expression, PAYMENT)
    assert not verdict
    assert why in verdict.message
    assert "class '" not in verdict.message
    assert "celpy" not in verdict.message


def test_the_message_shows_the_limit_and_never_the_values() -> None:
    message = holds("with.iban == 'DE00'", {"iban": "DE89370400440532013000"}).message
    assert message == "The limit `with.iban == 'DE00'` does not hold: the arguments are outside it."


def test_a_number_beyond_64_bits_does_not_hold() -> None:
    assert not holds("with.amount > 1", {"amount": 2**70})


@given(
    amount=st.one_of(
        st.none(),
        st.booleans(),
        st.text(max_size=5),
        st.lists(st.integers(), max_size=2),
        st.integers(),
        st.floats(allow_nan=True),
    ),
)
@example(amount=500)
@example(amount=500.00000001)
@example(amount=True)
@example(amount="1")
@pytest.mark.promise("6")
def test_an_amount_passes_only_as_a_number_within_the_limit(amount: object) -> None:
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    within = is_number and amount <= 500 and not (isinstance(amount, int) and amount < -(2**63))  # type: ignore[operator]
    assert holds("with.amount <= 500", {"amount": amount}).holds is within  # type: ignore[dict-item]


@given(
    st.text(max_size=60),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
)
def test_no_expression_and_no_arguments_make_it_fail_in_another_way(
    expression: str, arguments: dict[str, int]
) -> None:
    verdict = holds(expression, arguments)  # type: ignore[arg-type]
    assert verdict.holds or verdict.message


EXPRESSIONS = st.recursive(
    st.sampled_from(
        ["with.a", "with.b.c", "1", "2.5", "'x'", "true", "null", "[1, 'a']", "plan", "{'k': 1}"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "&&", "||", "==", "<", "in"]), inner).map(
            " ".join
        ),
        inner.map("!({})".format),
        inner.map("size({})".format),
        st.tuples(inner, st.sampled_from(["all", "exists", "map", "filter"]), inner).map(
            lambda t: f"({t[0]}).{t[1]}(v, {t[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
    ),
    max_leaves=8,
)


@given(
    EXPRESSIONS,
    st.fixed_dictionaries({"a": st.integers() | st.text(max_size=3) | st.lists(st.booleans(), max_size=3)}),
)
def test_well_formed_expressions_of_any_kinds_never_fail_in_another_way(
    expression: str, arguments: dict[str, int]
) -> None:
    verdict = holds(expression, arguments)  # type: ignore[arg-type]
    assert verdict.holds or verdict.message


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 100 + "true" + ")" * 100,
        "(" * 3000,
        "!" * 3000 + "true",
        "-" * 3000 + "1",
        "&&".join(["true"] * 600),
        "with" + "[0]" * 1000,
        "'" + "x" * 5000 + "'",
        "\x00",
        "\ud800",
    ],
)
def test_an_expression_beyond_the_bounds_is_refused_when_it_is_checked(expression: str) -> None:
    with pytest.raises(LimitError):
        check(expression)
    assert not holds(expression, PAYMENT)


@pytest.mark.parametrize("expression", ["(" * 30 + "true" + ")" * 30, " && ".join(["with.count == 5"] * 100)])
def test_an_expression_within_the_bounds_is_evaluated(expression: str) -> None:
    check(expression)
    assert holds(expression, PAYMENT)


@pytest.mark.parametrize(
    "expression",
    [
        "with.l.all(x, with.l.all(y, with.l.all(z, true)))",
        "with.l.all(x, !(x in with.l) || true)",
        "with.l.map(x, with.l).all(x, x == with.l)",
        "with.l.all(x, with.s.matches('(a*)*b'))",
        "with.l.all(x, (with.s + with.s).contains('b'))",
        "size(with.l.map(x, with.l + with.l).map(x, x + x)) == 0",
    ],
)
def test_an_evaluation_that_would_run_away_is_stopped(expression: str) -> None:
    start = time.process_time()
    verdict = holds(expression, {"l": list(range(3000)), "s": "a" * 100_000})
    assert "too many steps" in verdict.message
    assert time.process_time() - start < 20  # unbounded, each takes minutes


def test_a_list_of_some_thousand_recipients_is_no_run_away() -> None:
    assert holds("with.to.all(x, x.endsWith('@example.com'))", {"to": ["ana@example.com"] * 2000})


def test_a_wrong_expression_is_refused_with_line_and_column() -> None:
    with pytest.raises(LimitError) as caught:
        check("with.amount <= 500\n  and true")
    assert (caught.value.line, caught.value.column is not None) == (2, True)


# ---------------------------------------------------------------- several


def test_the_first_of_several_limits_that_does_not_hold_is_named() -> None:
    assert first_broken([], PAYMENT)
    assert first_broken(["with.count == 5", "with.urgent"], PAYMENT)
    assert "`with.count > 5`" in first_broken(["with.urgent", "with.count > 5", "false"], PAYMENT).message


def test_limits_see_the_tools_names_and_the_actions_and_the_tools_win() -> None:
    assert final_arguments({"to": "a", "x": 1}, {"recipient": "a", "x": 2}) == {
        "to": "a",
        "recipient": "a",
        "x": 2,
    }
