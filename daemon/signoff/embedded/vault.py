"""The `vault` server: read, write, append to, list and search notes in one folder of the vault.

    python -m signoff.embedded.vault --vault DIR [--folder NAME] [--plan-folder NAME ...]

The folder (default `Notes`) is made at the first write. It can never be, hold, or lie in a plan
folder: what an approved plan writes must not become a plan. Such a start is refused with status 2.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from signoff.embedded.inside import BadName, check_name, overlap
from signoff.embedded.note_tools import LISTED, MATCHES, NoteTools
from signoff.embedded.notes import MAX_NOTE, Notes
from signoff.embedded.tools import Tool, schema
from signoff.model import JsonObject

PLAN_FOLDERS = ("Inbox", "Pending_Approval", "Approved", "Done", "Failed", "Rejected")
"""What the plan folders are called where `--plan-folder` does not say."""

_PATH: JsonObject = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1000,
    "description": "Path of the note inside the folder, with /; .md is added where there is no suffix.",
}
_CONTENT: JsonObject = {
    "type": "string",
    "maxLength": MAX_NOTE,
    "description": "Markdown text, at most 1 MiB.",
}
_DESCRIBED: JsonObject = {
    "path": {"type": "string", "description": "Path inside the folder, as the tools take it."},
    "vault_path": {"type": "string", "description": "Path inside the vault."},
    "bytes": {"type": "integer"},
    "sha256": {"type": "string"},
}
_WRITTEN = schema(
    {**_DESCRIBED, "created": {"type": "boolean"}}, {"bytes_before": {"type": "integer"}}, closed=False
)


def tools_over(notes: Notes) -> list[Tool]:
    """The six tools, as they are declared."""
    acts = NoteTools(notes)
    where = f"in the folder {notes.folder} of the vault"
    return [*_reading(acts, where), *_writing(acts, where)]


def _writing(acts: NoteTools, where: str) -> list[Tool]:
    takes = schema({"path": _PATH, "content": _CONTENT})
    nothing = "Nothing was written."
    return [
        Tool(
            name="write_note",
            title="Write a new note",
            description=f"Makes a new note {where}. Refuses where there is one of that name already.",
            input_schema=takes,
            output_schema=_WRITTEN,
            nothing=nothing,
            run=acts.write_note,
        ),
        Tool(
            name="append_note",
            title="Append to a note",
            description=f"Adds lines to the end of a note {where}; makes the note where there is none.",
            input_schema=takes,
            output_schema=_WRITTEN,
            nothing=nothing,
            run=acts.append_note,
        ),
        Tool(
            name="replace_note",
            title="Replace a note",
            description=f"Replaces the whole text of an existing note {where}. The old text is lost.",
            input_schema=takes,
            output_schema=_WRITTEN,
            nothing=nothing,
            run=acts.replace_note,
            destructive=True,
            idempotent=True,
        ),
    ]


def _reading(acts: NoteTools, where: str) -> list[Tool]:
    flag: JsonObject = {"type": "boolean"}
    count: JsonObject = {"type": "integer"}
    rows: JsonObject = {"type": "array", "items": {"type": "object"}}
    return [
        Tool(
            name="read_note",
            title="Read a note",
            description=f"Reads one note {where}: its Markdown text.",
            input_schema=schema({"path": _PATH}),
            output_schema=schema({**_DESCRIBED, "content": {"type": "string"}}, closed=False),
            nothing="Nothing was read.",
            run=acts.read_note,
            read_only=True,
            idempotent=True,
        ),
        Tool(
            name="list_notes",
            title="List notes",
            description=f"Lists the notes {where}, with those in subfolders, in the order of their paths.",
            input_schema=schema(
                {},
                {
                    "folder": {"type": "string", "description": "Only those in this subfolder."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": LISTED},
                },
            ),
            output_schema=schema({"notes": rows, "total": count, "truncated": flag}, closed=False),
            nothing="Nothing was read.",
            run=acts.list_notes,
            read_only=True,
            idempotent=True,
        ),
        Tool(
            name="search_notes",
            title="Search notes",
            description=f"Finds the lines and names of notes {where} that hold a text, in any case.",
            input_schema=schema(
                {"query": {"type": "string", "minLength": 1, "maxLength": 200}},
                {"limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": MATCHES}},
            ),
            output_schema=schema({"matches": rows, "notes_searched": count, "truncated": flag}, closed=False),
            nothing="Nothing was read.",
            run=acts.search_notes,
            read_only=True,
            idempotent=True,
        ),
    ]


def folder_of(arguments: Sequence[str] | None = None) -> Notes:
    """The folder that the command line names; ends with status 2 where it may not be used."""
    parser = argparse.ArgumentParser(
        prog="signoff.embedded.vault", description="Notes in one folder of a vault."
    )
    parser.add_argument("--vault", required=True, metavar="DIR", type=Path, help="the vault's folder")
    parser.add_argument("--folder", default="Notes", metavar="NAME", help="the folder in it (default: Notes)")
    parser.add_argument(
        "--plan-folder",
        action="append",
        metavar="NAME",
        help="a plan folder, instead of the usual six; repeatable",
    )
    options = parser.parse_args(arguments)
    if not options.vault.is_dir():
        parser.error(f"There is no vault {options.vault}. Nothing was started.")
    try:
        folder = check_name(options.folder.rstrip("/"))
    except BadName as error:
        parser.error(f"--folder: {error} Nothing was started.")
    for plans in options.plan_folder or PLAN_FOLDERS:
        if overlap(folder, plans.strip("/")):
            parser.error(
                f"--folder: {folder} is, holds or lies in the plan folder {plans}: what is written "
                "there would become a plan. Nothing was started; name a folder beside the plan folders."
            )
    return Notes(options.vault.resolve(), folder)


def main() -> None:
    """Serves over standard input and output until that closes."""
    notes = folder_of()
    from signoff.embedded.serving import serve  # half a second, which a refused start need not cost

    serve(
        "signoff-vault",
        f"Notes in the folder {notes.folder} of the vault. Paths are relative to that folder.",
        tools_over(notes),
    )


if __name__ == "__main__":
    main()
