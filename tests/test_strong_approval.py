"""Codes and signatures with a real daemon, a real authenticator's arithmetic and a real ssh-keygen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pyotp
import pytest

from support.project import Project, eventually, plan, projects, record

STRICT = "requires:\n  medium: {method: code}\n"
SIGNED = "requires:\n  medium: {method: signature}\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def enrol_code(house: Project, name: str) -> pyotp.TOTP:
    result = house.signoff("approvers", "add", name, "--code", "--json")
    assert result.returncode == 0, result.stderr
    uri = json.loads(result.stdout)["otpauth_uri"]
    return pyotp.TOTP(parse_qs(urlparse(uri).query)["secret"][0])


def make_key(house: Project, name: str) -> Path:
    path = house.root / f"key-{name}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


def enrol_key(house: Project, name: str) -> Path:
    key = make_key(house, name)
    result = house.signoff("approvers", "add", name, "--ssh-key", f"{key}.pub", "--json")
    assert result.returncode == 0, result.stderr
    return key


def type_code(house: Project, path: Path, code: str) -> None:
    house.edit(path, "status: pending", f"status: pending\napproval_code: {code}")


@pytest.mark.promise("6")
def test_six_digits_in_the_note_approve_and_are_gone_at_once(project: Callable[..., Project]) -> None:
    house = project()
    totp = enrol_code(house, "ana")
    house.policy(STRICT)
    house.start()
    note = house.pending("Coded.md", plan(record("coded")))
    house.approve(note)
    refused = house.await_entry("refused", reason="method-insufficient")
    assert refused.plan is not None
    note = house.await_note("Coded.md", "Pending_Approval", "status: pending")
    assert house.calls() == []

    code = totp.now()
    type_code(house, note, code)

    done = house.await_note("Coded.md", "Done", "status: done")
    assert "approval_code:" not in done.read_text()
    approved = house.entries("approved")[0]
    assert (approved.approver, approved.data["method"]) == ("ana", "code")
    everything = b"".join(path.read_bytes() for path in house.logs.rglob("*") if path.is_file())
    assert code.encode() not in everything


@pytest.mark.promise("6")
def test_a_code_approves_one_plan_once_also_after_a_restart(project: Callable[..., Project]) -> None:
    house = project()
    totp = enrol_code(house, "ana")
    house.policy(STRICT)
    house.start()
    first = house.pending("First.md", plan(record("first")))
    second = house.pending("Second.md", plan(record("second")))
    code = totp.now()
    type_code(house, first, code)
    house.await_note("First.md", "Done", "status: done")
    assert house.stop() == 0
    house.start()

    type_code(house, second, code)

    house.await_entry("refused", reason="code-used")
    house.await_note("Second.md", "Pending_Approval", "status: pending")
    eventually(lambda: "approval_code:" not in second.read_text(), "the code is taken out of the note")
    assert [call["arguments"]["text"] for call in house.calls()] == ["first"]


@pytest.mark.promise("6")
def test_guessed_codes_are_slowed(project: Callable[..., Project]) -> None:
    house = project()
    totp = enrol_code(house, "ana")
    house.policy(STRICT)
    house.start()
    note = house.pending("Guess.md", plan(record("guess")))
    valid = {
        totp.at(totp.timecode(__import__("datetime").datetime.now()) * 30 - 30 * k) for k in range(-4, 30)
    }
    wrong = [f"{number:06d}" for number in range(40) if f"{number:06d}" not in valid][:4]
    for count, code in enumerate(wrong, 1):
        type_code(house, note, code)
        eventually(
            lambda count=count: len(house.entries("refused", reason="code-wrong")) >= count,
            f"wrong code {count} is refused",
        )
        eventually(lambda: "approval_code:" not in note.read_text(), "the code is taken out")
    type_code(house, note, totp.now())
    house.await_entry("refused", reason="code-slowed")
    assert house.calls() == []


@pytest.mark.promise("6")
def test_a_removed_approver_voids_what_has_not_run(project: Callable[..., Project]) -> None:
    house = project(settings="[approvers.ana]\ndefault = true\n[approvers.bob]\n")
    totp = enrol_code(house, "bob")
    house.policy("requires:\n  medium: {method: code, approvers: 2}\n")
    other = enrol_code(house, "ana")
    house.start()
    note = house.pending("Two.md", plan(record("two")))
    type_code(house, note, totp.now())
    house.await_entry("approved", approver="bob")
    eventually(lambda: "approval_code:" not in note.read_text(), "the code is taken out")
    assert house.signoff("approvers", "remove", "bob").returncode == 0

    type_code(house, note, other.now())

    house.await_entry("approved", approver="ana")
    eventually(lambda: "approval_code:" not in note.read_text(), "the code is taken out")
    assert house.calls() == []
    assert house.signoff("status").returncode == 0
    assert house.find("Two.md").parent.name == "Pending_Approval"


@pytest.mark.promise("6")
def test_a_signature_approves_and_is_kept_as_proof(project: Callable[..., Project]) -> None:
    house = project()
    key = enrol_key(house, "ana")
    house.policy(SIGNED)
    house.start()
    house.pending("Signed.md", plan(record("signed")))
    name = house.entries("frozen")[0].plan

    result = house.signoff("approve", name, "--sign", str(key), "--json")

    assert result.returncode == 0, result.stderr + result.stdout
    house.await_note("Signed.md", "Done", "status: done")
    approved = house.entries("approved")[0]
    assert (approved.approver, approved.data["method"]) == ("ana", "signature")
    assert "BEGIN SSH SIGNATURE" in approved.data["signature"]
    assert json.loads(approved.data["statement"])["digest"] == approved.digest


@pytest.mark.promise("6")
def test_a_signature_made_elsewhere_and_pasted_into_the_note_approves(
    project: Callable[..., Project],
) -> None:
    house = project()
    key = enrol_key(house, "ana")
    key.rename(house.root / "elsewhere")  # the daemon's machine has the public half only
    house.policy(SIGNED)
    house.start()
    note = house.pending("Pasted.md", plan(record("pasted")))
    name = house.entries("frozen")[0].plan
    said = house.root / "said.json"
    said.write_text(house.signoff("show", name, "--to-sign").stdout)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "signoff", "-f", str(house.root / "elsewhere"), str(said)],
        check=True,
        capture_output=True,
    )
    block = f"```signoff-approval\n{said.read_text()}{said.with_suffix('.json.sig').read_text()}```\n"

    house.edit(note, "Some words of the author.\n", f"Some words of the author.\n\n{block}")

    house.await_note("Pasted.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["pasted"]


@pytest.mark.promise("6")
def test_signatures_that_prove_nothing_are_refused_with_the_reason(project: Callable[..., Project]) -> None:
    house = project()
    key = enrol_key(house, "ana")
    stranger = make_key(house, "stranger")
    house.policy(SIGNED)
    house.start()
    house.pending("One.md", plan(record("one")))
    house.pending("Two.md", plan(record("two")))
    one, two = (entry.plan for entry in house.entries("frozen"))
    said = house.root / "said.json"
    said.write_text(house.signoff("show", one, "--to-sign").stdout)

    def signed(namespace: str, with_key: Path) -> Path:
        signature = said.with_suffix(".json.sig")
        signature.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(with_key), str(said)]
        subprocess.run(command, check=True, capture_output=True)
        return signature

    def refusal(name: str) -> str:
        result = house.signoff("approve", name, "--signed", str(said), "--json")
        assert result.returncode == 1
        return json.loads(result.stdout)["reason"]

    signed("git", key)
    assert refusal(one) == "evidence-invalid"
    signed("signoff", stranger)
    assert refusal(one) == "evidence-invalid"
    signed("signoff", key)
    assert refusal(two) == "evidence-invalid"
    assert house.calls() == []
    assert house.signoff("approve", one, "--signed", str(said)).returncode == 0
    house.await_note("One.md", "Done", "status: done")
    assert refusal(one) in {"consumed", "evidence-replayed"}
    assert [call["arguments"]["text"] for call in house.calls()] == ["one"]


@pytest.mark.promise("5")
def test_a_note_that_arrives_with_a_code_runs_without_being_shown(project: Callable[..., Project]) -> None:
    house = project()
    totp = enrol_code(house, "ana")
    house.policy(STRICT)
    house.start()
    house.drop("Born.md", plan(record("born"), front=f"status: approved\napproval_code: '{totp.now()}'"))
    house.await_note("Born.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["born"]
    assert house.entries("presented") == []


@pytest.mark.promise("6")
@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="ssh-agent is not installed")
def test_a_key_that_only_the_agent_holds_signs(project: Callable[..., Project]) -> None:
    house = project()
    key = enrol_key(house, "ana")
    house.policy(SIGNED)
    house.start()
    house.pending("Agent.md", plan(record("agent")))
    name = house.entries("frozen")[0].plan
    socket = house.root / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        eventually(socket.exists, "the agent listens")
        environment = {**house.environment(), "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, capture_output=True)
        key.unlink()
        command = [sys.executable, "-m", "signoff", "approve", name, "--sign", f"{key}.pub"]
        done = subprocess.run(
            [*command, "--config", str(house.config)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        house.await_note("Agent.md", "Done", "status: done")
    finally:
        agent.terminate()
        agent.wait()
