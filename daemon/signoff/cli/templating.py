"""`signoff new`: a note in the inbox, made from a template.

Templates are the notes in the vault's `Templates` folder and those that come with the program; the vault's
own come first. A note is made under a free name, whole or not at all: nothing is overwritten.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from tzlocal import get_localzone

from signoff import durable
from signoff.cli.filling import Filled, fill, note_name
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.config import nearest
from signoff.errors import NotFound, RequestRefused, SignoffError
from signoff.init import TEMPLATES
from signoff.model import Folder, Json
from signoff.vault import MAX_NOTE, is_note_name

LONGEST_TITLE = 200
"""Characters."""

_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n.*?^---[ \t]*$", re.DOTALL | re.MULTILINE)
_INSTRUCTION = re.compile(r"(?:Copy this note to|Replace everything in)[^.]*\.\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Template:
    """A template: its name, its text, and where it is (`vault` or `signoff`)."""

    name: str
    text: str
    source: str

    @property
    def about(self) -> str:
        """Its first words outside of the properties and headings, on one line."""
        body = _INSTRUCTION.sub("", _FRONT.sub("", self.text).strip())
        paragraphs = (" ".join(each.split()) for each in re.split(r"\n\s*\n", body))
        return next((each for each in paragraphs if each and not each.startswith(("#", "`", "%"))), "")


def show(project: Project, *, as_json: bool) -> None:
    """Lists the templates that there are."""
    found = list(_templates(project))
    if as_json:
        listed: list[Json] = [
            {"name": each.name, "about": each.about, "source": each.source} for each in found
        ]
        SCREEN.json({"templates": listed})
        return
    SCREEN.table(("Template", "What it makes"), [(each.name, each.about) for each in found])
    SCREEN.line('Make a note of one with: signoff new TEMPLATE --title "..."')


def new(project: Project, named: str, *, title: str | None, folder: str | None, as_json: bool) -> None:
    """Makes a note of a template in the inbox, and says what is left to be filled in.

    Raises:
        NotFound: `unknown-template` or `ambiguous`.
        RequestRefused: `title-invalid`, or `not-an-inbox`.
        OSError: it could not be written; nothing was made.
    """
    template = _find(named, list(_templates(project)))
    called = _title(title, template)
    inbox = _inbox(project, folder)
    now = datetime.now(get_localzone() or UTC)
    filled = fill(template.text, title=called, now=now, titled=title is not None)
    path = _create(project, inbox, note_name(called) or template.name, filled.text)
    if as_json:
        left: list[Json] = [{"line": each.line, "text": each.text} for each in filled.left]
        done: list[Json] = list(filled.done)
        SCREEN.json({"file": path, "template": template.name, "title": called, "filled": done, "left": left})
        return
    _say(path, filled)


def _say(path: str, filled: Filled) -> None:
    SCREEN.line(f"made  {path}", "green")
    if not filled.left:
        return
    SCREEN.line("Fill in, in the note:")
    SCREEN.facts([(f"line {each.line}", each.text) for each in filled.left], indent=2)
    SCREEN.line("Until then it stays a draft; nothing of it is shown for approval.")


# ---------------------------------------------------------------- templates


def _templates(project: Project) -> Iterator[Template]:
    """The vault's own, then those of the program that have another name; each by name."""
    seen: set[str] = set()
    for template in itertools.chain(_own(project), _shipped()):
        key = template.name.casefold()
        if key not in seen:
            seen.add(key)
            yield template


def _own(project: Project) -> Iterator[Template]:
    root = project.vault.root
    folder = root / TEMPLATES
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if is_note_name(name):
            try:
                data, _ = durable.read_regular(root, f"{TEMPLATES}/{name}", max_bytes=MAX_NOTE)
                yield Template(name[:-3], data.decode(), "vault")
            except (SignoffError, OSError, ValueError):
                continue  # a link, a folder or no text: no template


def _shipped() -> Iterator[Template]:
    data = files("signoff") / "data" / "vault" / TEMPLATES
    for source in sorted(data.iterdir(), key=lambda each: each.name):
        if is_note_name(source.name):
            yield Template(source.name[:-3], source.read_bytes().decode(), "signoff")


def _find(named: str, known: list[Template]) -> Template:
    """The template that is meant: by its name, or by a start that only one has."""
    wanted = " ".join(named.removesuffix(".md").split()).casefold()
    fits = [each for each in known if each.name.casefold() == wanted]
    fits = fits or [each for each in known if wanted and each.name.casefold().startswith(wanted)]
    if len(fits) == 1:
        return fits[0]
    names = [each.name for each in known]
    if fits:
        raise NotFound(
            f"`{named}` fits {len(fits)} templates: {', '.join(each.name for each in fits)}.",
            code="ambiguous",
            hint="Type more of it.",
        )
    close = nearest(named, names)
    hint = f"Did you mean `{close[0]}`? " if close else ""
    raise NotFound(
        f"There is no template `{named}`.",
        code="unknown-template",
        hint=f"{hint}`signoff new` lists them all.",
    )


# ---------------------------------------------------------------- the note


def _title(given: str | None, template: Template) -> str:
    if given is None:
        return template.name
    title = " ".join(given.split())
    if not title or len(title) > LONGEST_TITLE or not title.isprintable() or "${{" in title:
        raise RequestRefused(
            f"The title must be one line of 1 to {LONGEST_TITLE} characters that can all be seen, "
            "without `${{`.",
            code="title-invalid",
        )
    return title


def _inbox(project: Project, named: str | None) -> str:
    """The folder that the note goes to: an inbox, or a folder in one."""
    vault = project.vault
    if named is None:
        return vault.names(Folder.INBOX)[0]
    folder = "/".join(part for part in named.replace("\\", "/").split("/") if part)
    odd = any(part in {".", ".."} for part in folder.split("/"))
    if odd or vault.kind_of(f"{folder}/x.md") is not Folder.INBOX or not vault.is_note(f"{folder}/x.md"):
        known = ", ".join(vault.names(Folder.INBOX))
        raise RequestRefused(
            f"`{named}` is no inbox folder, so a note there would not be checked first.",
            code="not-an-inbox",
            hint=f"The inbox is: {known}.",
        )
    return folder


def _create(project: Project, folder: str, name: str, text: str) -> str:
    """Makes the note under the first free name; its path in the vault."""
    place = project.vault.root / folder
    place.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        file = f"{name}.md" if number == 1 else f"{name} {number}.md"
        try:
            durable.create(place / file, text.encode(), mode=0o644)
        except FileExistsError:
            continue
        return f"{folder}/{file}"
    raise AssertionError  # pragma: no cover  count() does not end
