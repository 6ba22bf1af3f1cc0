"""One value of each kind: read, compared with what else the note says, and refused where it is none."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath

from signoff.model import Json

ADDRESS = re.compile(
    r"[^\s@<>()\[\],;:\"'`|“”„]{1,64}@[^\s@<>()\[\],;:\"'`|/“”]{1,190}\.[^\s@<>()\[\],;:\"'`|/.“”]{2,63}"
)
_LINKED = re.compile(r"\[([^\[\]]{3,254})\]\(mailto:([^()\s]{3,254})\)\Z")
_SUM = re.compile(
    r"(?P<before>[A-Za-z]{1,3}\.?|[A-Z]{0,2}\$|[€£₹¥₽₩])?[ \t]{0,3}"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d{1,4})?|\d{1,15}(?:\.\d{1,4})?)"
    r"[ \t]{0,3}(?P<after>[A-Za-z]{3}|[€£₹$])?\Z"
)
_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "$": "$", "US$": "USD", "C$": "CAD", "A$": "AUD", "₽": "RUB"}
DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN"})
"""What `$` may stand for. It names no currency, so a sum in `$` is given without one."""
_PHONE = re.compile(r"\+?[\d][\d \-().]{5,20}\d")


def addresses(text: str) -> tuple[str, ...]:
    """The e-mail addresses in a text, in lower case."""
    return tuple(found.lower() for found in ADDRESS.findall(text)) if "@" in text else ()


def read_address(text: str) -> str:
    """A recipient as typed, without what only Markdown needs around it."""
    bare = text.strip().strip("`").strip()
    linked = _LINKED.match(bare)
    if linked and linked[1].strip().lower() == linked[2].lower():
        return linked[2]
    if bare.startswith("<") and bare.endswith(">") and bare.count("<") == 1:
        return bare[1:-1].strip()
    return bare


def is_address_list(text: str) -> bool:
    """Whether each part of a text is an address, with or without a name."""
    parts = [part for part in re.split(r"[,;]", text) if part.strip()]
    return bool(parts) and all(
        len(ADDRESS.findall(part)) == 1
        and (ADDRESS.fullmatch(part.strip()) or re.fullmatch(r"[^<>@]*<[^<>\s]+>", part.strip()))
        for part in parts
    )


def sum_of(value: Json) -> tuple[int | float, str] | None:
    """An amount and its currency (empty where none is named); None where it is no single plain sum."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value, ""
    match = _SUM.match(value.strip().strip("*`").strip()) if isinstance(value, str) else None
    if match is None:
        return None
    currencies = {_currency(sign) for sign in (match["before"], match["after"]) if sign}
    if "?" in currencies or len(currencies) > 1:
        return None
    number = Decimal(match["digits"].replace(",", ""))
    exact = int(number) if number == number.to_integral_value() else float(number)
    return exact, next(iter(currencies), "")


def _currency(sign: str) -> str:
    """A currency's code; `?` where the sign stands for several or for none."""
    if sign.upper() in _SIGNS:
        return _SIGNS[sign.upper()]
    return sign.upper() if len(sign) == 3 and sign.isalpha() else "?"


def is_one_currency(one: str, other: str) -> bool:
    """Whether two currencies can be the same: one is not named, or `$` stands for some dollar."""
    if "" in (one, other) or one == other:
        return True
    return "$" in (one, other) and bool(DOLLARS & {one, other})


def is_outside(path: str) -> bool:
    """Whether a path leads out of the vault, or is none."""
    windows, posix = PureWindowsPath(path), PurePosixPath(path)
    return bool(
        posix.is_absolute()
        or windows.drive
        or windows.root
        or path.startswith("~")
        or ".." in windows.parts
        or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path)
    )


def is_same(one: Json, other: Json, kind: str) -> bool:
    """Whether two values say the same: one address, one sum, one number with and without its owner's name."""
    if kind == "email":
        return _who(one) == _who(other)
    if kind == "amount":
        first, second = sum_of(one), sum_of(other)
        if first and second:
            return first[0] == second[0] and is_one_currency(first[1], second[1])
    first_text, second_text = _plain(one), _plain(other)
    return (
        first_text == second_text
        or _is_number_of(first_text, second_text)
        or _is_number_of(second_text, first_text)
    )


def _who(value: Json) -> str:
    texts = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return " ".join(sorted(found for text in texts for found in addresses(text))) or _plain(" ".join(texts))


def _is_number_of(number: str, owner: str) -> bool:
    """Whether one is a telephone number, and the other the same with a name."""
    if not _PHONE.fullmatch(number) or len(owner) > 200:
        return False
    return [re.sub(r"\D", "", found) for found in _PHONE.findall(owner)] == [re.sub(r"\D", "", number)]


def _plain(value: Json) -> str:
    return " ".join(str(value).split())
