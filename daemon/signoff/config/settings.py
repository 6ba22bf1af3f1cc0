"""The settings of `signoff.toml`, frozen, with what the environment overrides.

Defaults are those of the specification, section 12. Relative paths in the file count from the
config folder; in the environment from the current directory, as on any command line.

Without any `[approvers...]` table there is one default approver, named after the operating
system's user, with every method. As soon as one is named, only the named ones exist.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from signoff.config.environment import load_environment, overrides
from signoff.config.files import read_toml
from signoff.config.folders import Folders, read_folders
from signoff.config.section import Section, suggestion
from signoff.errors import ConfigError
from signoff.model import Method

EVIDENCE = (Method.EDIT, Method.CODE, Method.SIGNATURE)
"""What an approver can give; `auto` is the absence of it."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "vault": ("path", "settle", "rescan", "polling"),
    "vault.folders": ("inbox", "pending", "approved", "done", "failed", "rejected"),
    "logs": ("path",),
    "approval": ("ttl", "code_window"),
    "execution": ("timeout", "retries", "retry_delay", "concurrency", "per_plan", "answer_within"),
    "schedule": ("missed",),
    "health": ("interval",),
}
"""Every setting that the environment may override, by its table."""

MISSED = ("once", "skip")
"""What becomes of runs that came due while nobody was there: one, late; or none."""
_WHOLE = {"retries", "concurrency", "per_plan"}
_FLAGS = {"polling"}
_APPROVER = re.compile(r"[^\W_][\w.@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """Where the notes are.

    Attributes:
        path: absolute.
        settle: seconds that a note must be unchanged before it is read.
        folders: the folders of plans in it.
        rescan: seconds between looks at the whole vault, for events that were lost.
        polling: look for changes by oneself; for file systems that tell of none and are not known to.
    """

    path: Path
    settle: float
    folders: Folders
    rescan: float
    polling: bool = False


@dataclass(frozen=True, slots=True)
class Approver:
    """Someone who may approve, and by which evidence."""

    name: str
    default: bool
    methods: tuple[Method, ...]


@dataclass(frozen=True, slots=True)
class ApprovalSettings:
    """How long approvals live.

    Attributes:
        ttl: seconds until an approval ends, when the note names no expiry.
        code_window: seconds for which a one-time code is accepted, to allow for slow sync.
    """

    ttl: float
    code_window: float


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How calls are made.

    Attributes:
        timeout: seconds for one call.
        retries: how often a call that provably was not sent is tried again.
        retry_delay: seconds before the first retry; doubled each time.
        concurrency: calls in flight, all servers together.
        per_plan: of these, calls in flight of one plan.
        answer_within: seconds for which a server's question in the middle of a call waits for its answer.
    """

    timeout: float
    retries: int
    retry_delay: float
    concurrency: int
    per_plan: int = 8
    answer_within: float = 3600.0


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """How repeating plans run.

    Attributes:
        skip_missed: what came due while nobody was there is not run late, but left out.
    """

    skip_missed: bool = False


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """`interval`: seconds between two health checks of a server."""

    interval: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `signoff.toml` says; `config_dir` and `logs` are absolute."""

    config_dir: Path
    vault: VaultSettings
    logs: Path
    approvers: Mapping[str, Approver]
    approval: ApprovalSettings
    execution: ExecutionSettings
    health: HealthSettings
    schedule: ScheduleSettings = ScheduleSettings()

    @property
    def default_approver(self) -> Approver | None:
        """Whose gesture it is when a note names nobody; None where no approver is the default."""
        return next((approver for approver in self.approvers.values() if approver.default), None)


def load_settings(config_dir: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of `config_dir/signoff.toml` under the `SIGNOFF_...` variables.

    The variables are those of `environ` and of `config_dir/.env`. A missing file means the defaults.

    Raises:
        ConfigError: with file, line and key, or the variable's name.
    """
    config_dir = Path(os.path.abspath(config_dir))  # noqa: PTH100 - `..` is taken as written, links stay
    section = _overridden(read_toml(config_dir / "signoff.toml"), load_environment(config_dir, environ))
    section.only("vault", "logs", "approvers", "approval", "execution", "schedule", "health")
    settings = Settings(
        config_dir=config_dir,
        vault=_vault(section.table("vault"), config_dir),
        logs=_path(_known(section, "logs"), "path", "../logs", config_dir),
        approvers=_approvers(section),
        approval=_approval(_known(section, "approval")),
        execution=_execution(_known(section, "execution")),
        health=HealthSettings(interval=_known(section, "health").seconds("interval", "60s", least=1)),
        schedule=_schedule(_known(section, "schedule")),
    )
    _keep_out_of_the_vault(settings, section)
    return settings


def _overridden(section: Section, environ: Mapping[str, str]) -> Section:
    """The section with the environment's values in place of the file's."""
    variables = {
        "_".join(("SIGNOFF", *table.split("."), key)).upper(): (*table.split("."), key)
        for table, keys in KEYS.items()
        for key in keys
    }
    values = _copied(section.values)
    sources: dict[tuple[str | int, ...], str] = {}
    for name, text in overrides(environ, variables).items():
        *tables, key = variables[name]
        target = values
        for table in tables:
            below = target.setdefault(table, {})
            target = below if isinstance(below, dict) else {}
        target[key] = _override_value(tables, key, text)
        sources[variables[name]] = name
    return Section(values, section.file, lines=section.lines, sources=sources)


def _copied(values: Mapping[str, object]) -> dict[str, object]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _override_value(tables: list[str], key: str, text: str) -> object:
    """A variable's text as the type that the setting has in the file."""
    if key in _WHOLE and re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return int(text)
    if key in _FLAGS and text.strip().lower() in {"true", "false"}:
        return text.strip().lower() == "true"
    if "folders" in tables:
        return [name.strip() for name in text.split(",")]
    if key == "path" and text.strip() and not text.startswith("~"):
        return os.path.abspath(text)  # noqa: PTH100 - as above
    return text


def _known(section: Section, table: str) -> Section:
    """A table whose keys are all in `KEYS`."""
    found = section.table(table)
    found.only(*KEYS[table])
    return found


def _vault(section: Section, config_dir: Path) -> VaultSettings:
    section.only(*KEYS["vault"], "folders")
    return VaultSettings(
        path=_path(section, "path", "../vault", config_dir),
        settle=section.seconds("settle", "100ms", least=0),
        folders=read_folders(section.table("folders")),
        rescan=section.seconds("rescan", "5s", least=1),
        polling=section.flag("polling", default=False),
    )


def _approval(section: Section) -> ApprovalSettings:
    return ApprovalSettings(
        ttl=section.seconds("ttl", "24h", least=1),
        code_window=section.seconds("code_window", "10m", least=30),
    )


def _execution(section: Section) -> ExecutionSettings:
    concurrency = section.whole("concurrency", 8, least=1, most=1000)
    return ExecutionSettings(
        timeout=section.seconds("timeout", "30s"),
        retries=section.whole("retries", 3, least=0, most=100),
        retry_delay=section.seconds("retry_delay", "2s"),
        concurrency=concurrency,
        per_plan=section.whole("per_plan", concurrency, least=1, most=1000),
        answer_within=section.seconds("answer_within", "1h", least=1),
    )


def _schedule(section: Section) -> ScheduleSettings:
    missed = section.text("missed", MISSED[0])
    if missed not in MISSED:
        section.fail(
            f"`{section.name_of('missed')}` cannot be `{missed}`.", "missed", hint=suggestion(missed, MISSED)
        )
    return ScheduleSettings(skip_missed=missed == "skip")


def _path(section: Section, key: str, default: str, config_dir: Path) -> Path:
    text = section.text(key, default)
    if "\0" in text:
        section.fail(f"`{section.name_of(key)}` has a NUL character.", key)
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        section.fail(f"`{section.name_of(key)}`: there is no home folder for `{text}`.", key)
    return Path(os.path.abspath(config_dir / path))  # noqa: PTH100 - as above


def _approvers(section: Section) -> Mapping[str, Approver]:
    if not section.has("approvers"):
        name = _user_name()
        return {name: Approver(name=name, default=True, methods=EVIDENCE)}
    table = section.table("approvers")
    approvers = {name: _approver(table, name) for name in table.values}
    _refuse_look_alikes(table)
    defaults = [name for name, approver in approvers.items() if approver.default]
    if len(defaults) > 1:
        table.fail(
            f"Both `{defaults[0]}` and `{defaults[1]}` are the default approver: only one can be.",
            defaults[1],
        )
    return approvers


def _approver(table: Section, name: str) -> Approver:
    if not _APPROVER.fullmatch(name):
        table.fail(
            f"`{name}` cannot be an approver's name.",
            name,
            hint="Up to 64 letters, digits and `.`, `@`, `+`, `-`, `_`, with a letter or digit first.",
        )
    section = table.table(name)
    section.only("default", "methods")
    return Approver(name=name, default=section.flag("default", default=False), methods=_methods(section))


def _methods(section: Section) -> tuple[Method, ...]:
    known = [method.value for method in EVIDENCE]
    names = section.names("methods", tuple(known))
    for name in names:
        if name not in known:
            section.fail(f"`{name}` is not a way to approve.", "methods", hint=suggestion(name, known))
    return tuple(method for method in EVIDENCE if method.value in names)


def _refuse_look_alikes(table: Section) -> None:
    """Approvers are compared without regard to case, so two must not differ by case alone."""
    seen: dict[str, str] = {}
    for name in table.values:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            table.fail(f"The approvers `{other}` and `{name}` differ only by upper and lower case.", name)


def _user_name() -> str:
    """The operating system's user, in a form that can name an approver."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "owner"
    return re.sub(r"[^\w.@+-]+", "-", user).strip("-_.@+")[:64] or "owner"


def _keep_out_of_the_vault(settings: Settings, section: Section) -> None:
    """Refuse a config or logs folder inside the vault.

    Whoever can write the vault could otherwise name approvers, leave requests to the daemon or
    rewrite the audit log, and sync would carry private content away.
    """
    vault = settings.vault.path
    if _lies_in(settings.config_dir, vault):
        raise ConfigError(
            f"The config folder {settings.config_dir} lies inside the vault {vault}: whoever can write notes"
            " could name approvers.",
            file=section.file,
            hint="Move it out of the vault.",
        )
    if _lies_in(settings.logs, vault):
        section.table("logs").fail(
            f"The logs folder {settings.logs} lies inside the vault {vault}: whoever can write notes could"
            " rewrite the record.",
            "path",
            hint="Set `logs.path` to a folder outside the vault.",
        )


def _lies_in(inner: Path, outer: Path) -> bool:
    """Whether a path is a folder or something below it, also through links and other spellings."""
    return any(
        path == outer or _same(path, outer)
        for path in (inner.resolve(), inner, *inner.resolve().parents, *inner.parents)
    )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def with_vault(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment as server entries may refer to it: `${SIGNOFF_VAULT}` is where the notes are."""
    return {**environ, "SIGNOFF_VAULT": str(settings.vault.path)}
