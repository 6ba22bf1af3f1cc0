r"""Keeping secrets out of everything that a person or program can read.

Three sources say what is secret: shapes that only credentials have, names that only credentials
go by (and those that the policy names), and the literal values of secret variables. Redacting is
the last step before text is shown or logged; digests, frozen content and calls are never redacted.

It is a net, not a wall: a secret without a known shape, name or value passes. So secrets are not
put into plans or notes in the first place.

The patterns take time linear in the text: each can start only once in a run of its own characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote

from signoff.model import Json

REDACTED = "[redacted]"

SHORTEST_SECRET = 8
"""Characters: removing a shorter value everywhere would blot out ordinary words."""

_SHORT = 40
"""Characters: a text no longer than this may be the name of something."""

_START = r"(?<![A-Za-z0-9_-])"
_SHAPES = (
    r"sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, OpenRouter
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{16,}",
    r"gh[pousr]_[A-Za-z0-9]{20,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{16,}",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"xapp-[0-9]-[A-Za-z0-9-]{10,}",
    r"A(?:KIA|SIA)[0-9A-Z]{16}(?![A-Za-z0-9])",  # AWS
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"ya29\.[A-Za-z0-9_-]{20,}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{40,}",
    r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",  # Telegram bots
    r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JSON Web Tokens
)
_TOKENS = re.compile(_START + "(?:" + "|".join(_SHAPES) + ")")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
    r"(?:(?:(?!-----BEGIN )[\s\S])*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----"
    r"|(?:(?:\s|\\n)+[A-Za-z0-9+/=]{16,})*)"  # cut off: the lines that are there
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*")
_AUTHORIZATION = re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?(?:basic|digest|token)\s+)[^\s\"',]+")
_USERINFO = re.compile(
    r"(?i)(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{1,20}://[^\s/?#:@\"']{0,200}:)[^\s/?#@\"']{1,500}(?=@)"
)
_SLACK_HOOK = re.compile(r"(https://hooks\.slack\.com/(?:services|workflows)/)[A-Za-z0-9/_-]+")

_CREDENTIAL = (
    r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key"
    r"|approval[_-]?code|totp|otp)"
)
_NAME = r"(?<![A-Za-z0-9_-])(-{0,2}(?:[A-Za-z0-9]{1,40}[_-]){0,6}" + _CREDENTIAL
_ASSIGNED = re.compile(r"(?i)" + _NAME + r"=)(?:\[redacted\]|\"[^\"\n]+\"|'[^'\n]+'|[^\s\"'&,;<>`|)\]}]{3,})")
_QUOTED = re.compile(
    r"(?i)([\"'](?:[A-Za-z0-9]{1,40}[_-]){0,6}" + _CREDENTIAL + r"[\"']\s*[:=]\s*)\"(?:[^\"\\\n]|\\.)+\""
)
_LISTED = re.compile(
    r"(?i)" + _NAME + r"\s*:\s+)[\"']?(?=[^\s\"']{0,200}[0-9])(?=[^\s\"']{0,200}[A-Za-z])[^\s\"',;]{8,}[\"']?"
)
_CODE = re.compile(r"(?i)\b(approval[_-]?code[\"']?\s*[:=]\s*)[\"']?[0-9]{3}\s?[0-9]{3,5}[\"']?")

_Change = str | Callable[[re.Match[str]], str]
_CHANGES: tuple[tuple[re.Pattern[str], _Change], ...] = (
    (_PRIVATE_KEY, REDACTED),
    (_SLACK_HOOK, rf"\1{REDACTED}"),
    (_USERINFO, rf"\1{REDACTED}"),
    (_AUTHORIZATION, rf"\1{REDACTED}"),
    (_BEARER, rf"\1{REDACTED}"),
    (_TOKENS, REDACTED),
    (_QUOTED, rf'\1"{REDACTED}"'),
    (_ASSIGNED, rf"\1{REDACTED}"),
    (_CODE, rf"\1{REDACTED}"),
    (_LISTED, rf"\1{REDACTED}"),
)

_LAST_WORDS = frozenset(
    {
        *("password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "token", "apikey"),
        *("authorization", "credential", "credentials", "cookie", "otp", "totp"),
    }
)
_LAST_PAIRS = frozenset(
    [
        *(("key", of) for of in ("api", "private", "secret", "access", "signing", "encryption", "auth")),
        ("code", "approval"),
        ("hash", "password"),
    ]
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


_SIGNS = (
    *("-----begin", "hooks.slack.com", "://", "authorization", "bearer"),
    *("pass", "pwd", "secret", "token", "key", "code", "otp"),
    *("sk-", "sk_", "rk_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
    *("xapp-", "akia", "asia", "aiza", "ya29.", "npm_", "pypi-", "hf_", "sg.", ":aa", "eyj"),
)
"""Every pattern needs one of these; looking for them is cheap, and most texts have none."""


def redact_text(text: str) -> str:
    """The text with everything that has a known secret shape replaced by `[redacted]`."""
    return _redact_name(text) if len(text) <= _SHORT else _redact(text)


@lru_cache(maxsize=1024)
def _redact_name(text: str) -> str:
    """The same for keys and other short texts, which come again and again."""
    return _redact(text)


def _redact(text: str) -> str:
    if text.isascii() and not _has_any(text.lower(), _SIGNS):  # other letters may stand for these too
        return text
    for pattern, change in _CHANGES:
        text = pattern.sub(change, text)
    return text


def _has_any(text: str, parts: Iterable[str]) -> bool:
    """Does any of these stand in a text? One look after the other is many times as fast as a pattern."""
    for part in parts:  # noqa: SIM110  a generator would cost as much as the looking
        if part in text:
            return True
    return False


def redact_json(value: Json, secret_keys: Collection[str] = ()) -> Json:
    """A copy in which secrets are replaced by `[redacted]`, at any depth.

    Args:
        value: any JSON value.
        secret_keys: names whose values are secret whatever they are (what the policy marks);
            compared without regard to case.
    """
    return _redacted(value, frozenset(key.casefold() for key in secret_keys), redact_text)


@lru_cache(maxsize=1024)
def looks_secret(name: str) -> bool:
    """Whether a key or variable of this name holds a credential (`API_KEY`, `accessToken`)."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _LAST_WORDS or tuple(reversed(words[-2:])) in _LAST_PAIRS)


def secret_values(value: Json, secret_keys: Collection[str]) -> list[str]:
    """The texts under secret keys, so that a `Redactor` can find them where a tool repeats them."""
    found: list[str] = []
    names = {key.casefold() for key in secret_keys}

    def walk(node: Json, *, secret: bool) -> None:
        if isinstance(node, dict):
            for key, below in node.items():
                walk(below, secret=secret or key.casefold() in names or looks_secret(key))
        elif isinstance(node, list):
            for below in node:
                walk(below, secret=secret)
        elif secret and isinstance(node, str | int | float) and not isinstance(node, bool):
            found.append(str(node))

    walk(value, secret=False)
    return found


FOLDERS = frozenset({"PWD", "OLDPWD"})
"""Variables of the shell that name folders, though they look like passwords."""


class Redactor:
    """Redacts known values besides known shapes.

    Args:
        secrets: the values; those shorter than `SHORTEST_SECRET` are left out. Each is also found
            as JSON and URLs write it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = frozenset(secret for secret in secrets if len(secret.strip()) >= SHORTEST_SECRET)
        spellings = {form for secret in self._secrets for form in _spellings(secret)}
        self._spellings = sorted(spellings, key=lambda form: (-len(form), form))  # the longest first
        self._pattern = re.compile("|".join(map(re.escape, self._spellings)))

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Redactor:
        """A redactor for the values of all variables whose name looks secret."""
        return cls(value for name, value in environ.items() if looks_secret(name) and name not in FOLDERS)

    def __repr__(self) -> str:
        """How many values it knows; never which."""
        return f"<Redactor of {len(self._secrets)} values>"

    def knowing(self, more: Iterable[str]) -> Redactor:
        """A redactor that knows further values too."""
        new = {secret for secret in more if len(secret.strip()) >= SHORTEST_SECRET} - self._secrets
        return Redactor([*self._secrets, *new]) if new else self

    def with_all_of(self, other: Redactor) -> Redactor:
        """A redactor that knows what either of the two knows."""
        return self.knowing(other._secrets)

    def text(self, text: str) -> str:
        """The text without known values and known shapes."""
        known = _has_any(text, self._spellings)
        return redact_text(self._pattern.sub(REDACTED, text) if known else text)

    def json(self, value: Json, secret_keys: Collection[str] = ()) -> Json:
        """A copy without known values, known shapes and the values of secret keys."""
        return _redacted(value, frozenset(key.casefold() for key in secret_keys), self.text)


def _spellings(secret: str) -> set[str]:
    """A value as it stands, without surrounding space, and as JSON and URLs write it."""
    plain = secret.strip()
    return {
        secret,
        plain,
        json.dumps(plain)[1:-1],
        json.dumps(plain, ensure_ascii=False)[1:-1],
        quote(plain, safe=""),
    }


def _redacted(value: Json, secret_keys: frozenset[str], clean: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_redacted(entry, secret_keys, clean) for entry in value]
    if isinstance(value, dict):
        return {clean(key): _member(key, entry, secret_keys, clean) for key, entry in value.items()}
    return value


def _member(key: str, value: Json, secret_keys: frozenset[str], clean: Callable[[str], str]) -> Json:
    """The value of one key. What only looks secret by its name stays where it says nothing."""
    if key.casefold() in secret_keys:
        return REDACTED
    if looks_secret(key) and value is not None and not isinstance(value, bool) and value != "":
        return REDACTED
    return _redacted(value, secret_keys, clean)
