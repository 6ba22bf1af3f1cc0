"""`signoff init`: lays a project down, and says what to do next."""

from __future__ import annotations

import json
import os
from pathlib import Path

from signoff.cli.screen import SCREEN
from signoff.config.shape import Shape, shape_of
from signoff.errors import ConfigError
from signoff.init import Laid, folder_values, lay


def init(
    folder: Path, config_dir: Path | None, *, existing: tuple[Path, Shape] | None = None, as_json: bool
) -> None:
    """Makes what is missing.

    Raises:
        ConfigError: the configuration that is there is wrong.
        OSError: something cannot be made.
    """
    laid, settings = lay(folder, config_dir, existing)
    made = [_name(path, folder, laid) for path in laid.made]
    kept = [_name(path, folder, laid) for path in laid.kept]
    if as_json:
        where = {
            "vault": str(settings.vault.path),
            "config": str(settings.config_dir),
            "logs": str(settings.logs),
        }
        SCREEN.json({"made": made, "kept": kept, **where})
        return
    for name in made:
        SCREEN.line(f"made  {name}", "green")
    for name in kept:
        SCREEN.line(f"kept  {name} (it was there already)")
    SCREEN.line()
    SCREEN.line(f"The vault is {settings.vault.path}. Open it in Obsidian, or in any editor.")
    approver = settings.default_approver
    if approver is not None:
        file = settings.config_dir / "signoff.toml"
        SCREEN.line(
            f"The default approver is called `{approver.name}`: put your own name into {_short(file)}."
        )
    SCREEN.line(f"Then run: {_command(folder, config_dir)}")


def init_existing(folder: Path, config_dir: Path | None, vault: Path, *, yes: bool, as_json: bool) -> None:
    """Proposes how to work in a vault that is there already, and with `yes` sets it up so.

    No note is opened, moved or changed; without `yes` nothing is written at all.

    Raises:
        ConfigError: there is no such folder, or the settings cannot be written.
        OSError: the vault cannot be read, or something cannot be made.
    """
    if not vault.is_dir():
        raise ConfigError(f"There is no folder {vault}.", hint="Name the folder of the vault.")
    shape = shape_of(vault)
    if yes:
        init(folder, config_dir, existing=(vault, shape), as_json=as_json)
        return
    values = folder_values(shape.folders)
    if as_json:
        notes = {name: shape.notes.get(name) for _, name in shape.folders}
        SCREEN.json({"vault": str(vault.resolve()), "folders": values, "notes": notes, "written": False})
        return
    SCREEN.table(
        ("For", "Folder", ""),
        [
            (
                role,
                name,
                f"{shape.notes[name]} notes" if name in shape.notes else "not there: it would be made",
            )
            for role, name in shape.folders
        ],
    )
    SCREEN.line("Nothing was changed. In signoff.toml this is:")
    SCREEN.line()
    SCREEN.lines(
        "[vault.folders]\n" + "\n".join(f"{role} = {json.dumps(name)}" for role, name in values.items())
    )
    SCREEN.line()
    SCREEN.line("To set it up so, without moving or changing a note, add --yes.")


def _name(path: Path, folder: Path, laid: Laid) -> str:
    slash = "/" if path in laid.folders else ""
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix() + slash
    except ValueError:
        return f"{path}{slash}"


def _short(path: Path) -> str:
    """A path as typed from here, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def _command(folder: Path, config_dir: Path | None) -> str:
    if config_dir is not None:
        return f"signoff run --config {_short(config_dir)}"
    here = folder.resolve() == Path.cwd()
    return "signoff run" if here else f"cd {folder} && signoff run"
