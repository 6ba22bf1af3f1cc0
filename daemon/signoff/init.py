"""What `signoff init` lays down: a vault, a configuration and a folder for logs.

Nothing is overwritten, and nothing asked. The configuration comes first: where one is there already, the
vault and the logs are those that it names. Sample plans are only put into an inbox that was made just now:
a second `init` must not bring plans back that have been dealt with.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tzlocal import get_localzone

from signoff import durable, system
from signoff.config import Settings, load_settings
from signoff.ledger.checkpoint import ensure_key
from signoff.places import Places
from signoff.say.dashboard import dashboard
from signoff.vault import Vault

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


def lay(folder: Path, config_dir: Path | None = None) -> tuple[Laid, Settings]:
    """Makes a project in a folder; says what was made and what was kept.

    Args:
        folder: made where it is missing.
        config_dir: where the configuration goes; `config` in the folder where None.

    Raises:
        ConfigError: the configuration that is there is wrong; the vault was not touched.
        OSError: something cannot be made; what was made before stays.
    """
    laid = Laid()
    config_dir = config_dir or folder / "config"
    _lay_config(laid, config_dir)
    settings = load_settings(config_dir, {})
    _lay_secrets(laid, Places(settings))
    laid.folder(settings.logs, private=True)
    _lay_vault(laid, settings)
    return laid, settings


def _lay_config(laid: Laid, config_dir: Path) -> None:
    laid.folder(config_dir, private=True)
    data = files("signoff") / "data"
    for source in _files(data / "config"):
        laid.file(config_dir / source.name, source.read_bytes())
    laid.file(config_dir / ".env.example", (data / "env.example").read_bytes())


def _lay_secrets(laid: Laid, places: Places) -> None:
    """The folder of secrets, and the key that signs checkpoints of the log."""
    laid.folder(places.checkpoint_key.parent, private=True)
    before = places.checkpoint_key.exists()
    ensure_key(places.checkpoint_key)
    (laid.kept if before else laid.made).append(places.checkpoint_key)


def _lay_vault(laid: Laid, settings: Settings) -> None:
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
    if fresh:
        for source in _files(data / "Inbox"):
            laid.file(inbox / source.name, source.read_bytes())
    laid.file(vault.root / "Plans.base", (data / "Plans.base").read_bytes())
    now = datetime.now(get_localzone() or UTC)
    laid.file(vault.root / "Dashboard.md", dashboard([], {}, now).encode())


def _files(folder: Traversable) -> Iterator[Traversable]:
    yield from sorted((each for each in folder.iterdir() if each.is_file()), key=lambda each: each.name)
