"""The rules of `policy.yaml`: what they match, and what each risk needs.

A file that cannot be read as meant is an error, never a weaker policy. What it leaves out has the
built-in value, raised where a lower risk was made to need more; a risk that is said to need less
than a lower one is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from signoff.config.files import read_yaml
from signoff.config.section import Section
from signoff.limits import LimitError, check
from signoff.model import Call, JsonObject, Method, Requirement, Risk

POLICY_KEYS = ("rules", "requires", "trusted_servers", "expired")
RULE_KEYS = ("match", "risk", "deny", "limits", "secret", "approvers")
MATCH_KEYS = ("server", "tool", "action", "annotations")
REQUIREMENT_KEYS = ("method", "approvers", "allow_proposer", "ttl", "presented", "expired")
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
DENY = "deny"

DEFAULT_REQUIRES: Mapping[Risk, Requirement] = MappingProxyType(
    {
        Risk.LOW: Requirement(method=Method.EDIT),
        Risk.MEDIUM: Requirement(method=Method.EDIT, ttl=24 * 3600.0),
        Risk.HIGH: Requirement(method=Method.CODE, allow_proposer=False, ttl=4 * 3600.0),
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it matches (nothing named matches all), and what it says of that.

    Attributes:
        server, tool, action: globs, one of which must match; case counts.
        annotations: values that the tool must declare, exactly.
        risk: None where the default counts.
        who: the approvers that this may be approved by; None where every one may.
        name: how messages call it, with its line.
    """

    name: str
    server: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    annotations: Mapping[str, bool] = field(default_factory=dict)
    risk: Risk | None = None
    deny: bool = False
    limits: tuple[str, ...] = ()
    secret: frozenset[str] = frozenset()
    who: frozenset[str] | None = None

    def matches(self, call: Call, action: str, annotations: JsonObject) -> bool:
        """Whether the rule is about this call, made under this action's name."""
        return (
            _any_glob(self.server, call.server)
            and (_any_glob(self.tool, call.tool) or _names_in_full(self.tool, call.name))
            and _any_glob(self.action, action)
            and all(annotations.get(hint) is value for hint, value in self.annotations.items())
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules, what each risk needs, and whose annotations count.

    Attributes:
        denied: risks that may not run at all.
        expired: for each risk, `reject` or `ask`: what happens to a plan whose approval ran out.
    """

    rules: tuple[Rule, ...] = ()
    requires: Mapping[Risk, Requirement] = field(default_factory=lambda: DEFAULT_REQUIRES)
    denied: frozenset[Risk] = frozenset()
    expired: Mapping[Risk, str] = field(default_factory=lambda: dict.fromkeys(Risk, "reject"))
    trusted_servers: frozenset[str] = frozenset()

    def when_expired(self, risk: Risk) -> str:
        """`reject` or `ask`."""
        return self.expired[risk]


def requirement_for(risk: Risk, policy: Policy) -> Requirement:
    """What a risk needs."""
    return policy.requires[risk]


def strictest(one: Requirement, other: Requirement) -> Requirement:
    """What satisfies both."""
    ttls = [ttl for ttl in (one.ttl, other.ttl) if ttl is not None]
    return Requirement(
        method=max(one.method, other.method, key=lambda method: method.rank),
        approvers=max(one.approvers, other.approvers),
        allow_proposer=one.allow_proposer and other.allow_proposer,
        ttl=min(ttls, default=None),
        presented=one.presented or other.presented,
        who=both(one.who, other.who),
    )


def both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Who is in both circles; None is everybody."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _any_glob(globs: tuple[str, ...], name: str) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _names_in_full(globs: tuple[str, ...], name: str) -> bool:
    """Whether a glob with a dot, such as `bank.pay_*`, matches `server.tool`."""
    return any("." in glob and fnmatchcase(name, glob) for glob in globs)


def load_policy(path: Path | None) -> Policy:
    """The policy of a file; the built-in one for None or where there is no file.

    Raises:
        ConfigError: with file, line and key.
    """
    if path is None:
        return Policy()
    section = read_yaml(path)
    section.only(*POLICY_KEYS)
    section = section.without_empty("rules", "requires", "trusted_servers")
    expired = section.choice("expired", "reject", ("reject", "ask"))
    table = section.table("requires")
    table.only(*(risk.value for risk in Risk))
    requires, denied, expiries = _requires(table, expired)
    return Policy(
        rules=tuple(_rule(rule, number) for number, rule in enumerate(section.tables("rules"), start=1)),
        requires=MappingProxyType(requires),
        denied=frozenset(denied),
        expired=MappingProxyType(expiries),
        trusted_servers=_trusted(section),
    )


def _rule(section: Section, number: int) -> Rule:
    section.only(*RULE_KEYS)
    if not section.has("match"):
        section.fail(
            f"Rule {number} does not say what it matches.", hint="Write `match: {}` if it is everything."
        )
    match = section.table("match")
    match.only(*MATCH_KEYS)
    annotations = match.table("annotations")
    annotations.only(*HINTS)
    risk = section.choice("risk", "", list(Risk)) if section.has("risk") else None
    return Rule(
        name=_rule_name(section, number),
        server=match.names("server"),
        tool=match.names("tool"),
        action=match.names("action"),
        annotations=MappingProxyType(
            {hint: annotations.flag(hint, default=True) for hint in annotations.values}
        ),
        risk=Risk(risk) if risk else None,
        deny=section.flag("deny", default=False),
        limits=_limits(section),
        secret=frozenset(section.names("secret")),
        who=frozenset(section.names("approvers")) if section.has("approvers") else None,
    )


def _rule_name(section: Section, number: int) -> str:
    line = section.line_of("match")
    return f"rule {number} of the policy" + (f" (line {line})" if line else "")


def _limits(section: Section) -> tuple[str, ...]:
    limits = section.names("limits")
    for limit in limits:
        try:
            check(limit)
        except LimitError as error:
            place = f" (at column {error.column} of the expression)" if error.column else ""
            section.fail(
                f"`{section.name_of('limits')}`: `{limit[:200]}` cannot be a limit{place}. {error.message}",
                "limits",
                hint=error.hint,
            )
    return limits


def _requires(table: Section, expired: str) -> tuple[dict[Risk, Requirement], set[Risk], dict[Risk, str]]:
    """What each risk needs, which risks are denied, and what happens when an approval runs out."""
    requires: dict[Risk, Requirement] = {}
    denied: set[Risk] = set()
    expiries: dict[Risk, str] = {}
    below = Requirement(method=Method.AUTO, approvers=0)
    for risk in Risk:
        section = _requirement_table(table, risk)
        method = section.choice("method", "", [*Method, DENY]) if section.has("method") else None
        if method == DENY:
            denied.add(risk)
        known = None if method in {None, DENY} else Method(method)
        requires[risk] = below = _requirement(section, risk, known, below)
        expiries[risk] = section.choice("expired", expired, ("reject", "ask"))
    return requires, denied, expiries


def _requirement_table(table: Section, risk: Risk) -> Section:
    """The table of a risk; `low: auto` is short for `low: {method: auto}`."""
    short = table.values.get(risk.value)
    section = (
        table.below(risk.value, {"method": short}) if isinstance(short, str) else table.table(risk.value)
    )
    section.only(*REQUIREMENT_KEYS)
    return section


def _requirement(section: Section, risk: Risk, method: Method | None, below: Requirement) -> Requirement:
    """What a risk needs: what its table says, else the built-in value or what the risk below needs."""
    default = strictest(DEFAULT_REQUIRES[risk], below)
    automatic = method is Method.AUTO
    stated = Requirement(
        method=method or default.method,
        approvers=0 if automatic else section.whole("approvers", max(default.approvers, 1), least=1, most=20),
        allow_proposer=section.flag("allow_proposer", default=default.allow_proposer),
        ttl=section.seconds("ttl", "1s", least=1) if section.has("ttl") else default.ttl,
        presented=section.flag("presented", default=True),
    )
    if stated.method.rank < below.method.rank or stated.approvers < below.approvers:
        section.fail(
            f"`{section.dotted}` needs less than the risk below it.",
            "method" if stated.method.rank < below.method.rank else "approvers",
            hint="A higher risk must need at least as strong a method and as many approvers.",
        )
    return stated


def _trusted(section: Section) -> frozenset[str]:
    names = section.any_names("trusted_servers")
    for name in names:
        if set(name) & set("*?["):
            section.fail(
                f"`{name}` in `trusted_servers` must be a server's whole name, not a glob.", "trusted_servers"
            )
    return frozenset(names)
