"""Expressions are found, checked, and replaced once, as data."""

from __future__ import annotations

import celpy
import celpy.evaluation
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.errors import NoteError
from signoff.model import Call, Json
from signoff.plan.conditions import holds, names_in_condition
from signoff.plan.expressions import (
    LONGEST,
    LONGEST_TEXT,
    Names,
    evaluate,
    expressions_in,
    late_arguments,
    names_in_value,
    only_expression,
)
from signoff.plan.formulas import _FUNCTIONS, _METHODS

CONTEXT: dict[str, Json] = {
    "steps": {
        "a": {
            "ok": True,
            "failed": False,
            "skipped": False,
            "result": {
                "n": 5,
                "text": "x ${{ plan.id }}",
                "list": [{"y": 1.5}, None],
                "my-key": "k",
                "a b": 1,
            },
        },
        "step-1": {"ok": False, "failed": True, "skipped": False, "result": None},
    },
    "plan": {"id": "p-1"},
    "item": {"name": "ana", "n": 3},
}


celpy.Environment()  # it sets the depth of recursion, which must not happen within a test of many examples


def refused(code: str, run: object, *arguments: object) -> NoteError:
    with pytest.raises(NoteError) as caught:
        run(*arguments)  # type: ignore[operator]
    assert caught.value.code == code
    return caught.value


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("${{ steps.a.result.n }}", 5),
        ("${{steps.a.result.list}}", [{"y": 1.5}, None]),
        ("${{ steps.a.result.list[0].y }}", 1.5),
        ("${{ steps.a.result.list[1] }}", None),
        ("${{ steps.a.result.my-key }}", "k"),
        ("${{ steps.a.result['a b'] }}", 1),
        ("${{ steps['a'].ok }}", True),
        ("${{ steps.step-1.failed }}", True),
        ("${{ plan.id }}", "p-1"),
        ("${{ item.name }}", "ana"),
        ("${{ 'a }text' }}", "a }text"),
        ("id ${{ plan.id }}, n=${{ steps.a.result.n }}", "id p-1, n=5"),
        ("${{ plan.id }} ", "p-1 "),
        ("${{ plan.id }}${{ item.n }}", "p-13"),
        ("all: ${{ steps.a.result.list }}", 'all: [{"y":1.5},null]'),
        ("ok: ${{ steps.a.ok }}", "ok: true"),
        ({"a": ["${{ item.n }}", {"b": "<${{ item.n }}>"}], "c": 1}, {"a": [3, {"b": "<3>"}], "c": 1}),
        ("$ {{ plan.id }} }} {{", "$ {{ plan.id }} }} {{"),
        ("${{ 1 + 1 }}", 2),
        ("${{ steps.a.result.n + 1 }}", 6),
        ("${{ steps.a.result.n * 1.5 }}", 7.5),
        ("${{ 4.0 / 2.0 }}", 2.0),
        ("${{ 1.5 + 1.5 }}", 3.0),
        ("${{ 2.0 * 3.0 - 1.0 }}", 5.0),
        ("${{ string(true) + string(1.5) }}", "true1.5"),
        ("${{ steps.step-1.failed && item.n == 3 }}", True),
        ("${{ size(steps.a.result.list) }}", 2),
        ("${{ steps.a.result.list.filter(x, x != null) }}", [{"y": 1.5}]),
        ("${{ [1, 2, 3].map(x, {'n': x, 'l': [x, null]}) }}", [{"n": n, "l": [n, None]} for n in (1, 2, 3)]),
        ("${{ steps.a.result.n > 4 ? 'many' : 'few' }}", "many"),
        ("${{ steps.a.result.n > 5 ? 1 : null }}", None),
        ("no ${{ item.n + 1 }} of ${{ plan.id + '!' }}", "no 4 of p-1!"),
        ("${{ steps.a.result.text + 'y' }}", "x ${{ plan.id }}y"),
    ],
)
def test_a_value_that_is_only_one_expression_keeps_its_type(template, value):
    result = evaluate(template, CONTEXT)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.promise("7")
def test_what_was_substituted_is_never_expanded_again():
    assert evaluate("${{ steps.a.result.text }}", CONTEXT) == "x ${{ plan.id }}"
    assert evaluate("<${{ steps.a.result.text }}>", CONTEXT) == "<x ${{ plan.id }}>"


@given(st.text())
def test_data_passes_through_unchanged_whatever_is_in_it(text):
    context = {"item": text, "steps": {}, "plan": {"id": "p"}}
    assert evaluate("${{ item }}", context) == text
    assert evaluate("a${{ item }}b${{ item }}", context) == f"a{text}b{text}"


@given(st.text().filter(lambda text: "${{" not in text))
def test_text_without_an_expression_is_itself(text):
    assert evaluate(text, {}) == text
    assert list(expressions_in(text)) == []


@given(st.text(alphabet="${} .steps[]'\"0a-", max_size=40))
def test_any_text_is_evaluated_or_refused_in_words(text):
    try:
        evaluate(text, CONTEXT)
    except NoteError as error:
        assert error.code in {"expression-invalid", "expression-failed"}  # noqa: PT017


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("${{ steps.a.result.nope }}", "there is no `nope`; there is `n`, `text`"),
        ("${{ steps.a.result.list[2] }}", "it is a list of 2"),
        ("${{ steps.a.result.n.x }}", "it is a single value"),
        ("${{ steps.gone.ok }}", "there is no `gone`"),
        ("${{ steps.step-1.result.x }}", "it is null"),
        ("with text: ${{ steps.step-1.result }}", "null, which has no text"),
        ("${{ item[0] }}", "there is no `0`"),
    ],
)
def test_a_value_that_is_missing_is_an_error_that_says_what_there_is(template, says):
    assert says in refused("expression-failed", evaluate, template, CONTEXT).message


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("${{ 1 / 0 }}", "divide by zero"),
        ("${{ 1.0 / 0 }}", "divide by zero"),
        ("${{ 1e308 * 10.0 }}", "no number that JSON can carry"),
        ("${{ 9223372036854775807 + 1 }}", "overflow"),
        ("${{ item.n + 'x' }}", "kinds that do not go together"),
        ("${{ bytes('x') }}", "kinds"),
        ("${{ steps.a.result.nope + 1 }}", "no such member"),
        ("${{ item.l.map(a, item.l.map(b, a + b)) }}", "too many steps"),
        (["${{ item.l.map(a, a + 1) }}"] * 100, "too many steps"),
        ("${{ " + "!" * 4000 + "true }}", "nested too deep"),
        ("${{ [1, 2][-1] + 1 }}", ""),
        ("${{ item.l[-1] }}", ""),
        ("${{ [1, 2][2] + 1 }}", ""),
    ],
)
def test_a_formula_that_has_no_value_fails_in_words(template, says):
    context: dict[str, Json] = {**CONTEXT, "item": {"n": 3, "l": list(range(3000))}}
    names_in_value(template)
    assert says in refused("expression-failed", evaluate, template, context).message


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_a_value_keeps_its_kind_through_a_formula(value):
    kept = evaluate("${{ [item][0] }}", {"item": value, "steps": {}, "plan": {"id": "p"}})
    assert repr(kept) == repr(value)


def test_a_text_does_not_grow_without_bound():
    context: dict[str, Json] = {"item": "x" * 1_000_000}
    template = "${{ item }} " * (LONGEST_TEXT // 1_000_000 + 1)
    assert "longer than" in refused("expression-failed", evaluate, template, context).message


@pytest.mark.parametrize(
    "template",
    [
        "${{ plan.id",
        "${{ }}",
        "${{ steps }}",
        "${{ steps.a }}",
        "${{ steps.a.status }}",
        "${{ steps.a.ok.x }}",
        "${{ plan }}",
        "${{ plan.title }}",
        "${{ env.HOME }}",
        "${{ item.__class__.__mro__() }}",
        "${{ item | upper }}",
        "${{ ${{ plan.id }} }}",
        "${{ " + "a" * LONGEST + " }}",
        {"${{ plan.id }}": 1},
        "${{ always() }}",
        "${{ plan.title + 'x' }}",
        "${{ plan.id.x + 'x' }}",
        "${{ size(steps) }}",
        "${{ getenv('HOME') + 'x' }}",
        "${{ env.HOME + 'x' }}",
        "${{ open('x') }}",
        "${{ 1 + }}",
    ],
)
def test_what_is_no_expression_is_refused_at_check_time(template):
    refused("expression-invalid", names_in_value, template)


def test_late_arguments_are_named_by_their_paths():
    call = Call("s", "t", {"a": "${{ item }}", "b": [{"c": "x ${{ plan.id }}"}, "y"], "d": 1})
    assert late_arguments(call) == {("a",), ("b", 0, "c")}


def test_the_names_that_are_read_are_known():
    value: Json = ["${{ steps.a.ok }} ${{ steps['b-1'].result.x }}", {"x": "${{ item.y }}"}]
    assert names_in_value(value) == Names(frozenset({"a", "b-1"}), item=True)
    assert names_in_condition("steps.a.ok && !steps.b-1.failed || item.steps.c > 1") == Names(
        frozenset({"a", "b-1"}), item=True
    )
    assert names_in_condition("'steps.a.ok' == plan.id") == Names()


@pytest.mark.parametrize(
    ("text", "only"), [("${{ a }}", " a "), (" ${{ a }}", None), ("x", None), ("", None)]
)
def test_an_expression_alone_is_told_from_one_in_a_text(text, only):
    assert only_expression(text) == only


# ---------------------------------------------------------------- conditions


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("steps.a.ok", True),
        ("steps.step-1.ok", False),
        ("!steps.step-1.ok && steps.a.result.n > 4", True),
        ("steps['step-1'].failed || false", True),
        ("steps.a.result.n == 5.0", True),
        ("size(steps.a.result.list) == 2", True),
        ("steps.a.result.text.startsWith('x')", True),
        ("item.name in ['ana', 'bob']", True),
        ("steps.a.result.list.exists(one, one != null)", True),
        ('plan.id == "p-1"', True),
        ("true", True),
        ("has(steps.a.result.gone)", False),
    ],
)  # fmt: skip
def test_a_condition_is_worked_out(condition, value):
    names_in_condition(condition)
    assert holds(condition, CONTEXT) is value


@pytest.mark.parametrize(
    "condition",
    ["item", "item.n", "steps.a.result.gone > 1", "1 / 0 == 1", "item.name > 3", "steps.a.result.n", "'x'"],
)
def test_a_condition_without_a_truth_value_fails_rather_than_deciding(condition):
    refused("expression-failed", holds, condition, CONTEXT)


@pytest.mark.parametrize(
    "condition",
    [
        "", "  ", "(((", "steps.a.ok &&", "steps", "steps.a", "steps.a.okay && true", "foo > 1",
        "with.x == 1",
        "// c\ntrue", "r'x' == 'x'", "'''x''' == 'x'", "'x", "(" * 40 + "true" + ")" * 40,
        "a" * (LONGEST + 1),
        "steps[item].ok", "é == 1", "now() > 1", "getenv('HOME') == ''",
        "'%s'.format([1]) == '1'", "open('x')",
        "item.reduce(a, 0, 1) == 1", "env.HOME == ''", "true && x.y()",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused_at_check_time(condition):
    refused("expression-invalid", names_in_condition, condition)


TEN = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"
LONG_TEXT: dict[str, Json] = {
    "item": {"t": "x" * 100_000, "l": list(range(3000))},
    "steps": {},
    "plan": {"id": "p"},
}


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (
            f"{TEN}.all(a, {TEN}.all(b, {TEN}.all(c, {TEN}.all(d, {TEN}.all(e, a + b > 0)))))",
            "too many steps",
        ),
        ("['x']" + ".map(a, a + a)" * 200 + ".size() > 0", "too many steps"),  # twice as long each time
        ("[[1]]" + ".map(a, a + a)" * 200 + ".size() > 0", "too many steps"),
        ("[item.t]" + ".map(a, a + a)" * 10 + ".size() > 0", "too many steps"),
        ("item.l.all(a, a in item.l)", "too many steps"),
        ("item.l.exists(a, item.t.contains('y'))", "too many steps"),
        ("!" * 4000 + "true", "nested too deep"),
        ("1" + " + 1" * 900 + " > 0", "nested too deep"),
        ("true" + " && true" * 450, "nested too deep"),
        ("1 / 0 == 1", "divide by zero"),
        ("1 % 0 == 1", "divide by zero"),
        ("1.0 / 0.0 > 1.0", "divide by zero"),
        ("1.0 / 0 > 1.0", "divide by zero"),
        ("9223372036854775807 + 1 > 0", "overflow"),
        ("item.__class__ == 1", "no such member"),
    ],
)
def test_a_condition_that_loops_doubles_nests_or_divides_by_nothing_fails_in_words(condition, says):
    names_in_condition(condition)
    assert says in refused("expression-failed", holds, condition, LONG_TEXT).message


def test_a_division_is_exact_where_it_can_be_made():
    for condition in ("7 / 2 == 3", "7.0 / 2.0 == 3.5", "7 / 2.0 == 3.5", "-7 / 2 == -3"):
        assert holds(condition, CONTEXT) is True


@pytest.mark.parametrize("condition", ["item.l.size() > 0", "item.n == 5", "plan.id == 'p'"])
def test_a_million_items_are_not_looked_through(condition):
    context: dict[str, Json] = {"item": {"l": [0] * 1_000_000, "n": 5}, "steps": {}, "plan": {"id": "p"}}
    assert "too many" in refused("expression-failed", holds, condition, context).message
    assert holds("item.n", {**context, "item": {"l": [0] * 1_000_000, "n": True}}) is True, (
        "by reference it is"
    )


def test_every_function_that_may_be_called_is_there():
    known = celpy.evaluation.base_functions.keys() | {"has", "dyn"}
    assert known >= _FUNCTIONS
    assert _METHODS - {"all", "exists", "exists_one", "filter", "map"} <= known
    for condition in (
        "size(item.name) == 3",
        "item.name.startsWith('a')",
        "has(item.n) && dyn(true)",
        "type(1) == type(2)",
    ):
        assert holds(condition, CONTEXT) is True


def test_a_condition_that_takes_too_long_is_stopped():
    context: dict[str, Json] = {"item": list(range(2000)), "steps": {}, "plan": {"id": "p"}}
    slow = "item.all(a, item.all(b, item.all(c, a + b + c >= 0)))"
    assert "too many steps" in refused("expression-failed", holds, slow, context).message


@given(st.text(alphabet="steps.a-ok()!&|'\"[]0 itemplan=+", max_size=40))
def test_any_condition_is_worked_out_or_refused_in_words(text):
    try:
        names_in_condition(text)
        holds(text, CONTEXT)
    except NoteError as error:
        assert error.code in {"expression-invalid", "expression-failed"}  # noqa: PT017
