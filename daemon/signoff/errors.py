"""What callers must tell apart.

Every error that a person may see carries a reason code, which is the same in the note, the ledger
and the command's output, a message in plain words, and a hint saying what to do now. The classes say
what the caller must do, not what went wrong inside; foreign exceptions are translated once, where
they come in.
"""

from __future__ import annotations

from collections.abc import Sequence


class SignoffError(Exception):
    """Something a person must be told.

    Attributes:
        code: the reason code (`kebab-case`, stable: notes, ledger and output share it).
        message: what happened, in plain words, with the names of the things concerned.
        hint: what to do now; may be empty.
        file, line, column: where, as far as it is known; line and column count from 1.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """The place, the message and the hint on one line."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} {self.hint}".rstrip()


class ConfigError(SignoffError):
    """A file in `config/` or an environment variable is wrong; nothing was started."""

    code = "config-invalid"


class NoteError(SignoffError):
    """A note looks like a plan but is wrong or incomplete: it stays a draft with this question."""

    code = "note-invalid"


class CallLost(NoteError):
    """A call whose outcome is unknown has no place in what a note says now: `step` is its id."""

    code = "outcome-unknown"

    def __init__(self, message: str, *, step: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.step = step


class NoteChanged(SignoffError):
    """The note on disk is no longer what was read: read it again and redo."""

    code = "note-changed"


class UnsafeFile(SignoffError):
    """A link, FIFO, device, folder or huge file where a regular note was expected: not opened."""

    code = "not-a-regular-file"


class LedgerError(SignoffError):
    """The ledger cannot be read or written: nothing may be done that it could not record."""

    code = "ledger-unavailable"


class LedgerDamaged(LedgerError):
    """The audit log does not verify (`truncated` or `tampered`): the daemon does not start."""

    code = "ledger-damaged"


class VaultOwned(SignoffError):
    """Another daemon owns this vault."""

    code = "vault-owned"


class NotFound(SignoffError):
    """No plan, step, server or approver of that name, or more than one."""

    code = "not-found"


class RequestRefused(SignoffError):
    """A person asked for something that the state of the plan does not allow."""

    code = "request-refused"


class GateRefused(SignoffError):
    """The gate did not pass: nothing is called. `code` names the check that refused."""

    code = "gate-refused"


class OutsideLimits(GateRefused):
    """The final arguments of a call are outside their limits: the person is asked about exactly these.

    Attributes:
        step: whose call it is.
        arguments: SHA-256 of the final arguments, in canonical JSON.
        shown: `call` and `arguments` as a person is to approve them: in full, without secrets; in JSON.
        others: the same of further calls, about which the person is asked together with this one.
    """

    code = "limits-violated"
    others: tuple[OutsideLimits, ...] = ()

    def __init__(self, message: str, *, step: str, arguments: str, shown: bytes) -> None:
        super().__init__(message)
        self.step = step
        self.arguments = arguments
        self.shown = shown

    def together_with(self, others: Sequence[OutsideLimits]) -> OutsideLimits:
        """This call and others, in one question."""
        if not others:
            return self
        message = f"{len(others) + 1} calls are outside their limits. {self.message}"
        found = OutsideLimits(message, step=self.step, arguments=self.arguments, shown=self.shown)
        found.others = tuple(others)
        return found


class ServerAway(SignoffError):
    """No server of a step can be reached, and nothing was sent: the step waits until one can."""

    code = "server-unavailable"


class CallError(SignoffError):
    """A tool call that did not end in a result.

    Attributes:
        server, tool: which call.
        detail: the server's own words, bounded in length; not yet redacted.
        attempt: how many replicas of the server it was tried on, this one included.
        cause: what went wrong underneath, by name and in its own words; empty where there was nothing.
    """

    code = "call-failed"

    def __init__(
        self,
        message: str,
        *,
        server: str,
        tool: str,
        detail: str = "",
        code: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.server = server
        self.tool = tool
        self.detail = detail
        self.attempt = 1
        self.cause = ""


class Refused(CallError):
    """The server answered that it will not, or did not: the step failed, and is not retried."""

    code = "tool-refused"


class Transient(CallError):
    """Provably not sent: may be tried again."""

    code = "not-sent"


class BreakerOpen(Transient):
    """Not sent: connecting to the server failed again and again, and it is not tried for now."""

    code = "breaker-open"


class RateLimited(CallError):
    """Refused for now.

    Attributes:
        retry_after: seconds to wait as the server said, or None where it did not.
    """

    code = "rate-limited"

    def __init__(
        self,
        message: str,
        *,
        server: str,
        tool: str,
        retry_after: float | None = None,
        detail: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, server=server, tool=tool, detail=detail, hint=hint)
        self.retry_after = retry_after


class AuthenticationFailed(CallError):
    """The server does not know us, or a variable it needs is missing: no call went through."""

    code = "authentication"


class ServerFault(CallError):
    """The server answered with an internal error: it may or may not have acted before."""

    code = "server-error"


class OutcomeUnknown(CallError):
    """The call went out and no answer came: it may have happened. Never called again by itself."""

    code = "outcome-unknown"


class TimedOut(OutcomeUnknown):
    """The call went out and its time ran out before an answer came."""
