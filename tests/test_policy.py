"""The policy: the risk of each call, and the approval that a plan needs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.catalogue import Action, ActionTool, Catalogue
from signoff.errors import ConfigError
from signoff.model import Assessment, Call, FrozenPlan, FrozenStep, JsonObject, Method, Requirement, Risk
from signoff.policy import Policy, assess, explain, limits_on, load_policy, repeatable, strictest
from signoff.rules import DEFAULT_REQUIRES, Rule

PROJECT = Path(__file__).parent.parent
READ_ONLY: JsonObject = {"readOnlyHint": True}
DESTRUCTIVE: JsonObject = {"readOnlyHint": False, "destructiveHint": True}
NOTHING: JsonObject = {}

OF_THE_SPECIFICATION = """\
rules:                            # first match wins; globs; annotations as the server declares them
  - match: {server: bank, tool: "pay_*"}
    risk: high
    limits: "with.amount <= 500 && with.currency == 'EUR'"
    secret: [iban]
  - match: {tool: "delete_*"}
    deny: true
requires:
  low: {method: edit}
  medium: {method: edit, ttl: 24h}
  high: {method: code, approvers: 1, allow_proposer: false, ttl: 4h}   # this method or a stronger one
  # also: presented: false (section 5), expired: reject | ask (what happens to an expired plan)
trusted_servers: [files]          # whose annotations may also lower the risk
"""


def policy_of(folder: Path, text: str) -> Policy:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def step(name: str, *calls: str, action: str | None = None, undo: str | None = None) -> FrozenStep:
    return FrozenStep(
        id=name,
        action=action or calls[0],
        arguments={},
        calls=tuple(call_to(target) for target in calls),
        undo=call_to(undo) if undo else None,
    )


def call_to(name: str) -> Call:
    server, tool = name.split(".", 1)
    return Call(server, tool, {})


def plan_of(*steps: FrozenStep, declares: Mapping[str, JsonObject] | None = None) -> FrozenPlan:
    pins: dict[str, JsonObject] = {
        name: {"launch": {}, "definition": {"name": name, "annotations": annotations}}
        for name, annotations in (declares or {}).items()
    }
    return FrozenPlan(id="p", digest="0" * 64, content={}, steps=steps, pins=pins)


def assessed(
    name: str,
    annotations: JsonObject,
    policy: Policy,
    catalogue: Catalogue | None = None,
    action: str | None = None,
) -> Assessment:
    plan = plan_of(step("s", name, action=action), declares={name: annotations})
    return assess(plan, catalogue or Catalogue(), policy)


# ---------------------------------------------------------------- defaults


@pytest.mark.promise("6")
@pytest.mark.parametrize(
    ("annotations", "risk", "method"),
    [
        (READ_ONLY, Risk.LOW, Method.EDIT),
        ({"readOnlyHint": True, "destructiveHint": False}, Risk.LOW, Method.EDIT),
        (DESTRUCTIVE, Risk.HIGH, Method.CODE),
        ({"destructiveHint": True}, Risk.HIGH, Method.CODE),
        ({"readOnlyHint": True, "destructiveHint": True}, Risk.HIGH, Method.CODE),
        (NOTHING, Risk.MEDIUM, Method.EDIT),
        ({"readOnlyHint": "true"}, Risk.MEDIUM, Method.EDIT),
        ({"readOnlyHint": 1, "destructiveHint": 1}, Risk.MEDIUM, Method.EDIT),
        ({"idempotentHint": True, "openWorldHint": False}, Risk.MEDIUM, Method.EDIT),
    ],
)
def test_without_a_rule_the_declaration_of_the_tool_decides(
    annotations: JsonObject, risk: Risk, method: Method
) -> None:
    assessment = assessed("files.x", annotations, Policy())
    assert (assessment.risk, assessment.requirement.method) == (risk, method)


def test_a_tool_that_is_not_pinned_is_medium() -> None:
    assert assess(plan_of(step("s", "a.b")), Catalogue(), Policy()).risk is Risk.MEDIUM


@pytest.mark.promise("6")
def test_nothing_is_automatic_by_default() -> None:
    assert all(requirement.method is not Method.AUTO for requirement in DEFAULT_REQUIRES.values())
    assert all(requirement.presented for requirement in DEFAULT_REQUIRES.values())


def test_a_plan_that_calls_nothing_is_not_lenient() -> None:
    assert assess(plan_of(), Catalogue(), Policy()).requirement == DEFAULT_REQUIRES[Risk.MEDIUM]


# ---------------------------------------------------------------- the file


@pytest.mark.promise("12")
def test_the_example_of_the_specification_is_read_as_it_says(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, OF_THE_SPECIFICATION)
    assert policy.requires == DEFAULT_REQUIRES
    assert policy.trusted_servers == {"files"}
    paying = assessed("bank.pay_invoice", NOTHING, policy)
    assert paying.risk is Risk.HIGH
    assert paying.steps[0].limits == ("with.amount <= 500 && with.currency == 'EUR'",)
    assert paying.secret("s") == {"iban"}
    assert paying.requirement == Requirement(Method.CODE, approvers=1, allow_proposer=False, ttl=4 * 3600)
    assert assessed("x.delete_all", READ_ONLY, policy).steps[0].denied
    assert not assessed("bank.show", READ_ONLY, policy).steps[0].denied


@pytest.mark.promise("6")
def test_no_file_means_the_built_in_policy_and_so_does_the_shipped_one(tmp_path: Path) -> None:
    assert load_policy(None) == load_policy(tmp_path / "missing.yaml") == Policy()
    shipped = load_policy(PROJECT / "config" / "policy.yaml")
    assert (shipped.rules, shipped.requires, shipped.denied) == ((), DEFAULT_REQUIRES, frozenset())
    assert shipped.trusted_servers == frozenset()


def test_a_risk_may_be_automatic_or_denied(tmp_path: Path) -> None:
    policy = policy_of(
        tmp_path, "requires: {low: auto, medium: {method: edit}, high: deny}\ntrusted_servers: [files]\n"
    )
    reading = assessed("files.read", READ_ONLY, policy)
    assert reading.requirement.method is Method.AUTO
    assert explain(reading) == "Low risk because files.read declares itself read-only; needs no approval."
    assert assessed("files.delete", DESTRUCTIVE, policy).steps[0].denied


def test_what_the_file_leaves_out_is_built_in_or_what_a_lower_risk_needs(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, "requires: {medium: {method: signature, approvers: 2, ttl: 1h}}\n")
    assert policy.requires[Risk.LOW] == DEFAULT_REQUIRES[Risk.LOW]
    assert policy.requires[Risk.HIGH] == Requirement(
        Method.SIGNATURE, approvers=2, allow_proposer=False, ttl=3600
    )


def test_what_happens_to_an_expired_plan_may_be_said_for_all_and_for_one_risk(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, "expired: ask\nrequires: {high: {expired: reject}}\n")
    assert [policy.when_expired(risk) for risk in Risk] == ["ask", "ask", "reject"]
    assert Policy().when_expired(Risk.LOW) == "reject"


def test_a_risk_may_do_without_being_presented(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, "requires: {low: {presented: false}}\ntrusted_servers: [files]\n")
    assert [policy.requires[risk].presented for risk in Risk] == [False, True, True]


@pytest.mark.promise("6")
@pytest.mark.promise("12")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rule: []\n", 1, ["`rule`", "`rules`"]),
        ("rules: {}\n", 1, ["must be a list"]),
        ("rules:\n  - risk: high\n", 2, ["match"]),
        ("rules:\n  - match: {server: x}\n    rsik: high\n", 3, ["rsik", "`risk`"]),
        ("rules:\n  - match: {sever: x}\n", 2, ["sever", "`server`"]),
        ("rules:\n  - match: {server: 1}\n", 2, ["must be a text"]),
        ("rules:\n  - match: {}\n    risk: severe\n", 3, ["`severe`"]),
        ("rules:\n  - match: {}\n    deny: yes\n", 3, ["true or false"]),
        ("rules:\n  - match: {annotations: {readonlyHint: true}}\n", 2, ["readonlyHint", "readOnlyHint"]),
        ("rules:\n  - match: {annotations: {readOnlyHint: 1}}\n", 2, ["true or false"]),
        ("rules:\n  - match: {}\n    limits: with.amount <=\n", 3, ["with.amount <=", "cannot be a limit"]),
        ("rules:\n  - match: {}\n    limits: 500\n", 3, ["must be a text"]),
        ("rules:\n  - match: {}\n    secret: {}\n", 3, ["must be a text"]),
        ("requires: {hihg: {method: code}}\n", 1, ["hihg", "`high`"]),
        ("requires:\n  high: {method: pin}\n", 2, ["`pin`"]),
        ("requires:\n  high: {approver: 2}\n", 2, ["approver", "`approvers`"]),
        ("requires:\n  high: {approvers: 0}\n", 2, ["from 1"]),
        ("requires:\n  high: {ttl: 0s}\n", 2, ["too short"]),
        ("requires:\n  high: {ttl: forever}\n", 2, ["not a duration"]),
        ("requires:\n  high: {allow_proposer: 'no'}\n", 2, ["true or false"]),
        ("requires:\n  high: {expired: keep}\n", 2, ["`keep`"]),
        ("requires:\n  high: 3\n", 2, ["a table of keys"]),
        ("requires:\n  medium: {method: code}\n  high: {method: edit}\n", 3, ["needs less"]),
        ("requires:\n  low: {approvers: 2}\n  high: {approvers: 1}\n", 3, ["needs less"]),
        ("requires: {high: {method: auto}}\n", 1, ["needs less"]),
        ('trusted_servers: ["*"]\n', 1, ["not a glob"]),
        ("rules: []\nrules: []\n", 2, ["twice"]),
        ("- a\n", 1, ["a list"]),
        ("just text\n", 1, ["a table of keys"]),
    ],
)
def test_a_wrong_policy_is_an_error_and_never_a_weaker_policy(
    tmp_path: Path, text: str, line: int, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        policy_of(tmp_path, text)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "policy.yaml"), line)
    for word in words:
        assert word in str(caught.value)


# ---------------------------------------------------------------- matching


@pytest.mark.promise("6")
def test_the_first_rule_that_matches_decides() -> None:
    policy = Policy(
        rules=(
            Rule("r1", server=("bank",), tool=("show_*",), risk=Risk.LOW),
            Rule("r2", server=("bank",), deny=True),
            Rule("r3", risk=Risk.HIGH),
        )
    )
    assert assessed("bank.show_balance", DESTRUCTIVE, policy).risk is Risk.LOW
    assert assessed("bank.pay", READ_ONLY, policy).steps[0].denied
    assert assessed("mail.send", READ_ONLY, policy).risk is Risk.HIGH


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (Rule("r", tool=("pay_*",)), True),
        (Rule("r", tool=("Pay_*",)), False),
        (Rule("r", tool=("bank.pay_*",)), True),
        (Rule("r", tool=("bank*",)), False),
        (Rule("r", server=("b?nk",), tool=("x", "pay_[a-z]*")), True),
        (Rule("r", server=("files", "mail")), False),
        (Rule("r", action=("transfer*",)), True),
        (Rule("r", action=("bank.*",)), False),
        (Rule("r", annotations={"destructiveHint": True}), True),
        (Rule("r", annotations={"destructiveHint": True, "readOnlyHint": False}), False),
        (Rule("r"), True),
    ],
)
def test_a_rule_matches_by_globs_and_by_what_is_declared(rule: Rule, matches: bool) -> None:
    assert rule.matches(call_to("bank.pay_invoice"), "transfer_money", {"destructiveHint": True}) is matches


# ---------------------------------------------------------------- claims of servers


@pytest.mark.promise("6")
def test_automatic_approval_never_rests_on_the_word_of_an_untrusted_server() -> None:
    requires = {**DEFAULT_REQUIRES, Risk.LOW: Requirement(Method.AUTO, approvers=0)}
    for trusted, method in ((frozenset[str](), Method.EDIT), (frozenset({"files"}), Method.AUTO)):
        assessment = assessed("files.read", READ_ONLY, Policy(requires=requires, trusted_servers=trusted))
        assert (assessment.risk, assessment.requirement.method) == (Risk.LOW, method)


def test_a_rule_may_make_a_call_automatic_whatever_its_server_says() -> None:
    requires = {**DEFAULT_REQUIRES, Risk.LOW: Requirement(Method.AUTO, approvers=0)}
    policy = Policy(rules=(Rule("r", server=("files",), tool=("read",), risk=Risk.LOW),), requires=requires)
    assert assessed("files.read", NOTHING, policy).requirement.method is Method.AUTO


@pytest.mark.promise("6")
def test_a_rule_about_annotations_cannot_lower_on_the_word_of_an_untrusted_server() -> None:
    requires = {**DEFAULT_REQUIRES, Risk.LOW: Requirement(Method.AUTO, approvers=0)}
    rule = Rule("r", annotations={"idempotentHint": True}, risk=Risk.LOW)
    declared: JsonObject = {"idempotentHint": True}
    assert assessed("x.y", declared, Policy((rule,), requires)).risk is Risk.MEDIUM
    claimed = assessed("x.y", {**declared, **READ_ONLY}, Policy((rule,), requires))
    assert (claimed.risk, claimed.requirement.method) == (Risk.LOW, Method.EDIT)
    trusted = assessed("x.y", declared, Policy((rule,), requires, trusted_servers=frozenset({"x"})))
    assert trusted.requirement.method is Method.AUTO


@pytest.mark.promise("6")
def test_a_claim_does_not_keep_the_rules_below_from_being_tried() -> None:
    rules = (
        Rule("r1", annotations={"readOnlyHint": True}, risk=Risk.LOW, limits=("with.a == 1",)),
        Rule("r2", tool=("delete_*",), deny=True),
        Rule("r3", risk=Risk.HIGH),
    )
    lying = assessed("x.delete_all", READ_ONLY, Policy(rules))
    assert (lying.steps[0].denied, lying.steps[0].limits) == (True, ("with.a == 1",))
    assert assessed("x.look", READ_ONLY, Policy(rules)).risk is Risk.HIGH
    assert assessed("x.look", READ_ONLY, Policy(rules, trusted_servers=frozenset({"x"}))).risk is Risk.LOW


def test_a_rule_about_annotations_may_raise_on_any_servers_word() -> None:
    rule = Rule("r", annotations={"openWorldHint": True}, risk=Risk.HIGH)
    assert assessed("x.y", {"openWorldHint": True, **READ_ONLY}, Policy((rule,))).risk is Risk.HIGH


# ---------------------------------------------------------------- actions and the catalogue

TRANSFER = Action(
    "transfer",
    (ActionTool("bank", "pay", {"recipient": "to"}), ActionTool("other", "send")),
    ("pay",),
    risk=Risk.HIGH,
)
NOTIFY = Action("notify", (ActionTool("mail", "send"),))
CATALOGUE = Catalogue.of([TRANSFER, NOTIFY])


def test_the_catalogue_raises_the_risk_and_never_lowers_it() -> None:
    harmless = Catalogue.of([Action("wipe", (ActionTool("disk", "wipe"),), risk=Risk.LOW)])
    assert assessed("bank.pay", NOTHING, Policy(), CATALOGUE, action="transfer").risk is Risk.HIGH
    assert assessed("disk.wipe", DESTRUCTIVE, Policy(), harmless, action="wipe").risk is Risk.HIGH
    assert assessed("disk.wipe", NOTHING, Policy(), harmless, action="wipe").risk is Risk.MEDIUM


@pytest.mark.parametrize("action", ["transfer", "pay", "Transfer"])
def test_a_rule_about_an_action_holds_under_its_aliases(action: str) -> None:
    policy = Policy(rules=(Rule("r", action=("transfer",), limits=("with.amount < 5",)),))
    assert assessed("bank.pay", NOTHING, policy, CATALOGUE, action=action).steps[0].limits == (
        "with.amount < 5",
    )


@pytest.mark.promise("6")
def test_naming_the_tool_directly_does_not_get_round_a_rule_about_its_action() -> None:
    policy = Policy(rules=(Rule("r", action=("transfer",), deny=True),))
    direct = assessed("bank.pay", NOTHING, policy, CATALOGUE)
    assert direct.steps[0].denied
    assert direct.risk is Risk.HIGH


@pytest.mark.promise("6")
def test_a_lenient_action_lends_its_rule_to_no_other_tool() -> None:
    policy = Policy(rules=(Rule("r", action=("notify",), risk=Risk.LOW),))
    smuggled = plan_of(
        step("s", "mail.send", "disk.wipe", action="notify"), declares={"disk.wipe": DESTRUCTIVE}
    )
    assert assess(smuggled, CATALOGUE, policy).risk is Risk.HIGH
    assert assess(plan_of(step("s", "mail.send", action="notify")), CATALOGUE, policy).risk is Risk.LOW
    assert assessed("mail.send", NOTHING, policy, CATALOGUE).risk is Risk.MEDIUM


def test_a_secret_argument_is_secret_under_the_actions_name_and_the_tools() -> None:
    for marked in ("to", "recipient"):
        policy = Policy(rules=(Rule("r", secret=frozenset({marked, "pin"})),))
        assert assessed("bank.pay", NOTHING, policy, CATALOGUE, action="transfer").secret("s") == {
            "to",
            "recipient",
            "pin",
        }


def test_a_limit_on_one_call_of_a_step_does_not_bind_its_other_calls() -> None:
    policy = Policy(rules=(Rule("r", server=("bank",), limits=("with.amount < 5",)),))
    both = step("s", "mail.send", "bank.pay")
    plan = plan_of(both)
    assert [limits_on(call, both, plan, CATALOGUE, policy) for call in both.calls] == [
        (),
        ("with.amount < 5",),
    ]
    assert assess(plan, CATALOGUE, policy).steps[0].limits == ("with.amount < 5",)


# ---------------------------------------------------------------- the strictest counts


@pytest.mark.promise("6")
def test_a_plan_needs_the_strictest_of_its_calls_fallbacks_and_undos() -> None:
    declares = {"a.read": READ_ONLY, "b.wipe": DESTRUCTIVE}
    reading = step("s1", "a.read")
    for risky in (step("s2", "b.wipe"), step("s2", "a.read", "b.wipe"), step("s2", "a.read", undo="b.wipe")):
        assessment = assess(plan_of(reading, risky, declares=declares), Catalogue(), Policy())
        assert (assessment.risk, assessment.requirement.method) == (Risk.HIGH, Method.CODE)
        assert [entry.risk for entry in assessment.steps] == [Risk.LOW, Risk.HIGH]


def test_each_axis_of_what_is_needed_is_taken_at_its_strictest() -> None:
    one = Requirement(Method.EDIT, approvers=3, allow_proposer=True, ttl=None, presented=False)
    other = Requirement(Method.SIGNATURE, approvers=1, allow_proposer=False, ttl=60, presented=True)
    assert strictest(one, other) == Requirement(
        Method.SIGNATURE, 3, allow_proposer=False, ttl=60, presented=True
    )


REQUIREMENTS = st.builds(
    Requirement,
    method=st.sampled_from(Method),
    approvers=st.integers(0, 5),
    allow_proposer=st.booleans(),
    ttl=st.none() | st.floats(1, 1e6),
    presented=st.booleans(),
)


@given(REQUIREMENTS, REQUIREMENTS, REQUIREMENTS)
def test_the_strictest_does_not_depend_on_order_or_repetition(
    a: Requirement, b: Requirement, c: Requirement
) -> None:
    assert strictest(a, b) == strictest(b, a)
    assert strictest(strictest(a, b), c) == strictest(a, strictest(b, c))
    assert strictest(a, a) == a


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a.read", "b.wipe", "c.do", "bank.pay", "mail.send"]),
        st.sampled_from(["transfer", "notify", "x.y"]),
    ),
    min_size=1,
    max_size=4,
)
RULES = st.lists(
    st.builds(
        Rule,
        name=st.just("r"),
        server=st.sampled_from([(), ("a",), ("b*",)]),
        action=st.sampled_from([(), ("transfer",), ("notify",)]),
        annotations=st.sampled_from([{}, {"readOnlyHint": True}]),
        risk=st.none() | st.sampled_from(Risk),
        deny=st.booleans(),
    ),
    max_size=4,
)


@given(STEPS, RULES, st.integers(0, 3))
@pytest.mark.promise("6")
def test_adding_a_step_never_makes_a_plan_need_less(
    steps: list[tuple[str, str]], rules: list[Rule], where: int
) -> None:
    policy = Policy(rules=tuple(rules))
    declares = {"a.read": READ_ONLY, "b.wipe": DESTRUCTIVE}
    frozen = [step(f"s{n}", tool, action=action) for n, (tool, action) in enumerate(steps)]
    added = step("more", "c.do")
    less = assess(plan_of(*frozen, declares=declares), CATALOGUE, policy)
    more = assess(plan_of(*frozen[:where], added, *frozen[where:], declares=declares), CATALOGUE, policy)
    assert more.risk.rank >= less.risk.rank
    assert strictest(more.requirement, less.requirement) == more.requirement


@given(STEPS, RULES)
@pytest.mark.promise("6")
def test_what_an_untrusted_server_declares_never_makes_a_plan_need_less_than_silence(
    steps: list[tuple[str, str]], rules: list[Rule]
) -> None:
    requires = {**DEFAULT_REQUIRES, Risk.LOW: Requirement(Method.AUTO, approvers=0)}
    policy = Policy(rules=tuple(rules), requires=requires)
    frozen = [step(f"s{n}", tool, action=action) for n, (tool, action) in enumerate(steps)]
    silent = assess(plan_of(*frozen), CATALOGUE, policy)
    for claim in itertools.product([True, False], repeat=2):
        hints: JsonObject = dict(zip(("readOnlyHint", "destructiveHint"), claim, strict=True))
        claiming = assess(plan_of(*frozen, declares={tool: hints for tool, _ in steps}), CATALOGUE, policy)
        assert strictest(claiming.requirement, silent.requirement) == claiming.requirement
        assert all(
            loud.denied or not mute.denied for loud, mute in zip(claiming.steps, silent.steps, strict=True)
        )


# ---------------------------------------------------------------- repeating


@pytest.mark.promise("7")
@pytest.mark.parametrize("hint", ["readOnlyHint", "idempotentHint"])
def test_a_declaration_makes_a_tool_repeatable_only_on_a_trusted_server(hint: str) -> None:
    trusting = Policy(trusted_servers=frozenset({"a"}))
    assert repeatable(call_to("a.b"), None, {hint: True}, trusting)
    assert not repeatable(call_to("a.b"), None, {hint: True}, Policy())
    assert not repeatable(call_to("a.b"), None, {hint: "true"}, trusting)
    assert not repeatable(call_to("a.b"), None, NOTHING, trusting)


@pytest.mark.promise("7")
def test_the_catalogue_says_what_may_be_repeated_and_its_no_counts_more_than_a_declaration() -> None:
    trusting = Policy(trusted_servers=frozenset({"a"}))
    tools = (ActionTool("a", "b"),)
    assert repeatable(call_to("a.b"), Action("x", tools, repeatable=True), NOTHING, Policy())
    assert not repeatable(call_to("a.b"), Action("x", tools, repeatable=False), READ_ONLY, trusting)
    assert repeatable(call_to("a.b"), Action("x", tools), READ_ONLY, trusting)
    assert not repeatable(call_to("a.b"), Action("x", tools), NOTHING, Policy())


@pytest.mark.promise("7")
def test_an_argument_for_an_idempotency_key_makes_an_action_repeatable() -> None:
    action = Action("x", (ActionTool("a", "b"),), repeatable=False, idempotency_key="key")
    assert repeatable(call_to("a.b"), action, NOTHING, Policy())


def test_what_an_action_says_does_not_count_for_a_tool_that_it_does_not_name() -> None:
    action = Action("x", (ActionTool("a", "b"),), repeatable=True, idempotency_key="key")
    assert not repeatable(call_to("c.d"), action, NOTHING, Policy())


# ---------------------------------------------------------------- in words

STRONG = (
    "needs a one-time code or a signature from 1 approver within 4 hours;"
    " whoever proposed it may not approve it."
)
USUAL = "needs an edit or a move of the note from 1 approver within 24 hours."


@pytest.mark.parametrize(
    ("assessment", "sentence"),
    [
        (
            assessed("bank.pay_invoice", DESTRUCTIVE, Policy()),
            f"High risk because bank.pay_invoice declares itself destructive; {STRONG}",
        ),
        (
            assessed("mail.send", NOTHING, Policy()),
            f"Medium risk because mail.send does not declare itself read-only; {USUAL}",
        ),
        (
            assessed("x.y", NOTHING, Policy(rules=(Rule("rule 1 of the policy (line 2)", deny=True),))),
            "Not allowed: rule 1 of the policy (line 2) denies x.y. No approval can change that.",
        ),
        (
            assessed("bank.pay", NOTHING, Policy(), CATALOGUE, action="transfer"),
            f"High risk because the catalogue says so of transfer; {STRONG}",
        ),
    ],
)
def test_an_assessment_is_explained_in_one_sentence(assessment: Assessment, sentence: str) -> None:
    assert explain(assessment) == sentence


def test_a_rule_of_the_file_is_named_with_its_line(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, OF_THE_SPECIFICATION)
    assert "because rule 1 of the policy (line 2) says so of bank.pay_it;" in explain(
        assessed("bank.pay_it", {}, policy)
    )
