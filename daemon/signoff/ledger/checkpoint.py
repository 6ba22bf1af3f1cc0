"""The signed statement of how long the log was and what its last hash was, at one moment.

A checkpoint beside the log finds a log that was cut; one that was sent elsewhere also finds log and
checkpoint cut together. It never says more than is durably in the log. It also holds the length and
SHA-256 of each file of the log, so that a daemon that starts need not read old entries one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signoff import durable, system
from signoff.canonical import canonical, sha256_hex
from signoff.errors import ConfigError, LedgerError
from signoff.model import JsonObject

NAME = "checkpoint.json"


class CheckpointError(LedgerError):
    """A checkpoint that is not one, or not signed by the key of this log."""

    code = "checkpoint-invalid"


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of a file of the log a checkpoint speaks of."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement about a log.

    Attributes:
        size: the number of entries.
        head: the hash of the last one.
        time: when it was made.
        key: which key signed it, see `key_id`.
        files: by file name, in the order of the log.
        signature: Ed25519 over the canonical JSON of all else, in hexadecimal.
    """

    size: int
    head: str
    time: str
    key: str = ""
    files: dict[str, Covered] = field(default_factory=dict)
    signature: str = ""

    def statement(self) -> bytes:
        """What is signed."""
        return canonical(self._unsigned())

    def to_bytes(self) -> bytes:
        """The file's content."""
        return canonical({**self._unsigned(), "signature": self.signature}) + b"\n"

    def _unsigned(self) -> JsonObject:
        return {
            "size": self.size,
            "head": self.head,
            "time": self.time,
            "key": self.key,
            "files": {
                name: {"bytes": part.bytes, "sha256": part.sha256} for name, part in self.files.items()
            },
        }


def sign(key: Ed25519PrivateKey, *, size: int, head: str, time: str, files: dict[str, Covered]) -> Checkpoint:
    """Makes a checkpoint."""
    name = key_id(key.public_key())
    signature = key.sign(Checkpoint(size, head, time, name, files).statement()).hex()
    return Checkpoint(size, head, time, name, files, signature)


def read_checkpoint(path: Path, public_key: Ed25519PublicKey | None) -> Checkpoint | None:
    """The checkpoint in a file, or None where there is no file; unsigned ones pass without a key.

    Raises:
        CheckpointError: it cannot be read as one, or its signature does not fit.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    checkpoint = _parse(data, path)
    if public_key is not None:
        _require_signature(checkpoint, public_key, path)
    return checkpoint


def _parse(data: bytes, path: Path) -> Checkpoint:
    try:
        found = orjson.loads(data)
        files = {
            name: Covered(int(part["bytes"]), str(part["sha256"])) for name, part in found["files"].items()
        }
        checkpoint = Checkpoint(
            found["size"], found["head"], found["time"], found["key"], files, found["signature"]
        )
        exact = type(found["size"]) is int and checkpoint.to_bytes().strip() == data.strip()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError("The checkpoint is not readable.", file=str(path)) from error
    if not exact:
        raise CheckpointError("The checkpoint is not in the form Signoff writes.", file=str(path))
    return checkpoint


def _require_signature(checkpoint: Checkpoint, key: Ed25519PublicKey, path: Path) -> None:
    if checkpoint.key != key_id(key):
        raise CheckpointError(
            "The checkpoint is signed with another key than config/secrets/checkpoint.key.",
            hint="If the key was replaced on purpose, put the old one back, or remove the checkpoint.",
            file=str(path),
        )
    try:
        key.verify(bytes.fromhex(checkpoint.signature), checkpoint.statement())
    except (InvalidSignature, ValueError) as error:
        raise CheckpointError("The checkpoint's signature does not fit it.", file=str(path)) from error


# ---------------------------------------------------------------- the key


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the public key."""
    return sha256_hex(key.public_bytes_raw())[:16]


def ensure_key(path: Path) -> Ed25519PrivateKey:
    """The signing key, made on first use, readable by the owner only; its public half is beside it.

    Raises:
        ConfigError: the file is not a key, or cannot be read or made.
    """
    try:
        system.make_owner_only_directory(path.parent)
        if not path.exists():
            _make_key(path)
        key = _read_key(path)
        public = path.with_suffix(".pub")
        if not public.exists():
            durable.replace(public, _public_pem(key))
    except OSError as error:
        raise ConfigError(f"The checkpoint key cannot be read or made: {error}.", file=str(path)) from error
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public half, for those who only verify.

    Raises:
        ConfigError: the file is missing or not a key.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"The public checkpoint key cannot be read: {error}.", file=str(path)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("The public checkpoint key is not an Ed25519 key.", file=str(path))
    return key


def _make_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        durable.create(path, pem, mode=0o600)
    except FileExistsError:
        return  # another process was faster: its key is the key
    system.owner_only_file(path)


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError("The checkpoint key is not a key in PEM form.", file=str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("The checkpoint key is not an Ed25519 key.", file=str(path))
    return key


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Puts a checkpoint in the place of the former one.

    Raises:
        OSError: it could not be written; the former one is still there.
    """
    durable.replace(directory / NAME, checkpoint.to_bytes(), mode=0o600)
