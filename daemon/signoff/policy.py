"""The policy: how much harm a call could do, and what approval that needs (`policy.yaml`).

Rules are tried in order and the first that matches a call decides. Where none says a risk: a tool
that declares itself destructive is high, one that declares itself read-only is low, all else is
medium; the catalogue may raise that.

A server's declarations are claims. From a server that is not trusted they can only make things
stricter:

* A low risk that rests on its word is shown as low, but needs at least what medium needs; so
  `low: auto` never applies on the word of a server that the policy does not trust.
* A rule that matches on its annotations can raise the risk, deny, limit and mark secrets, but never
  lower the risk, nor keep the rules below it from being tried.

A call is judged under the action that names its tool in the catalogue. One that a plan names
directly, or as its own fallback, is judged as itself and as every action that could have made it,
and the strictest counts: so a rule about an action cannot be got round by naming its tool.

Everything here is pure; `signoff.rules` reads the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

from signoff.catalogue import Action, Catalogue
from signoff.config.durations import spell_duration
from signoff.model import (
    Assessment,
    Call,
    FrozenPlan,
    FrozenStep,
    JsonObject,
    Method,
    Requirement,
    Risk,
    StepRisk,
)
from signoff.rules import Policy, Rule, both, load_policy, requirement_for, strictest

__all__ = [
    "Judgement",
    "Policy",
    "Rule",
    "assess",
    "explain",
    "judge",
    "limits_on",
    "load_policy",
    "repeatable",
    "requirement_for",
    "strictest",
]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy says of one call. `because` is a clause for a sentence."""

    risk: Risk
    because: str
    requirement: Requirement
    denied: bool = False
    limits: tuple[str, ...] = ()
    secret: frozenset[str] = frozenset()


def assess(plan: FrozenPlan, catalogue: Catalogue, policy: Policy) -> Assessment:
    """The risk of a frozen plan, by its pinned definitions, and the approval that it needs."""
    known: dict[tuple[str, str], Judgement] = {}

    def judgement_of(call: Call, action: str) -> Judgement:
        """One look for all steps that make the same call."""
        found = known.get((call.name, action))
        if found is None:
            found = judge(call, action, _annotations(plan, call), catalogue, policy)
            known[call.name, action] = found
        return found

    judged = [(step, [judgement_of(call, step.action) for call in step.all_calls]) for step in plan.steps]
    everything = [judgement for _step, judgements in judged for judgement in judgements]
    if not everything:  # nothing to call: nothing to be lenient about
        return Assessment(Risk.MEDIUM, policy.requires[Risk.MEDIUM], ())
    return Assessment(
        risk=max((judgement.risk for judgement in everything), key=lambda risk: risk.rank),
        requirement=reduce(strictest, (judgement.requirement for judgement in everything)),
        steps=tuple(_step_risk(step, judgements) for step, judgements in judged if judgements),
    )


def limits_on(
    call: Call, step: FrozenStep, plan: FrozenPlan, catalogue: Catalogue, policy: Policy
) -> tuple[str, ...]:
    """The policy's limits on one of a step's calls; those on its other calls are no business of it."""
    return judge(call, step.action, _annotations(plan, call), catalogue, policy).limits


def judge(
    call: Call, action: str, annotations: JsonObject, catalogue: Catalogue, policy: Policy
) -> Judgement:
    """What the policy says of one call.

    Args:
        call: the call; its arguments do not matter here.
        action: the action under which the step makes it, as the plan names it.
        annotations: what the tool's pinned definition declares.
        catalogue: for the actions that the tool may carry out.
        policy: the policy.
    """
    judgements = [
        _judged_as(call, name, entry, annotations, policy) for name, entry in _guises(call, action, catalogue)
    ]
    return reduce(_stricter, judgements)


def repeatable(call: Call, action: Action | None, annotations: JsonObject, policy: Policy) -> bool:
    """Whether calling twice does no harm, so that a call may be repeated after an unknown outcome.

    So it is when the action names an argument for an idempotency key, when the catalogue says so,
    or when a trusted server declares the tool read-only or idempotent and the catalogue does not
    say otherwise. The action counts only for the tools that it names.
    """
    if action is not None and any(tool.name == call.name for tool in action.tools):
        if action.idempotency_key is not None:
            return True
        if action.repeatable is not None:
            return action.repeatable
    declared = any(annotations.get(hint) is True for hint in ("readOnlyHint", "idempotentHint"))
    return declared and call.server in policy.trusted_servers


def explain(assessment: Assessment) -> str:
    """One sentence for people: the risk, why, and what approval it needs.

    "High risk because bank.pay_invoice declares itself destructive; needs a one-time code or a
    signature from 1 approver within 4 hours; whoever proposed it may not approve it."
    """
    denied = next((step for step in assessment.steps if step.denied), None)
    if denied is not None:
        return f"Not allowed: {denied.rule}. No approval can change that."
    riskiest = next((step for step in assessment.steps if step.risk is assessment.risk), None)
    because = f" because {riskiest.rule}" if riskiest else ""
    return f"{assessment.risk.capitalize()} risk{because}; {_needs(assessment.requirement)}."


def _needs(requirement: Requirement) -> str:
    if requirement.method is Method.AUTO:
        return "needs no approval"
    evidence = {
        Method.EDIT: "an edit or a move of the note",
        Method.CODE: "a one-time code or a signature",
        Method.SIGNATURE: "a signature",
    }[requirement.method]
    people = f"{requirement.approvers} approver" + ("" if requirement.approvers == 1 else "s")
    within = "" if requirement.ttl is None else f" within {spell_duration(requirement.ttl)}"
    proposer = "" if requirement.allow_proposer else "; whoever proposed it may not approve it"
    return f"needs {evidence} from {people}{within}{proposer}"


def _annotations(plan: FrozenPlan, call: Call) -> JsonObject:
    """What the tool declares, by its pin; nothing where it is not pinned."""
    definition = plan.pins.get(call.name, {}).get("definition")
    annotations = definition.get("annotations") if isinstance(definition, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def _guises(call: Call, action: str, catalogue: Catalogue) -> list[tuple[str, Action | None]]:
    """The names under which a call is judged."""
    possible = catalogue.naming(call.server, call.tool)
    own = catalogue.find(action)
    if own is not None and own in possible:
        return [(own.name, own)]
    return [(call.name, None), *((entry.name, entry) for entry in possible)]


def _judged_as(
    call: Call, name: str, entry: Action | None, annotations: JsonObject, policy: Policy
) -> Judgement:
    trusted = call.server in policy.trusted_servers
    rules = _deciding(call, name, annotations, policy, trusted=trusted)
    risk, because, claimed = _risk(call, rules, annotations, trusted=trusted)
    requirement = policy.requires[risk]
    if risk is Risk.LOW and claimed:
        requirement = strictest(requirement, policy.requires[Risk.MEDIUM])
    if entry is not None and entry.risk is not None and entry.risk.rank > risk.rank:
        risk, because = entry.risk, f"the catalogue says so of {entry.name}"
        requirement = policy.requires[risk]
    who = reduce(both, (rule.who for rule in rules), None)
    requirement = replace(requirement, who=both(requirement.who, who))
    denied = next((f"{rule.name} denies {call.name}" for rule in rules if rule.deny), "")
    if not denied and risk in policy.denied:
        denied = f"the policy denies what has {risk} risk, and {because}"
    return Judgement(
        risk=risk,
        because=denied or because,
        requirement=requirement,
        denied=bool(denied),
        limits=_unique(limit for rule in rules for limit in rule.limits),
        secret=_secret(rules, entry, call),
    )


def _deciding(call: Call, name: str, annotations: JsonObject, policy: Policy, *, trusted: bool) -> list[Rule]:
    """The first matching rule; before it, those that match only by an untrusted server's word."""
    rules = []
    for rule in policy.rules:
        if rule.matches(call, name, annotations):
            rules.append(rule)
            if trusted or not rule.annotations:
                break
    return rules


def _risk(call: Call, rules: list[Rule], annotations: JsonObject, *, trusted: bool) -> tuple[Risk, str, bool]:
    """The risk by rules and declarations, why, and whether it rests on an untrusted server's word."""
    firm = next((rule for rule in rules if rule.risk and (trusted or not rule.annotations)), None)
    if firm is not None and firm.risk is not None:
        risk, because, claimed = firm.risk, f"{firm.name} says so of {call.name}", False
    else:
        risk, because = _declared(call, annotations)
        claimed = not trusted
    for rule in rules:
        # on a mere claim a rule may raise the risk; its lowering counts as if it said nothing
        if rule.risk is not None and rule.risk.rank > risk.rank and rule is not firm:
            risk, because = rule.risk, f"{rule.name} says so of {call.name}"
    return risk, because, claimed


def _declared(call: Call, annotations: JsonObject) -> tuple[Risk, str]:
    if annotations.get("destructiveHint") is True and annotations.get("readOnlyHint") is not True:
        return Risk.HIGH, f"{call.name} declares itself destructive"
    if annotations.get("readOnlyHint") is True and annotations.get("destructiveHint") is not True:
        return Risk.LOW, f"{call.name} declares itself read-only"
    if annotations.get("readOnlyHint") is True:
        return Risk.HIGH, f"{call.name} declares itself both read-only and destructive"
    return Risk.MEDIUM, f"{call.name} does not declare itself read-only"


def _secret(rules: list[Rule], entry: Action | None, call: Call) -> frozenset[str]:
    """The secret arguments under the names of the tool and of the action."""
    names = {name for rule in rules for name in rule.secret}
    tool = next((tool for tool in entry.tools if tool.name == call.name), None) if entry else None
    if tool is not None:
        for target, source in tool.names.items():
            if target in names or source in names:
                names |= {target, source}
    return frozenset(names)


def _stricter(one: Judgement, other: Judgement) -> Judgement:
    """Both judgements of one call or step as one."""
    leading = max(one, other, key=lambda judgement: (judgement.denied, judgement.risk.rank))
    return Judgement(
        risk=max(one.risk, other.risk, key=lambda risk: risk.rank),
        because=leading.because,
        requirement=strictest(one.requirement, other.requirement),
        denied=one.denied or other.denied,
        limits=_unique((*one.limits, *other.limits)),
        secret=one.secret | other.secret,
    )


def _step_risk(step: FrozenStep, judgements: list[Judgement]) -> StepRisk:
    judgement = reduce(_stricter, judgements)
    calls = zip(step.all_calls, judgements, strict=True)
    return StepRisk(
        step=step.id,
        risk=judgement.risk,
        rule=judgement.because,
        denied=judgement.denied,
        limits=judgement.limits,
        secret=judgement.secret,
        limits_on={call.name: found.limits for call, found in calls},
    )


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
