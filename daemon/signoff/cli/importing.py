"""`signoff servers import`: brings servers in from other applications, without their secrets in clear."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signoff import durable
from signoff.cli.project import Project
from signoff.cli.reloading import followed
from signoff.cli.screen import SCREEN
from signoff.cli.unsecret import Opened, dotenv_line, without_secrets
from signoff.config.environment import read_dotenv
from signoff.errors import ConfigError, NotFound, RequestRefused
from signoff.servers import jsonc
from signoff.servers.config import load_servers, raw_servers
from signoff.servers.keyring import PREFIX, KeyringSilent

APPLICATIONS = {
    "claude-desktop": "Claude/claude_desktop_config.json",
    "cursor": ".cursor/mcp.json",
    "vscode": "Code/User/mcp.json",
}
"""Where each keeps its servers, below the folder for settings (or, for Cursor, below the home folder)."""


def bring_in(
    project: Project,
    file: Path | None,
    application: str | None,
    *,
    in_keyring: bool = False,
    yes: bool,
    as_json: bool,
) -> None:
    """Shows what would be added, and with `yes` adds it. A server of the same name is never replaced.

    Args:
        in_keyring: secrets go into the keyring, not into `config/.env`.

    Raises:
        RequestRefused: neither a file nor an application was named, or `mcp_servers.json` has a form that
            nothing can be added to safely.
        NotFound: the application keeps no such file here.
        ConfigError: a file is wrong.
    """
    source = file or _file_of(application)
    load_servers(source, project.environ)  # says what is wrong with it, with the place
    taken = {**read_dotenv(project.config_dir / ".env"), **project.process_environ}
    found: dict[str, Opened] = {}
    kept: list[str] = []
    for name, entry in raw_servers(source).items():
        if name in project.servers:
            kept.append(name)
            continue
        found[name] = without_secrets(name, entry, taken, prefix=PREFIX if in_keyring else "")
        taken |= found[name].secrets
    if yes and found:
        add_to_config(project, found, in_keyring=in_keyring)
    daemon = followed(project) if yes and found else ""
    if as_json:
        SCREEN.json(_as_object(source, found, kept, written=bool(daemon)) | {"daemon": daemon})
    else:
        _say(source, found, kept, yes=yes, in_keyring=in_keyring)
        if found:
            SCREEN.line(daemon or "Nothing was written. To add them, say it again with --yes.")


def _file_of(application: str | None) -> Path:
    if application is None:
        raise RequestRefused(
            "Nothing was named to bring servers in from.",
            code="nothing-named",
            hint=f"Name a file, or --from {'|'.join(APPLICATIONS)}.",
        )
    home, below = Path.home(), APPLICATIONS[application]
    settings = [home / "Library" / "Application Support", home / ".config"]
    named = (os.environ.get(name) for name in ("APPDATA", "XDG_CONFIG_HOME"))
    settings = [*(Path(name) for name in named if name), *settings]
    places = [home / below, *(folder / below for folder in settings)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise NotFound(
            f"{application} keeps no servers in the places known here.",
            code="no-such-file",
            hint="Name the file itself: signoff servers import FILE.",
        )
    return path


# ---------------------------------------------------------------- writing


def add_to_config(project: Project, found: Mapping[str, Opened], *, in_keyring: bool = False) -> None:
    """Adds servers to `mcp_servers.json`, and what was secret in them to `config/.env` or the keyring.

    The secrets first: an entry never refers to a variable that is not there yet.

    Raises:
        RequestRefused: `mcp_servers.json` has a form that nothing can be added to safely, or the keyring
            would not take a secret; no server was added.
    """
    path = project.config_dir / "mcp_servers.json"
    old = path.read_bytes() if path.exists() else None
    new = _with_entries(old, found, path)
    secrets = {name: value for opened in found.values() for name, value in opened.secrets.items()}
    if in_keyring:
        _keep_secrets(project, secrets)
    else:
        _add_secrets(project.config_dir / ".env", secrets)
    if old is None:
        durable.create(path, new)
    else:
        durable.replace(path, new, expect=old)


def _keep_secrets(project: Project, secrets: Mapping[str, str]) -> None:
    try:
        for name, value in secrets.items():
            project.keyring.put(name, value)
    except KeyringSilent as error:
        raise RequestRefused(
            f"No server was added: the keyring would not take {name}: {error}.",
            code="keyring-silent",
            hint="Unlock it and try again; or leave out --keyring, and they go into config/.env.",
        ) from error


def _add_secrets(path: Path, secrets: Mapping[str, str]) -> None:
    known = read_dotenv(path)
    lines = [dotenv_line(name, value) for name, value in secrets.items() if name not in known]
    if not lines:
        return
    old = path.read_bytes() if path.exists() else b""
    end = b"" if not old or old.endswith(b"\n") else b"\n"
    durable.replace(path, old + end + "\n".join([*lines, ""]).encode(), mode=0o600)


def _with_entries(old: bytes | None, found: Mapping[str, Opened], path: Path) -> bytes:
    """The file with the entries at the beginning of its servers; every other character stays."""
    entries = {name: opened.entry for name, opened in found.items()}
    if not (old or b"").strip():
        return (json.dumps({"mcpServers": entries}, indent=2, ensure_ascii=False) + "\n").encode()
    text = (old or b"").decode("utf-8-sig")
    plain = jsonc.strip(text)
    value = jsonc.load(text, str(path))
    key = (
        next((key for key in ("mcpServers", "servers") if key in value), None)
        if isinstance(value, dict)
        else None
    )
    begin = plain.find("{", plain.find(f'"{key}"')) + 1 if key else 0
    if not begin or not isinstance(value[key], dict):
        raise RequestRefused(
            f"{path} has a form to which nothing can be added safely. Nothing was written.",
            code="form-unknown",
            hint='Put its servers under "mcpServers": {...}, or add the entries by hand.',
        )
    body = json.dumps(entries, indent=2, ensure_ascii=False)[1:-1].strip("\n").replace("\n", "\n  ")
    comma = "," if value[key] else "\n  "
    new = f"{text[:begin]}\n  {body.rstrip()}{comma}{text[begin:]}"
    if jsonc.load(new, str(path)) != {**value, key: {**entries, **value[key]}}:
        raise ConfigError("The entries could not be added safely. Nothing was written.", file=str(path))
    return new.encode()


# ---------------------------------------------------------------- what is told


def _as_object(source: Path, found: Mapping[str, Opened], kept: list[str], *, written: bool) -> Any:
    return {
        "file": str(source),
        "add": {name: opened.entry for name, opened in found.items()},
        "kept": kept,
        "secrets": {name: sorted(opened.secrets) for name, opened in found.items() if opened.secrets},
        "asked": {name: opened.asked for name, opened in found.items() if opened.asked},
        "written": written,
    }


def _say(source: Path, found: Mapping[str, Opened], kept: list[str], *, yes: bool, in_keyring: bool) -> None:
    SCREEN.line(f"From {source}:")
    where = "the keyring" if in_keyring else "config/.env"
    for name, opened in found.items():
        SCREEN.line(f"{'added' if yes else 'would add'} {name}", "green")
        SCREEN.lines(json.dumps(opened.entry, indent=2, ensure_ascii=False), indent="  ")
        if opened.secrets:
            names = ", ".join(sorted(opened.secrets))
            SCREEN.line(
                f"  It held secrets in clear. Each {'is' if yes else 'will be'} kept in {where}: {names}.",
                "yellow",
            )
        for variable in opened.asked:
            SCREEN.line(f"  It needs {variable}: {_how_to_set(variable, in_keyring=in_keyring)}", "yellow")
    for name in kept:
        SCREEN.line(f"kept {name} (there is a server of that name already)")
    if not found:
        SCREEN.line("There is nothing to add.")


def _how_to_set(variable: str, *, in_keyring: bool) -> str:
    return f"signoff servers secret {variable}" if in_keyring else f"put {variable}=... into config/.env"
