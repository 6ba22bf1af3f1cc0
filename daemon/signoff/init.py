"""What `signoff init` lays down: a vault, a configuration and a folder for logs.

Nothing is overwritten, and nothing asked. The configuration comes first: where one is there already, the
vault and the logs are those that it names. Sample plans are only put into an inbox that was made just now:
a second `init` must not bring plans back that have been dealt with. A vault that is there already keeps its
notes and folders as they are; what is missing is made beside them, and samples are not put in.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tzlocal import get_localzone

from signoff import durable, system
from signoff.config import Folders, Settings, load_settings
from signoff.config.folders import read_folders
from signoff.config.section import Section
from signoff.config.shape import Shape
from signoff.errors import ConfigError
from signoff.ledger.checkpoint import ensure_key
from signoff.places import Places
from signoff.say.dashboard import MARK, dashboard
from signoff.vault import DASHBOARDS, Vault

TEMPLATES = "Templates"


class Laid:
    """What was made, and what was there already and kept, in order; folders end in `/`."""

    def __init__(self) -> None:
        self.made: list[Path] = []
        self.kept: list[Path] = []
        self.folders: set[Path] = set()

    def folder(self, path: Path, *, private: bool = False) -> bool:
        """Makes a folder and those above it; whether it was made."""
        if path.is_dir():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        if private:
            system.make_owner_only_directory(path)
        else:
            path.mkdir()
        self.made.append(path)
        self.folders.add(path)
        return True

    def file(self, path: Path, data: bytes) -> None:
        """Writes a file where there is none."""
        try:
            durable.create(path, data, mode=0o644)
        except FileExistsError:
            self.kept.append(path)
        else:
            self.made.append(path)


def lay(
    folder: Path, config_dir: Path | None = None, existing: tuple[Path, Shape] | None = None
) -> tuple[Laid, Settings]:
    """Makes a project in a folder; says what was made and what was kept.

    Args:
        folder: made where it is missing.
        config_dir: where the configuration goes; `config` in the folder where None.
        existing: a vault that is there already, and the folders to work in.

    Raises:
        ConfigError: the configuration that is there is wrong; the vault was not touched.
        OSError: something cannot be made; what was made before stays.
    """
    laid = Laid()
    config_dir = config_dir or folder / "config"
    if existing is not None:
        _require_apart(folder, config_dir, existing[0])
        read_folders(Section(folder_values(existing[1].folders), str(config_dir / "signoff.toml")))
    _lay_config(laid, config_dir, existing)
    settings = load_settings(config_dir, {})
    _lay_secrets(laid, Places(settings))
    laid.folder(settings.logs, private=True)
    _lay_vault(laid, settings, samples=existing is None)
    return laid, settings


def _require_apart(folder: Path, config_dir: Path, vault: Path) -> None:
    """The configuration and the logs must not lie in the vault, and no settings be there yet."""
    inside = [path for path in (folder, config_dir) if path.resolve().is_relative_to(vault.resolve())]
    if inside:
        raise ConfigError(
            f"{inside[0].resolve()} lies in the vault: whoever can write notes could write the settings too.",
            hint="Name a folder outside it: `signoff init ~/signoff --existing VAULT`.",
        )
    if (config_dir / "signoff.toml").exists():
        raise ConfigError(
            "There are settings already; they were not changed.",
            file=str(config_dir / "signoff.toml"),
            hint="Put the proposed lines into it yourself.",
        )


def settings_text(config_dir: Path, vault: Path, folders: Folders) -> str:
    """The shipped `signoff.toml` with another vault and other folder names."""
    text = (files("signoff") / "data" / "config" / "signoff.toml").read_text(encoding="utf-8")
    try:
        path = Path(os.path.relpath(vault.resolve(), config_dir.resolve())).as_posix()
    except ValueError:  # another drive
        path = vault.resolve().as_posix()
    for key, value in {"path": path, **folder_values(folders)}.items():
        line = re.compile(rf"^{key} = [^#\n]*?(?=[ \t]*(?:#|$))", re.MULTILINE)
        shipped = line.search(text)
        if shipped is not None:
            written = f"{key} = {json.dumps(value, ensure_ascii=False)}"
            text = text[: shipped.start()] + written + text[shipped.end() :]
    return text


def folder_values(folders: Folders) -> dict[str, str | list[str]]:
    """Folder names as they stand in the settings: a list where there are several."""
    values: dict[str, list[str]] = {}
    for role, name in folders:
        values.setdefault(role, []).append(name)
    return {role: names if len(names) > 1 else names[0] for role, names in values.items()}


def _lay_config(laid: Laid, config_dir: Path, existing: tuple[Path, Shape] | None) -> None:
    laid.folder(config_dir, private=True)
    data = files("signoff") / "data"
    if existing is not None:
        text = settings_text(config_dir, existing[0], existing[1].folders)
        laid.file(config_dir / "signoff.toml", text.encode())
    for source in _files(data / "config"):
        if existing is None or source.name != "signoff.toml":
            laid.file(config_dir / source.name, source.read_bytes())
    laid.file(config_dir / ".env.example", (data / "env.example").read_bytes())


def _lay_secrets(laid: Laid, places: Places) -> None:
    """The folder of secrets, and the key that signs checkpoints of the log."""
    laid.folder(places.checkpoint_key.parent, private=True)
    before = places.checkpoint_key.exists()
    ensure_key(places.checkpoint_key)
    (laid.kept if before else laid.made).append(places.checkpoint_key)


def _lay_vault(laid: Laid, settings: Settings, *, samples: bool) -> None:
    vault = Vault(settings.vault.path, settings.vault.folders)
    names = settings.vault.folders
    laid.folder(vault.root)
    inbox = vault.root / names.inbox[0]
    fresh = laid.folder(inbox)
    for group in (names.inbox, names.pending, names.approved, names.done, names.failed, names.rejected):
        laid.folder(vault.root / group[0])
    laid.folder(vault.root / TEMPLATES)
    data = files("signoff") / "data" / "vault"
    for source in _files(data / "Templates"):
        laid.file(vault.root / TEMPLATES / source.name, source.read_bytes())
    if fresh and samples:
        for source in _files(data / "Inbox"):
            laid.file(inbox / source.name, source.read_bytes())
    base = plans_base((data / "Plans.base").read_text(encoding="utf-8"), names)
    laid.file(vault.root / "Plans.base", base.encode())
    now = datetime.now(get_localzone() or UTC)
    laid.file(
        vault.root / (vault.dashboard_name(MARK.encode()) or DASHBOARDS[0]), dashboard([], {}, now).encode()
    )


def plans_base(text: str, folders: Folders) -> str:
    """The Bases view over the folders of this vault: a line of the shipped one for each name of a role."""
    shipped = {name: role for role, name in Folders()}
    names: dict[str, list[str]] = {}
    for role, name in folders:
        names.setdefault(role, []).append(name)

    def lines(match: re.Match[str]) -> str:
        if match["name"] not in shipped:
            return match[0]
        written = [json.dumps(name, ensure_ascii=False) for name in names[shipped[match["name"]]]]
        return "".join(f"{match['lead']}- file.inFolder({name})\n" for name in written)

    several = re.compile(r'^(?P<lead>[ ]*)- file\.inFolder\("(?P<name>[^"]*)"\)\n', re.MULTILINE)
    return several.sub(lines, text)


def _files(folder: Traversable) -> Iterator[Traversable]:
    yield from sorted((each for each in folder.iterdir() if each.is_file()), key=lambda each: each.name)
