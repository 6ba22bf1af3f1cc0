"""Which notes can be changed at all, and how large a change may make them."""

from __future__ import annotations

from signoff.note.document import MAX_NOTE
from signoff.note.lines import to_text
from signoff.note.quoting import CannotSplice


def changeable_text(data: bytes) -> str:
    """The note as text, restorable byte for byte.

    Raises:
        CannotSplice: for UTF-16, where adding UTF-8 would break it, and for notes too large to read.
    """
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise CannotSplice("The note is UTF-16: nothing was written to it.", hint="Save it as UTF-8.")
    if len(data) > MAX_NOTE:
        raise CannotSplice(f"The note is larger than {MAX_NOTE} bytes: nothing was written to it.")
    return to_text(data)


def within_size(changed: bytes, data: bytes) -> bytes:
    """The changed note, unless the change made it too large to be read again.

    Raises:
        CannotSplice: where it did.
    """
    if len(changed) > max(MAX_NOTE, len(data)):
        raise CannotSplice(f"The note would become larger than {MAX_NOTE} bytes: nothing was written to it.")
    return changed
