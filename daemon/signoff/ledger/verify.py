"""Whether a log is whole: the chain, then what signed checkpoints say of it. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signoff.ledger.checkpoint import NAME, Checkpoint, CheckpointError, read_checkpoint
from signoff.ledger.entry import GENESIS
from signoff.ledger.walk import DamageError, Walked, month_files, walk

OK, UNANCHORED, TORN_TAIL, TRUNCATED, TAMPERED = "ok", "unanchored", "torn tail", "truncated", "tampered"
EXIT_CODES = {OK: 0, UNANCHORED: 0, TORN_TAIL: 5, TRUNCATED: 6, TAMPERED: 7}

_NOT_ANCHORED = (
    "Only a checkpoint kept elsewhere can find the log and the checkpoint beside it cut together:"
    " give one with --anchor."
)
_NO_CHECKPOINT = (
    "There is no checkpoint beside the log, so a cut tail would not be found."
    " The daemon writes one while it runs."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying came to.

    Attributes:
        status: `ok`, `unanchored`, `torn tail`, `truncated` or `tampered`.
        entries: how many are in good order, from the first.
        head: the hash of the last of them.
        message: for people.
        file, line, seq: the first bad entry or the torn line, where there is one.
    """

    status: str
    entries: int
    head: str
    message: str
    file: str | None = None
    line: int | None = None
    seq: int | None = None

    @property
    def exit_code(self) -> int:
        """Of `signoff audit verify`."""
        return EXIT_CODES[self.status]


def verify(
    directory: Path,
    *,
    public_key: Ed25519PublicKey | None,
    anchor: Path | None = None,
    blobs: Path | None = None,
) -> Verdict:
    """Verifies a log, also while a daemon is writing to it.

    Args:
        directory: `logs/audit`.
        public_key: of the checkpoint key; None accepts checkpoints without looking at signatures.
        anchor: a checkpoint file that was kept elsewhere.
        blobs: where the blobs are; None for `blobs` beside the directory.

    Raises:
        OSError: a file cannot be read.
    """
    return examine(directory, public_key=public_key, anchor=anchor, blobs=blobs)[0]


def examine(
    directory: Path,
    *,
    public_key: Ed25519PublicKey | None,
    anchor: Path | None = None,
    blobs: Path | None = None,
) -> tuple[Verdict, Walked]:
    """As `verify`, and where the log ends, for one who goes on with it."""
    try:  # checkpoints first: a daemon that is running only ever makes the log longer than they say
        local = read_checkpoint(directory / NAME, public_key)
        distant = None if anchor is None else _read_anchor(anchor, public_key)
    except CheckpointError as error:
        return _bad_checkpoint(error, directory), Walked()
    known = [checkpoint for checkpoint in (local, distant) if checkpoint]
    walked = Walked()
    try:
        walk(month_files(directory), heads=[checkpoint.size for checkpoint in known], walked=walked)
    except DamageError as damage:
        return _tampered(damage, walked), walked
    if contradiction := next(_contradictions(known, walked), None):
        return contradiction, walked
    if not known and walked.chain.seq == 0 and _holds_files(blobs or directory.parent / "blobs"):
        return _truncated(
            "The log is empty or gone, but there are blobs that it once spoke of.", walked
        ), walked
    return _whole(walked, local, distant), walked


def _read_anchor(path: Path, public_key: Ed25519PublicKey | None) -> Checkpoint:
    checkpoint = read_checkpoint(path, public_key)
    if checkpoint is None:
        raise FileNotFoundError(2, "there is no such checkpoint", str(path))
    return checkpoint


def _contradictions(checkpoints: list[Checkpoint], walked: Walked) -> Iterator[Verdict]:
    for checkpoint in checkpoints:
        if walked.chain.seq < checkpoint.size:
            missing = checkpoint.size - walked.chain.seq
            yield _truncated(
                f"The log ends after entry {walked.chain.seq}, but the checkpoint of {checkpoint.time}"
                f" had {checkpoint.size}: {missing} are missing.",
                walked,
            )
        elif (GENESIS if checkpoint.size == 0 else walked.heads[checkpoint.size]) != checkpoint.head:
            yield Verdict(
                TAMPERED,
                walked.chain.seq,
                walked.chain.head,
                f"Entry {checkpoint.size} is not the one that was there at the checkpoint of"
                f" {checkpoint.time}: the log was written anew.",
                seq=checkpoint.size,
            )


def _whole(walked: Walked, local: Checkpoint | None, distant: Checkpoint | None) -> Verdict:
    entries, head, torn = walked.chain.seq, walked.chain.head, walked.torn
    if torn is not None:
        return Verdict(
            TORN_TAIL,
            entries,
            head,
            f"The last line of {torn.file.name} is not whole, as after a power cut; the {entries} entries"
            " before it are good. The daemon mends this when it starts, and records that it did.",
            str(torn.file),
            torn.line,
            entries + 1,
        )
    good = f"{entries} entries, all in order."
    if distant is not None:
        return Verdict(OK, entries, head, f"{good} The log continues the checkpoint of {distant.time}.")
    notice = _NOT_ANCHORED if local or not entries else _NO_CHECKPOINT
    return Verdict(UNANCHORED, entries, head, f"{good} {notice}")


def _tampered(damage: DamageError, walked: Walked) -> Verdict:
    return Verdict(
        TAMPERED,
        walked.chain.seq,
        walked.chain.head,
        f"{damage.file.name}, line {damage.line}, is not entry {damage.seq} as it was written:"
        f" {damage.reason}.",
        str(damage.file),
        damage.line,
        damage.seq,
    )


def _truncated(message: str, walked: Walked) -> Verdict:
    last = next(reversed(walked.sizes), None)
    return Verdict(
        TRUNCATED,
        walked.chain.seq,
        walked.chain.head,
        message,
        None if last is None else str(last),
        seq=walked.chain.seq + 1,
    )


def _bad_checkpoint(error: CheckpointError, directory: Path) -> Verdict:
    message = f"{error.message} {error.hint}".rstrip()
    return Verdict(TAMPERED, 0, GENESIS, message, error.file or str(directory / NAME))


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(len(path.name) == 64 for path in folder.iterdir())
