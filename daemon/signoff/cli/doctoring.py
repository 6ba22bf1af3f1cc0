"""`signoff doctor`: whether everything is in place for the daemon. Looks only; starts no server."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from signoff import __version__, system
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN, Said
from signoff.errors import SignoffError
from signoff.servers.config import ServerConfig, StdioLaunch
from signoff.servers.launch import missing_words
from signoff.servers.remedy import remedy

OK, NOTICE, WRONG = "ok", "notice", "wrong"
COLOURS = {OK: "green", NOTICE: "yellow", WRONG: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, `notice` (works, but look at it) or `wrong`."""

    what: str
    status: str
    message: str
    hint: str = ""


def doctor(project: Project, *, as_json: bool) -> int:
    """Looks at everything; 1 where something is wrong."""
    findings = [finding for look in LOOKS for finding in _safely(look, project)]
    wrong = any(finding.status == WRONG for finding in findings)
    if as_json:
        SCREEN.json({"ok": not wrong, "checks": [asdict(finding) for finding in findings]})
        return int(wrong)
    SCREEN.table(
        ("", "What", "Found"),
        [
            (Said(finding.status, COLOURS[finding.status]), finding.what, finding.message)
            for finding in findings
        ],
    )
    for finding in findings:
        if finding.hint:
            SCREEN.line(f"{finding.what}: {finding.hint}")
    return int(wrong)


def _safely(look: Callable[[Project], Iterator[Finding]], project: Project) -> Iterator[Finding]:
    what = look.__name__.strip("_")
    try:
        yield from look(project)
    except SignoffError as error:
        place = ":".join(str(part) for part in (error.file, error.line) if part is not None)
        yield Finding(what, WRONG, f"{place}{': ' if place else ''}{error.message}", error.hint)
    except OSError as error:
        yield Finding(what, WRONG, f"{error.filename or ''}: {error.strerror or error}".lstrip(": "))


def _python(_: Project) -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("python", OK, f"Python {version} on {platform.system()}, signoff {__version__}")


def _settings(project: Project) -> Iterator[Finding]:
    settings = project.settings
    yield Finding("settings", OK, str(settings.config_dir / "signoff.toml"))
    default = settings.default_approver
    names = ", ".join(settings.approvers)
    if default is None:
        hint = "Without a default, every approval must name its approver in `approved_by`."
        yield Finding("approvers", NOTICE, f"{names}; none is the default", hint)
    else:
        yield Finding("approvers", OK, f"{names}; the default is {default.name}")


def _policy(project: Project) -> Iterator[Finding]:
    yield Finding("policy", OK, f"{len(project.policy.rules)} rules")


def _actions(project: Project) -> Iterator[Finding]:
    yield Finding("actions", OK, f"{len(project.catalogue.actions)} actions")


def _vault(project: Project) -> Iterator[Finding]:
    root = project.settings.vault.path
    if not root.is_dir():
        yield Finding("vault", WRONG, f"There is no folder {root}.", "Make it, or mend `vault.path`.")
        return
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("vault", WRONG, f"{root} cannot be written by this user.")
        return
    folders = project.settings.vault.folders
    names = (*folders.inbox, *folders.pending, *folders.approved, *folders.done, *folders.failed)
    missing = [name for name in (*names, *folders.rejected) if not (root / name).is_dir()]
    if missing:
        yield Finding("vault", NOTICE, f"{root}; the daemon will make {', '.join(missing)}")
    else:
        yield Finding("vault", OK, str(root))


def _permissions(project: Project) -> Iterator[Finding]:
    """Whoever can write these could name approvers, or change the record."""
    places = project.places
    for path in (
        project.settings.config_dir,
        *sorted(path for path in project.settings.config_dir.iterdir() if path.is_file()),
        places.checkpoint_key.parent,
        places.logs,
        places.audit,
        places.requests,
    ):
        if path.exists() and system.others_can_write(path):
            hint = f"Take that right away: chmod go-w {path}" if os.name == "posix" else ""
            yield Finding("permissions", WRONG, f"Others can write {path}.", hint)
            return
    yield Finding("permissions", OK, "Only this user can write config, secrets and logs")


def _logs(project: Project) -> Iterator[Finding]:
    logs = project.places.logs
    there = next(path for path in (logs, *logs.parents) if path.exists())
    writable = os.access(there, os.W_OK | os.X_OK)
    yield Finding("logs", OK if writable else WRONG, f"{logs}{'' if writable else ' cannot be written.'}")


def _ledger(project: Project) -> Iterator[Finding]:
    from signoff.ledger.checkpoint import read_public_key
    from signoff.ledger.verify import EXIT_CODES, verify

    places = project.places
    key = read_public_key(places.checkpoint_public) if places.checkpoint_public.exists() else None
    verdict = verify(places.audit, public_key=key, blobs=places.blobs)
    good = EXIT_CODES[verdict.status] == 0
    said = f"{verdict.status}, {verdict.entries} entries"
    yield Finding("ledger", OK if good else WRONG, said, "" if good else verdict.message)


def _servers(project: Project) -> Iterator[Finding]:
    if not project.servers:
        yield Finding("servers", NOTICE, "There are none in mcp_servers.json.")
    for name, config in project.servers.items():
        yield _server(name, config, project)


def _server(name: str, config: ServerConfig, project: Project) -> Finding:
    what = f"server {name}"
    if config.disabled:
        return Finding(what, OK, "disabled")
    if config.missing:
        return Finding(what, WRONG, missing_words(config.missing), remedy("missing-variable", config))
    launch = config.launch
    if not isinstance(launch, StdioLaunch):
        return Finding(what, OK, f"{config.transport}; ask it with `signoff servers check`")
    if launch.cwd is not None and not launch.cwd.is_dir():
        return Finding(what, WRONG, f"Its folder {launch.cwd} is not there.")
    command = str(config.identity.get("command"))
    if not _found(launch, project.environ.get("PATH")):
        return Finding(
            what, WRONG, f"Its program {command} was not found.", "Install it, or give its full path."
        )
    return Finding(what, OK, f"{command} is there")


def _found(launch: StdioLaunch, path: str | None) -> bool:
    if shutil.which(launch.command, path=launch.env.get("PATH", path)):
        return True
    return (
        launch.cwd is not None
        and os.access(launch.cwd / launch.command, os.X_OK)
        and _is_path(launch.command)
    )


def _is_path(command: str) -> bool:
    return Path(command).name != command


def _daemon(project: Project) -> Iterator[Finding]:
    running = project.running()
    if running is None:
        yield Finding("daemon", NOTICE, "No daemon runs.", "Start it with `signoff run`.")
    else:
        yield Finding("daemon", OK, f"Process {running.pid} since {running.since}")


def _encoding(_: Project) -> Iterator[Finding]:
    name = sys.getfilesystemencoding()
    if name.lower().replace("-", "") != "utf8":
        yield Finding(
            "file names", NOTICE, f"File names are in {name}, not UTF-8: some notes may be out of reach."
        )


LOOKS = (
    _python,
    _settings,
    _policy,
    _actions,
    _vault,
    _logs,
    _permissions,
    _ledger,
    _servers,
    _encoding,
    _daemon,
)
