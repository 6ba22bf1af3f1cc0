"""`signoff demo`: the whole story, played for real in a temporary folder, and each stage looked at.

A daemon is started on a project of its own, an agent's note is dropped, shown, approved by an edit, run,
and found in `Done`; then the log is verified. Nothing is pretended: a stage is told only after what
it tells has been found on the disk, and the first one that is not found ends the demo with 1. No network, no
mail server: the message goes to an outbox folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from signoff import durable
from signoff.config import Settings
from signoff.errors import SignoffError
from signoff.init import lay
from signoff.ledger.checkpoint import NAME as CHECKPOINT
from signoff.ledger.checkpoint import read_public_key
from signoff.ledger.entry import Entry
from signoff.ledger.verify import OK, TAMPERED, verify
from signoff.ledger.walk import read_entries
from signoff.places import Places
from signoff.service import serve
from signoff.visible import visible

NOTE = "Thank Mia.md"
PLAN = """\
---
title: Thank Mia
proposed_by: an agent
---

# Thank Mia

She sent the figures. I would thank her, and write down that I did.

## Steps

1. [ ] Send the email
   ```yaml
   id: thanks
   action: send_email
   with:
     to: mia@example.com
     subject: Thank you for the figures
     body: They arrived, and they are just what we needed.
   ```
2. [ ] Write it down
   ```yaml
   action: write_note
   needs: [thanks]
   with:
     path: Thanks.md
     content: "Thanked Mia: ${{ steps.thanks.result.message_id }}"
   ```
"""
PATIENCE = 15.0
"""Seconds that one stage may take; it takes about one."""
LOOK = 0.02
"""Seconds between two looks."""
MARKER = "%% signoff %%"

LINES = 6
"""Of `mcp_actions.log`, about two calls: CALL, PARAMS and RESPONSE of each."""

T = TypeVar("T")


class Missed(Exception):
    """Something that the story tells did not happen."""


def play(console: Console, *, keep: Path | None = None) -> int:
    """Plays the story; 0 if each stage of it was really seen, else 1.

    Args:
        console: where it is told.
        keep: where the project is to stay, to be looked at; made if missing, and must be empty. None for a
            temporary folder that is removed at the end.
    """
    say = _Teller(console)
    try:
        with _folder(keep) as folder:
            asyncio.run(_play(say, folder))
    except (Missed, SignoffError, OSError) as error:
        say.line(f"The demo stops here: {error}", "bold red")
        return 1
    except KeyboardInterrupt:
        say.line("Interrupted. The daemon of the demo has ended.", "bold red")
        return 1
    if keep is not None:
        say.line(f"All of it is in {keep}: look at vault/, logs/ and config/.")
    return 0


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="signoff-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name).resolve()
        return
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise Missed(f"{keep} is not empty. Nothing was done; name another folder.")
    yield keep.resolve()


async def _play(say: _Teller, folder: Path) -> None:
    began = time.monotonic()
    _, settings = lay(folder)
    for sample in (settings.vault.path / "Inbox").iterdir():
        sample.unlink()
    story = _Story(say, settings, folder)
    daemon = asyncio.create_task(serve(settings, _environment(), once=False, terminal=False))
    try:
        for stage in (story.drop, story.preview, story.approve, story.calls, story.done):
            await _unless_ended(daemon, stage)
    finally:
        daemon.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await daemon
    story.verified()
    story.forged()
    say.line()
    say.line(f"Each stage was found on the disk. It took {time.monotonic() - began:.1f} s.", "bold green")


async def _unless_ended(daemon: asyncio.Task[None], stage: Callable[[], object]) -> None:
    """Plays a stage while the daemon runs; what ended the daemon ends the stage."""
    playing = asyncio.ensure_future(stage())  # type: ignore[call-overload]
    await asyncio.wait({playing, daemon}, return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        playing.result()
        return
    playing.cancel()
    daemon.result()
    raise Missed("the daemon ended.")


def _environment() -> dict[str, str]:
    """Nothing of the user's: no settings of Signoff, no mail server."""
    ours = ("SIGNOFF_", "SMTP_", "MAIL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class _Story:
    """The stages, in order; each says what it has seen."""

    def __init__(self, say: _Teller, settings: Settings, folder: Path) -> None:
        self._say = say
        self._places = Places(settings)
        self._folder = folder
        self._vault = settings.vault.path
        self._log = settings.logs / "mcp_actions.log"
        self._shown = 0

    # ------------------------------------------------------------ the stages

    async def drop(self) -> None:
        """An agent's note lands in the inbox."""
        await self._until(lambda: self._entries("daemon-started"), "the daemon started")
        durable.create(self._vault / "Inbox" / NOTE, PLAN.encode())
        self._say.stage("An agent drops a note into the vault's Inbox", f"vault/Inbox/{NOTE}")
        self._say.quote(PLAN)

    async def preview(self) -> None:
        """The daemon shows what the note came to, and calls nothing."""
        text = await self._until(lambda: self._read("Pending_Approval", "status: pending"), "the preview")
        await self._until(lambda: self._entries("presented"), "the record that the plan was shown")
        if self._entries("intent"):
            raise Missed("a call was about to leave before the approval.")
        self._say.stage(
            "Signoff checks it, moves it to Pending_Approval, and writes what it would do at its end",
            f"vault/Pending_Approval/{NOTE}, its last lines",
        )
        self._say.quote(_section(text))
        self._say.line("Nothing has been called. It waits for you.")

    async def approve(self) -> None:
        """A person changes one word."""
        path = self._vault / "Pending_Approval" / NOTE
        old = path.read_bytes()
        durable.replace(path, old.replace(b"status: pending", b"status: approved", 1), expect=old)
        self._say.stage(
            "You approve, by changing one word of the note (or by moving it to Approved)",
            f"vault/Pending_Approval/{NOTE}",
        )
        self._say.line("  - status: pending", "red")
        self._say.line("  + status: approved", "green")
        entry = (await self._until(lambda: self._entries("approved"), "the recorded approval"))[0]
        self._say.line(f"Recorded: approved by {entry.approver}, for the digest {str(entry.digest)[:16]}…")

    async def calls(self) -> None:
        """The calls, as they are made."""
        self._say.stage("Signoff makes these calls, and no others", "logs/mcp_actions.log")
        while not self._entries("finished"):
            self._show_calls()
            await self._until(lambda: self._new_lines() or self._entries("finished"), "the calls")
        await self._until(lambda: len(self._lines()) >= LINES, "the lines about both calls")
        self._show_calls()
        for intent, outcome in zip(self._entries("intent"), self._entries("outcome"), strict=True):
            if intent.seq > outcome.seq or outcome.data["class"] != "done":
                raise Missed(f"the call of {intent.step} is not recorded as begun and then done.")
        self._say.line("Each was on the disk, in the audit log, before it left; and its outcome after.")

    async def done(self) -> None:
        """The note says what happened; the files are there."""
        text = await self._until(lambda: self._read("Done", "status: done"), "the note in Done")
        self._say.stage("The note is in Done, and says what happened", f"vault/Done/{NOTE}")
        self._say.quote(text)
        written = self._vault / "Notes" / "Thanks.md"
        letters = list((self._vault / "Outbox").glob("*.eml"))
        if len(letters) != 1 or b"mia@example.com" not in letters[0].read_bytes():
            raise Missed("the letter is not in the outbox.")
        message = written.read_text(encoding="utf-8").removeprefix("Thanked Mia: ").strip()
        if message.encode() not in letters[0].read_bytes():
            raise Missed("the written note does not name the letter.")
        self._say.line(
            "And it is true: vault/Notes/Thanks.md names the letter in vault/Outbox. (No mail server"
        )
        self._say.line("is set here, so the letter went to a folder, and the note says so.)")

    def verified(self) -> None:
        """The log is whole, and goes on from a checkpoint kept elsewhere."""
        audit, key = self._places.audit, read_public_key(self._places.checkpoint_public)
        elsewhere = Path(shutil.copy(audit / CHECKPOINT, self._folder / "checkpoint kept elsewhere.json"))
        verdict = verify(audit, public_key=key, anchor=elsewhere)
        self._say.stage("The audit log is verified", "logs/audit")
        self._say.line(f"{verdict.status}: {verdict.message}", "green" if verdict.status == OK else "red")
        if verdict.status != OK:
            raise Missed("the audit log does not verify.")

    def forged(self) -> None:
        """A changed name in a copy of the log is found."""
        copy = self._folder / "changed copy of the audit log"
        shutil.copytree(self._places.audit, copy)
        for month in copy.glob("*.jsonl"):
            month.write_bytes(month.read_bytes().replace(b'"approver":"ana"', b'"approver":"eve"'))
        verdict = verify(copy, public_key=read_public_key(self._places.checkpoint_public))
        if verdict.status != TAMPERED:
            raise Missed("a changed log was not found out.")
        self._say.line("And a copy of it, in which somebody put another name for the approver's:")
        self._say.line(f"{verdict.status}: {verdict.message}", "red")

    # ------------------------------------------------------------ looking

    async def _until(self, look: Callable[[], T | None], what: str) -> T:
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            if time.monotonic() > end:
                raise Missed(f"not seen within {PATIENCE:.0f} s: {what}.")
            await asyncio.sleep(LOOK)
        return found

    def _entries(self, event: str) -> list[Entry]:
        if not self._places.audit.exists():
            return []
        return [entry for entry in read_entries(self._places.audit) if entry.event == event]

    def _read(self, folder: str, holding: str) -> str | None:
        try:
            text = (self._vault / folder / NOTE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return text if holding in text else None

    def _lines(self) -> list[str]:
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        return [line for line in lines if " AUDIT " not in line]

    def _new_lines(self) -> list[str]:
        return self._lines()[self._shown :]

    def _show_calls(self) -> None:
        for line in self._new_lines():
            self._say.line(f"  {line.partition(' ')[2]}", "cyan" if line.split()[1] == "CALL" else "")
            self._shown += 1


class _Teller:
    """The screen: colour where it is a terminal, plain lines where it is not."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stages = 0

    def stage(self, title: str, place: str) -> None:
        """Begins a stage; `place` is the file that shows it."""
        self._stages += 1
        self.line()
        self.line(f"{self._stages}. {title}", "bold")
        self.line(f"   {place}", "dim")
        self.line()

    def quote(self, text: str) -> None:
        """The content of a file."""
        for line in text.rstrip().splitlines():
            self.line(f"  | {line}", "dim" if line in {"---", MARKER} else "")

    def line(self, text: str = "", style: str = "") -> None:
        """One line."""
        encoding = self._console.encoding
        shown = visible(text).encode(encoding, "backslashreplace").decode(encoding)
        self._console.print(Text(shown, style=style), soft_wrap=True)


def _section(text: str) -> str:
    """The daemon's section of the demo's own note."""
    return text.partition(MARKER)[2].partition(MARKER)[0].strip()
