"""The hand-made labels of real notes, and how a plan that was read compares with one.

A label says what a careful person reads in a note (`corpus_labels.json`, whose header explains its
keys). Values are compared over all arguments of a call by what they are, not by the arguments' names:
the reader may say `body` where another says `text`. What the label does not know is a difference too,
unless it is short, stands in the note and could not be a recipient, a text or an amount.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from signoff.catalogue import Catalogue, fold
from signoff.model import Plan, Step

LABELS_FILE = Path(__file__).with_name("corpus_labels.json")
HASHED = "sha256:"
LONGEST_PLAIN = 40  # characters of a corpus note that a label may hold as they are
LONGEST_REMARK = 80  # characters of an argument that the label does not know

_ADDRESS = re.compile(r"\S+@\S+\.\S+")
_NUMBER = re.compile(r"\+?\d[\d ()-]{7,}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MONEY = re.compile(r"(?:[A-Za-z]{1,3}\.?|[^\w\s])?\s*(?P<digits>\d[\d,]*(?:\.\d+)?)\s*(?:[A-Za-z]{1,3})?")


@dataclass(frozen=True, slots=True)
class Labels:
    """All labels, and the names that each of their actions goes by."""

    notes: Mapping[str, Mapping[str, Any]]
    actions: Mapping[str, Mapping[str, Any]]
    generic_posts: frozenset[str]


def load_labels() -> Labels:
    """The labels of the file beside this one."""
    data = json.loads(LABELS_FILE.read_text(encoding="utf-8"))
    header = data["header"]
    return Labels(data["notes"], header["actions"], frozenset(header["generic posts"]))


def normal(text: str) -> str:
    """The form in which texts are compared: LF, no blanks at line ends, stripped as a whole."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()


def hashed(text: str) -> str:
    """The SHA-256 of a text that is in normal form."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_reachable(text: str) -> bool:
    """Whether something could be sent to this: an e-mail address or a telephone number."""
    return bool(_ADDRESS.search(text) or (_NUMBER.fullmatch(text) and not _DATE.match(text)))


def money(value: object) -> Decimal | None:
    """The amount in a number or in a text such as `$1,500.00`; None where it is something else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Decimal(str(value))
    match = _MONEY.fullmatch(value.strip()) if isinstance(value, str) else None
    return Decimal(match["digits"].replace(",", "")) if match else None


def leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every single value in the arguments of a call, with the name of the nearest argument."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from leaves(inner, name)
    elif value is not None:
        yield name, value


def same(value: object, wanted: object) -> bool:
    """Whether an argument's value is what a label wants, which may be given as a hash."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return str(value).lower() == str(wanted).lower()
    if isinstance(wanted, int | float):
        return money(value) == Decimal(str(wanted))
    text, wanted = normal(str(value)), str(wanted)
    if not wanted.startswith(HASHED):
        return text == wanted
    forms = {text, text.lower(), text.replace("\\", "/")}
    if _NUMBER.fullmatch(text):
        forms.add(re.sub(r"\D", "", text))
    return wanted.removeprefix(HASHED) in map(hashed, forms)


def differences(
    label: Mapping[str, Any], plan: Plan, note: str, catalogue: Catalogue, labels: Labels
) -> list[str]:
    """In what a plan differs from the calls of a label; empty where it says just that."""
    wanted = label["calls"]
    if len(plan.steps) != len(wanted):
        return [f"{len(plan.steps)} calls instead of {len(wanted)}"]
    return [
        problem
        for step, call in zip(plan.steps, wanted, strict=True)
        for problem in _differences_of_call(step, call, note, catalogue, labels)
    ]


def time_is_left_out(label: Mapping[str, Any], plan: Plan) -> bool:
    """Whether the note says when, and the plan does not."""
    times = [call["when"] for call in label.get("calls", ()) if "when" in call]
    return any(str(plan.run_at).strip() != time for time in times)


def _differences_of_call(
    step: Step, call: Mapping[str, Any], note: str, catalogue: Catalogue, labels: Labels
) -> list[str]:
    values = list(leaves(step.arguments))
    problems = []
    if not _is_action(step, values, labels, call["action"], catalogue):
        problems.append(f"the action {step.action} instead of {call['action']}")
    demanded = _demanded(call)
    optional = call.get("optional", ())
    for role, choices in demanded:
        if role not in optional and not any(same(value, one) for _, value in values for one in choices):
            problems.append(f"{role} is missing or differs")
    known = [one for _, choices in demanded for one in choices] + list(call.get("may", ()))
    known += call.get("to", [])
    problems += [
        f"`{name}` is not what the note says"
        for name, value in values
        if _contradicts_amount(name, value, call)
        or not (any(same(value, one) for one in known) or _is_harmless(value, note))
    ]
    return problems


def _demanded(call: Mapping[str, Any]) -> list[tuple[str, list[object]]]:
    """What must be among the arguments: for each, the values of which one is enough."""
    demanded: list[tuple[str, list[object]]] = []
    if "to" in call:
        demanded.append(("the recipient", list(call["to"])))
    if "subject" in call:
        demanded.append(("the subject", [call["subject"]]))
    if "text" in call:
        text = call["text"]
        demanded.append(("the text", [HASHED + one for one in (text["sha256"], *text.get("or", ()))]))
    if "amount" in call:
        demanded.append(("amount", [float(call["amount"])]))
    for role in ("cc", "files"):
        demanded += [(role, [one]) for one in call.get(role, ())]
    return demanded + [(name, [one]) for name, one in call.get("other", {}).items()]


def _contradicts_amount(name: str, value: object, call: Mapping[str, Any]) -> bool:
    if "amount" not in name.lower():
        return False
    return "amount" not in call or money(value) != Decimal(call["amount"])


def _is_harmless(value: object, note: str) -> bool:
    """Whether a value that the label does not know may stand beside those that it knows."""
    if not isinstance(value, str):
        return str(value).lower() in note.lower()
    text = normal(value)
    return len(text) <= LONGEST_REMARK and not is_reachable(text) and text.lower() in note.lower()


def _is_action(
    step: Step, values: list[tuple[str, object]], labels: Labels, wanted: str, catalogue: Catalogue
) -> bool:
    """Whether a step's action is the wanted one, by any name that people or the catalogue have for it."""
    entry = labels.actions[wanted]
    known = {fold(name) for name in (wanted, *entry["names"])}
    server, dot, tool = step.action.partition(".")
    said = {fold(step.action), fold(f"{server}_{tool}"), fold(tool)} if dot else {fold(step.action)}
    actions = [found] if (found := catalogue.find(step.action)) else list(catalogue.naming(server, tool))
    said |= {fold(name) for action in actions for name in (action.name, *action.aliases)}
    if said & known:
        return True
    platform = entry.get("platform")
    places = [server, *(str(value) for _, value in values)]
    return bool(platform and said & labels.generic_posts and platform in map(fold, places))
