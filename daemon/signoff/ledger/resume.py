"""Where a log that is about to be continued ends: complete verification, at the speed of SHA-256.

What a signed checkpoint covers is compared with it file by file, as bytes; only what came after is
read entry by entry. Without a checkpoint, or where anything does not fit it, all is read, so that the
first bad entry can be named. A torn last line is cut off, and kept in a file beside the log.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signoff import durable
from signoff.errors import LedgerDamaged
from signoff.ledger.chain import Chain
from signoff.ledger.checkpoint import NAME, Checkpoint, CheckpointError, read_checkpoint
from signoff.ledger.entry import Entry, read_entry
from signoff.ledger.verify import TAMPERED, TRUNCATED, Verdict, examine
from signoff.ledger.walk import DamageError, Torn, Walked, month_files, walk

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_BUFFER = 1 << 20
_HINT = "Nothing was started. Run `signoff audit verify`, and bring the log back from a backup."


@dataclass(frozen=True, slots=True)
class Repair:
    """What was cut off a log: a last line that was not whole, so that nobody was told it was there.

    Attributes:
        file: the file of the log.
        offset: where it was cut, in bytes.
        cut: how many bytes.
        kept: the file beside the log that has them now.
    """

    file: Path
    offset: int
    cut: int
    kept: Path


@dataclass(frozen=True, slots=True)
class Resumed:
    """A verified log: where it ends, and the running SHA-256 of each of its files."""

    chain: Chain
    hashes: Mapping[Path, Hash]
    sizes: Mapping[Path, int]
    torn: Torn | None
    has_checkpoint: bool


def resume(directory: Path, *, public_key: Ed25519PublicKey | None, blobs: Path) -> Resumed:
    """Verifies a log and says where it ends; changes nothing.

    Raises:
        LedgerDamaged: `truncated` or `tampered`.
        OSError: a file cannot be read.
    """
    checkpoint = None
    try:
        checkpoint = read_checkpoint(directory / NAME, public_key)
    except CheckpointError as error:
        raise LedgerDamaged(
            f"{error.message} {_HINT}", code=TAMPERED, hint=error.hint, file=error.file
        ) from error
    if checkpoint is not None and public_key is not None:
        fast = _from_checkpoint(month_files(directory), checkpoint)
        if fast is not None:
            return fast
    verdict, walked = examine(directory, public_key=public_key, blobs=blobs)
    if verdict.status in {TRUNCATED, TAMPERED}:
        raise _damaged(verdict)
    hashes = {file: _hash_prefix(file, size) for file, size in walked.sizes.items()}
    return Resumed(walked.chain, hashes, walked.sizes, walked.torn, checkpoint is not None)


def _damaged(verdict: Verdict) -> LedgerDamaged:
    return LedgerDamaged(
        verdict.message, code=verdict.status, hint=_HINT, file=verdict.file, line=verdict.line
    )


def _from_checkpoint(files: list[Path], checkpoint: Checkpoint) -> Resumed | None:
    """None where the log is not what the checkpoint says, or does not go on from there."""
    covered = files[: len(checkpoint.files)]
    if not covered or [file.name for file in covered] != list(checkpoint.files):
        return None
    hashes = {}
    for file, part in zip(covered, checkpoint.files.values(), strict=True):
        hashes[file] = _hash_prefix(file, part.bytes)
        closed = file != covered[-1]
        if hashes[file].hexdigest() != part.sha256 or (closed and file.stat().st_size != part.bytes):
            return None
    newest, start = covered[-1], checkpoint.files[covered[-1].name].bytes
    last = _last_entry(newest, start)
    if last is None or (last.seq, last.hash) != (checkpoint.size, checkpoint.head):
        return None
    sizes = {file: checkpoint.files[file.name].bytes for file in covered}
    walked = Walked(Chain(last.seq, last.hash, last.time), sizes)
    try:
        walk(files[len(covered) - 1 :], walked=walked, offset=start)
    except DamageError:
        return None
    hashes[newest] = _hash_prefix(newest, walked.sizes[newest], hashes[newest], start)
    for file in files[len(covered) :]:
        hashes[file] = _hash_prefix(file, walked.sizes[file])
    return Resumed(walked.chain, hashes, walked.sizes, walked.torn, has_checkpoint=True)


def _hash_prefix(file: Path, end: int, running: Hash | None = None, start: int = 0) -> Hash:
    """The SHA-256 of a file up to `end`, which need not be reached; goes on from `start`."""
    running = running or hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        stream.seek(start)
        rest = end - start
        while rest > 0 and (piece := stream.read(min(rest, _BUFFER))):
            running.update(piece)
            rest -= len(piece)
    return running


def _last_entry(file: Path, end: int) -> Entry | None:
    """The entry whose line ends at `end`, or None where none does."""
    length = 4096
    with file.open("rb") as stream:
        while True:
            start = max(0, end - length)
            stream.seek(start)
            lines = stream.read(end - start).split(b"\n")
            if len(lines) > 2 or start == 0:
                break
            length *= 8
    try:
        return read_entry(lines[-2])
    except (ValueError, IndexError):
        return None


def cut_torn_tail(directory: Path, torn: Torn) -> Repair:
    """Cuts off a last line that is not whole, after copying it to a file beside the log.

    The cut becomes durable with the next entry, which is to say that it was made.

    Raises:
        OSError: it could not be copied or cut; the line is still there.
    """
    with torn.file.open("rb") as stream:
        stream.seek(torn.offset)
        cut = stream.read()
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = directory / f"torn-{torn.file.stem}-at-{torn.offset}-{now}.part"
    durable.create(kept, cut, mode=0o600)
    os.truncate(torn.file, torn.offset)
    return Repair(torn.file, torn.offset, len(cut), kept)
