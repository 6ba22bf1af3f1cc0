"""Enrolling and removing approvers: a table in `signoff.toml`, a secret, a line in `allowed_signers`.

The settings are edited in place, so that a person's comments and order stay. Secrets are written to
`config/secrets/` for the owner only. Removing takes the table first: from then on nothing counts, whatever
becomes of the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyotp
import tomlkit
from tomlkit.items import Table

from signoff import durable, system
from signoff.config.roster import code_file
from signoff.errors import ConfigError, RequestRefused
from signoff.evidence import NAMESPACE

ISSUER = "Signoff"
_NAME = re.compile(r"[^\W_][\w.@+-]{0,63}")
_KEY = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What was enrolled.

    Attributes:
        name: the approver.
        methods: every method that the settings now name for them.
        otpauth_uri: for the authenticator, shown once; None where no code was enrolled.
        key: the public key that may sign; None where none was enrolled.
    """

    name: str
    methods: tuple[str, ...]
    otpauth_uri: str | None = None
    key: str | None = None


def enrol(
    config_dir: Path, name: str, *, code: bool, ssh_key: Path | None, default: bool = False
) -> Enrolled:
    """Add an approver, or a method to one.

    Args:
        config_dir: the config folder.
        name: as it will stand in notes and the log.
        code: make a new secret for one-time codes; an old one of this name stops working.
        ssh_key: the file of a public key that may sign.
        default: make them the one whose gesture it is where a note names nobody.

    Raises:
        RequestRefused: the name or the key cannot be used; nothing was changed.
        ConfigError: the settings cannot be read; nothing was changed.
    """
    if not _NAME.fullmatch(name):
        raise RequestRefused(f"`{name}` cannot be an approver's name.", code="name-invalid")
    key = _public_key(ssh_key) if ssh_key is not None else None
    settings = _settings(config_dir)
    methods = _methods(settings, name, code=code, signature=key is not None)
    uri = None
    if code:
        secret = pyotp.random_base32()
        _write_secret(code_file(config_dir, name), secret)
        uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    if key is not None:
        _allow(config_dir / "allowed_signers", name, key)
    table = settings["approvers"][name]
    table["methods"] = methods
    if default:
        _make_default(settings, name)
    _write(config_dir, settings)
    return Enrolled(name, tuple(methods), uri, key)


def remove(config_dir: Path, name: str) -> None:
    """Take an approver away: what they approved and has not yet run, counts no longer.

    Raises:
        RequestRefused: there is no such approver, or it is the last one.
        ConfigError: the settings cannot be read; nothing was changed.
    """
    settings = _settings(config_dir)
    approvers = settings.get("approvers", {})
    if name not in approvers:
        raise RequestRefused(f"There is no approver `{name}`.", code="unknown-approver")
    if len(approvers) == 1:
        raise RequestRefused(
            f"`{name}` is the only approver. Without a table of approvers the system's user would be one.",
            code="last-approver",
            hint="Add another one first.",
        )
    del approvers[name]
    _write(config_dir, settings)
    durable.remove(code_file(config_dir, name))
    _disallow(config_dir / "allowed_signers", name)


def _settings(config_dir: Path) -> tomlkit.TOMLDocument:
    path = config_dir / "signoff.toml"
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, ValueError) as error:
        raise ConfigError(f"It cannot be read: {error}", file=str(path)) from error


def _write(config_dir: Path, settings: tomlkit.TOMLDocument) -> None:
    durable.replace(config_dir / "signoff.toml", tomlkit.dumps(settings).encode())


def _methods(settings: tomlkit.TOMLDocument, name: str, *, code: bool, signature: bool) -> list[str]:
    """The methods of the approver's table, made where it is missing, with the new ones among them."""
    approvers = settings.setdefault("approvers", tomlkit.table(is_super_table=True))
    if not isinstance(approvers, Table | dict):
        raise ConfigError("`approvers` is no table.", file="signoff.toml")
    table = approvers.setdefault(name, tomlkit.table())
    named = table.get("methods")
    known = [str(method) for method in named] if named is not None else ["edit", "code", "signature"]
    wanted = {*known, *(["code"] if code else []), *(["signature"] if signature else [])}
    return [method for method in ("edit", "code", "signature") if method in wanted]


def _make_default(settings: tomlkit.TOMLDocument, name: str) -> None:
    for other, table in settings["approvers"].items():
        if other == name:
            table["default"] = True
        elif "default" in table:
            table["default"] = False


def _write_secret(path: Path, secret: str) -> None:
    system.make_owner_only_directory(path.parent)
    durable.replace(path, f"{secret}\n".encode(), mode=0o600)


def _public_key(path: Path) -> str:
    """The public key in a file, without its comment.

    A private key's file is not read: its public half, beside it with `.pub`, is.
    """
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    chosen = public if public.exists() else path
    try:
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestRefused(f"The key {chosen} cannot be read: {error}.", code="key-unreadable") from error
    found = _KEY.match(text.strip())
    if found is None:
        raise RequestRefused(
            f"{chosen} holds no SSH public key.",
            code="key-unreadable",
            hint="Name the file that ends in `.pub`. A private key is never needed here.",
        )
    return found.group()


def _allow(path: Path, name: str, key: str) -> None:
    lines = [line for line in _lines(path) if key not in line]
    lines.append(f'{name} namespaces="{NAMESPACE}" {key}')
    durable.replace(path, ("\n".join(lines) + "\n").encode(), mode=0o644)


def _disallow(path: Path, name: str) -> None:
    lines = _lines(path)
    kept = [line for line in lines if line.split(" ", 1)[0] != name]
    if kept != lines:
        durable.replace(path, ("\n".join(kept) + "\n" if kept else "").encode(), mode=0o644)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
