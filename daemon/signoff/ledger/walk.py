"""Reads the files of a log in order, checking that each line continues the one before. Reads only."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from signoff.errors import LedgerDamaged
from signoff.ledger.chain import BadLineError, Chain
from signoff.ledger.entry import Entry, read_entry

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])\.jsonl")
_GROWING = 0.05  # seconds; a write that is under way is over by then
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Torn:
    """The beginning of a line that ends the newest file without a newline."""

    file: Path
    offset: int
    line: int


@dataclass(slots=True)
class Walked:
    """What reading a log came to.

    Attributes:
        chain: where the log ends.
        sizes: by file, the bytes in whole lines.
        heads: by entry number, the hashes that were asked for, as far as the log reaches.
        torn: a last line that is not whole, or None.
    """

    chain: Chain = field(default_factory=Chain)
    sizes: dict[Path, int] = field(default_factory=dict)
    heads: dict[int, str] = field(default_factory=dict)
    torn: Torn | None = None


class DamageError(Exception):
    """A line that is not the next entry.

    Attributes:
        file, line: where; lines count from 1.
        seq: the entry that should be there.
        reason: why it is not.
    """

    def __init__(self, file: Path, line: int, seq: int, reason: str) -> None:
        super().__init__(f"{file.name}, line {line}: {reason}")
        self.file = file
        self.line = line
        self.seq = seq
        self.reason = reason


def month_files(directory: Path) -> list[Path]:
    """The files of a log, oldest first; none where there is no folder."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _MONTH.fullmatch(path.name))


def walk(files: list[Path], *, walked: Walked, offset: int = 0, heads: Collection[int] = ()) -> Walked:
    """Checks the lines of files, oldest first.

    Args:
        files: of the log.
        walked: where to go on from, and what is written to: on damage it says how far the log is good.
        offset: where in the first file to begin, in bytes.
        heads: numbers of entries whose hashes are wanted.

    Raises:
        DamageError: at the first line that is not the next entry.
    """
    wanted = frozenset(heads)
    for file in files:
        _walk_file(file, offset, walked, wanted, is_newest=file == files[-1])
        offset = 0
    return walked


def _walk_file(file: Path, offset: int, walked: Walked, wanted: frozenset[int], *, is_newest: bool) -> None:
    chain, month = walked.chain, file.stem
    size = offset
    number = 0  # of lines since the offset
    try:
        for line in whole_lines(file, offset):
            number += 1
            if is_newest and line[-1] != 0x0A:
                walked.torn = Torn(file, size, _lines_before(file, offset) + number)
                break
            chain.check(line, month)
            size += len(line)
            if chain.seq in wanted:
                walked.heads[chain.seq] = chain.head
    except BadLineError as bad:
        raise DamageError(file, _lines_before(file, offset) + number, chain.seq + 1, str(bad)) from bad
    walked.sizes[file] = size


def _lines_before(file: Path, offset: int) -> int:
    if offset == 0:
        return 0
    with file.open("rb") as stream:
        return sum(piece.count(b"\n") for piece in _pieces(stream, offset))


def _pieces(stream: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0 and (piece := stream.read(min(length, _BUFFER))):
        length -= len(piece)
        yield piece


def whole_lines(file: Path, offset: int = 0) -> Iterator[bytes]:
    """The lines of a file that may be growing; the last one lacks its newline if it stays without."""
    while True:
        with file.open("rb", buffering=_BUFFER) as stream:
            stream.seek(offset)
            partial = b""
            for line in stream:
                if line[-1] != 0x0A:
                    partial = line
                    break
                offset += len(line)
                yield line
        if not partial:
            return
        time.sleep(_GROWING)
        if file.stat().st_size == offset + len(partial):
            yield partial
            return


def read_entries(directory: Path) -> Iterator[Entry]:
    """All entries of a log, for reading; a last line that is not whole (yet) is left out.

    Does not check the chain: `verify` does.

    Raises:
        LedgerDamaged: a line is not an entry.
    """
    for file in month_files(directory):
        with file.open("rb", buffering=_BUFFER) as stream:
            for number, line in enumerate(stream, 1):
                if line[-1] != 0x0A:
                    break
                try:
                    yield read_entry(line)
                except ValueError as error:
                    raise LedgerDamaged(
                        "The audit log has a line that is not an entry.",
                        code="tampered",
                        hint="Run `signoff audit verify`.",
                        file=str(file),
                        line=number,
                    ) from error
