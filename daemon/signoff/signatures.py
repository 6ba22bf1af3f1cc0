"""`ssh-keygen -Y sign` and `-Y verify`: SSH keys, agents and FIDO tokens as they are, no keys of our own.

Verification needs the public halves alone, in OpenSSH's `allowed_signers` (see ssh-keygen(1)). A key counts
only for the namespace `signoff`: a signature made for git or a file is no approval.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from signoff.errors import SignoffError
from signoff.evidence import NAMESPACE

TIMEOUT = 15.0
SIGN_TIMEOUT = 120.0
"""Seconds to touch a token or type a passphrase."""


class SignatureError(SignoffError):
    """A signature that does not verify, or cannot be made."""

    code = "evidence-invalid"


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose key made a signature, as `allowed_signers` names them."""

    name: str


def verify(signed: bytes, armour: str, allowed_signers: Path) -> Signer:
    """Who signed these bytes for Signoff.

    Raises:
        SignatureError: nobody in `allowed_signers` did, or not in our namespace, or `ssh-keygen` is missing.
    """
    if not allowed_signers.is_file():
        raise SignatureError(
            f"There is no {allowed_signers}: no key may sign.",
            hint="Enrol one with `signoff approvers add NAME --ssh-key FILE`.",
        )
    with tempfile.TemporaryDirectory(prefix="signoff-") as folder:
        file = Path(folder) / "signature"
        file.write_text(armour)
        found = _run("find-principals", "-s", str(file), "-f", str(allowed_signers))
        names = found.stdout.decode(errors="replace").splitlines()
        if found.returncode != 0 or not names:
            raise SignatureError("The signature is by a key that no approver has.")
        for name in names:
            checked = _run(
                "verify",
                "-f",
                str(allowed_signers),
                "-I",
                name,
                "-n",
                NAMESPACE,
                "-s",
                str(file),
                data=signed,
            )
            if checked.returncode == 0:
                return Signer(name)
    raise SignatureError(f"The signature does not verify: {_words(checked)}.")


def sign(statement: bytes, key: Path) -> str:
    """Sign a statement with a key file, or the key of an agent or token whose public half the file is.

    Raises:
        SignatureError: where `ssh-keygen` refuses.
    """
    with tempfile.TemporaryDirectory(prefix="signoff-") as folder:
        file = Path(folder) / "statement"
        file.write_bytes(statement)
        made = _run("sign", "-n", NAMESPACE, "-f", str(key), str(file), timeout=SIGN_TIMEOUT, ask=True)
        signature = file.with_name("statement.sig")
        if made.returncode != 0 or not signature.exists():
            raise SignatureError(f"Nothing was signed: {_words(made)}.", code="not-signed")
        return signature.read_text()


def _run(
    action: str, *arguments: str, data: bytes | None = None, timeout: float = TIMEOUT, ask: bool = False
) -> subprocess.CompletedProcess[bytes]:
    command = ["ssh-keygen", "-Y", action, *arguments]
    try:
        if ask:  # a passphrase or a token's touch is asked for on the terminal
            return subprocess.run(command, capture_output=True, check=False, timeout=timeout)
        return subprocess.run(command, capture_output=True, check=False, timeout=timeout, input=data or b"")
    except FileNotFoundError as error:
        raise SignatureError(
            "`ssh-keygen` was not found.", code="ssh-keygen-missing", hint="Install OpenSSH (8.2 or newer)."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SignatureError(f"`ssh-keygen -Y {action}` did not answer.", code="ssh-keygen-silent") from error


def _words(result: subprocess.CompletedProcess[bytes]) -> str:
    lines = result.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].rstrip(".") if lines else "ssh-keygen gave no reason"
