"""The environment: `config/.env` under the real one, and the `SIGNOFF_...` overrides of settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from signoff.config.section import suggestion
from signoff.errors import ConfigError

PREFIX = "SIGNOFF_"
BUILT_IN = frozenset({"SIGNOFF_CONFIG", "SIGNOFF_PYTHON", "SIGNOFF_VAULT"})
"""Names with another meaning: the command line's `--config`, and the Python that runs Signoff."""

_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
_DOUBLE = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'(?P<text>[^']*)'\s*(?:#.*)?")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def load_environment(config_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that servers and settings see: `config/.env`, overridden by the real environment.

    Raises:
        ConfigError: when `.env` cannot be read or a line of it is not `NAME=value`; the message
            names the line and never shows what is on it.
    """
    return {**read_dotenv(config_dir / ".env"), **environ}


def read_dotenv(path: Path) -> dict[str, str]:
    r"""The variables of a `.env` file; none where there is no file.

    `NAME=value` a line, with or without `export`; comments from `#` at the start of a line or after
    a space; values in single quotes are literal, in double quotes `\n`, `\t`, `\"` and `\\` are
    read. Nothing is expanded: `$X` stays as it is.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"It cannot be read: {error}.", file=str(path)) from error
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        value = _value(match["value"]) if match else None
        if match is None or value is None:
            raise ConfigError(
                "This line is not `NAME=value`, or a quote is not closed.", file=str(path), line=number
            )
        variables[match["name"]] = value
    return variables


def _value(raw: str) -> str | None:
    """The value as written after `=`; None where a quote is left open or text follows a closed one."""
    if raw.startswith('"'):
        quoted = _DOUBLE.fullmatch(raw)
        return re.sub(r"\\(.)", _unescape, quoted["text"]) if quoted else None
    if raw.startswith("'"):
        quoted = _SINGLE.fullmatch(raw)
        return quoted["text"] if quoted else None
    return re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].strip()


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])


def overrides(environ: Mapping[str, str], known: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The `SIGNOFF_...` variables that override settings.

    Args:
        environ: the environment.
        known: the variable's name to the path of the setting, for every setting there is.

    Raises:
        ConfigError: for a `SIGNOFF_...` name that is no setting: a mistyped override must not be
            silently without effect.
    """
    found = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in BUILT_IN:
            continue
        if name not in known:
            raise ConfigError(
                f"The environment variable {name} is not a setting.",
                hint=suggestion(name, [*known, *BUILT_IN]),
            )
        found[name] = value
    return found
