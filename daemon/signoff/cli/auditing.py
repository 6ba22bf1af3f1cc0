"""`signoff audit`: show the log, verify it, take it elsewhere."""

from __future__ import annotations

import io
import zipfile
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from signoff import durable
from signoff.cli.find import find_plan
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.cli.screen import status as coloured
from signoff.errors import RequestRefused
from signoff.ledger.blobs import BlobStore
from signoff.ledger.checkpoint import NAME, read_public_key
from signoff.ledger.entry import Entry
from signoff.ledger.verify import verify as verify_log
from signoff.ledger.walk import month_files, read_entries, whole_lines
from signoff.proof import Finding, prove

README = """\
The audit log of a Signoff project, as it was on {time}.

audit/*.jsonl          the log: one entry a line, each holding the hash of the one before
audit/checkpoint.json  how long the log was and what its last hash was, signed with Ed25519
checkpoint.pub         the public key of that signature

Kept elsewhere, the checkpoint finds a log that was cut or written anew:

    signoff audit verify --anchor audit/checkpoint.json
"""
TAMPERED = 7
"""The exit code of a log whose chain is whole, but which tells of a call that no approval covered."""


def show(project: Project, named: str | None, *, last: int | None, as_json: bool) -> None:
    """Shows entries, newest last.

    Args:
        project: the project.
        named: PLAN; None for all.
        last: how many, from the end; None for all.
        as_json: one JSON object a line.

    Raises:
        NotFound: there is no plan of that name, or more than one.
        LedgerDamaged: a line is not an entry.
    """
    plan_id = find_plan(project, named) if named is not None else None
    entries: Iterable[Entry] = (
        entry for entry in project.entries() if plan_id is None or entry.plan == plan_id
    )
    if last is not None:
        entries = deque(entries, maxlen=last)
    for entry in entries:
        if as_json:
            SCREEN.json_line(entry.to_json())
        else:
            SCREEN.line(_line(entry), "red" if entry.event == "refused" else "")
    if plan_id is not None and not as_json:
        SCREEN.heading("What this proves")
        for finding in _proved(project, plan_id):
            SCREEN.line(f"{finding.seq:>6} {finding.words}", "red" if finding.kind == "wrong" else "")


def _line(entry: Entry) -> str:
    """An entry on one line: number, time, what, and what it concerns."""
    call = f"{entry.server}.{entry.tool}" if entry.server and entry.tool else ""
    place = "/".join(str(part) for part in (entry.plan, entry.step, entry.attempt) if part is not None)
    said = [str(entry.data[key]) for key in ("class", "status", "reason", "to") if entry.data.get(key)]
    message = entry.data.get("message")
    parts = [place, call, f"by {entry.approver}" if entry.approver else "", *said]
    text = " ".join(part for part in parts if part)
    return f"{entry.seq:>6} {entry.time} {entry.event:<10} {text}{f': {message}' if message else ''}".rstrip()


def verify(project: Project, anchor: Path | None, *, evidence: bool, as_json: bool) -> int:
    """Verifies the log, and with `evidence` what stands in it; the exit code says what it came to.

    Raises:
        ConfigError: the public key is not one.
        OSError: a file cannot be read.
    """
    places = project.places
    key = read_public_key(places.checkpoint_public) if places.checkpoint_public.exists() else None
    with SCREEN.busy("Verifying the audit log…"):
        verdict = verify_log(places.audit, public_key=key, anchor=anchor, blobs=places.blobs)
        findings = _proved(project) if evidence else []
    wrong = [finding for finding in findings if finding.kind == "wrong"]
    code = TAMPERED if wrong and verdict.exit_code == 0 else verdict.exit_code
    if as_json:
        proved = {"evidence": [asdict(finding) for finding in findings]} if evidence else {}
        SCREEN.json(asdict(verdict) | proved | {"exit_code": code})
        return code
    said = coloured(verdict.status)
    SCREEN.line(f"{said.text}: {verdict.entries} entries, head {verdict.head}", said.style)
    SCREEN.line(verdict.message)
    if verdict.file is not None:
        place = ":".join(str(part) for part in (verdict.file, verdict.line) if part is not None)
        SCREEN.line(f"At {place}" + (f", entry {verdict.seq}" if verdict.seq is not None else ""))
    if key is None:
        SCREEN.line("There is no public key, so signatures of checkpoints were not looked at.", "yellow")
    if evidence:
        _say_proof(findings)
    return code


def _proved(project: Project, plan: str | None = None) -> list[Finding]:
    blobs = BlobStore(project.places.blobs)
    return list(
        prove(read_entries(project.places.audit), blobs.get, project.config_dir / "allowed_signers", plan)
    )


def _say_proof(findings: list[Finding]) -> None:
    """What is wrong or gone, line by line, and how much is well."""
    for finding in findings:
        if finding.kind != "ok":
            SCREEN.line(f"entry {finding.seq}, plan {finding.plan}: {finding.words} ({finding.kind})", "red")
    counts = {kind: sum(finding.kind == kind for finding in findings) for kind in ("ok", "gone", "wrong")}
    SCREEN.line(
        f"Evidence: {counts['ok']} approvals, calls and contents hold together, {counts['wrong']} do not, "
        f"{counts['gone']} cannot be checked because their content was deleted."
    )


def export(project: Project, output: Path | None, *, as_json: bool) -> None:
    """Writes the log, its checkpoint and the public key into one zip file.

    Raises:
        RequestRefused: `file-exists`, or `log-empty`.
        OSError: it cannot be read or written.
    """
    places = project.places
    files = month_files(places.audit)
    if not files:
        raise RequestRefused("There is no audit log yet.", code="log-empty")
    now = datetime.now(UTC)
    path = output or Path(f"signoff-audit-{now:%Y%m%dT%H%M%SZ}.zip")
    packed = io.BytesIO()
    with SCREEN.busy("Packing the audit log…"), zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        # The checkpoint first: the log may only grow after it, never fall short of what it says.
        for name, source in (
            (f"audit/{NAME}", places.checkpoint),
            ("checkpoint.pub", places.checkpoint_public),
        ):
            if source.exists():
                bundle.writestr(name, source.read_bytes())
        for file in files:
            with bundle.open(f"audit/{file.name}", "w", force_zip64=True) as member:
                member.writelines(line for line in whole_lines(file) if line.endswith(b"\n"))
        bundle.writestr("README.txt", README.format(time=now.isoformat(timespec="seconds")))
    try:
        durable.create(path, packed.getvalue(), mode=0o600)
    except FileExistsError as error:
        raise RequestRefused(
            f"{path} is there already; it was not touched.",
            code="file-exists",
            hint="Name another: --output FILE.",
        ) from error
    if as_json:
        SCREEN.json({"file": str(path), "files": [file.name for file in files]})
    else:
        SCREEN.line(f"Written to {path}. Keep it where this machine cannot change it.")
