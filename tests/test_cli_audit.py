"""`signoff audit`: shown, verified with its exit codes, and taken elsewhere."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Laid
from support.project import plan, record


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    yield laid
    laid.close()


def log(house: Laid) -> Path:
    return next((house.logs / "audit").glob("*.jsonl"))


@pytest.mark.promise("9")
def test_entries_are_shown_newest_last_and_by_plan(house: Laid) -> None:
    plan_id = house.shown("One.md", plan(record("a")))
    house.shown("Other.md", plan(record("b")).replace("# A plan", "# Other"))
    lines = house.signoff("audit", "show", "--json").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert house.signoff("audit", "--json").stdout.splitlines() == lines

    of_one = [
        json.loads(line) for line in house.signoff("audit", "show", "One", "--json").stdout.splitlines()
    ]
    assert {entry["plan"] for entry in of_one} == {plan_id}
    assert of_one[0]["event"] == "frozen"
    assert len(house.signoff("audit", "show", "--last", "2").stdout.splitlines()) == 2
    assert "presented" in house.signoff("audit").stdout


@pytest.mark.promise("9")
def test_verify_says_unanchored_then_ok_with_an_anchor_and_ends_with_0(house: Laid) -> None:
    house.shown("One.md", plan(record("a")))
    found = house.json("audit", "verify")
    assert found["status"] == "unanchored"
    assert found["entries"] == len(log(house).read_bytes().splitlines())
    assert len(found["head"]) == 64
    anchor = house.root / "anchor.json"
    anchor.write_bytes((house.logs / "audit" / "checkpoint.json").read_bytes())
    house.shown("Two.md", plan(record("b")))
    assert house.json("audit", "verify", "--anchor", str(anchor))["status"] == "ok"
    assert house.refused("audit", "verify", "--anchor", "no-such-file")


@pytest.mark.promise("9")
def test_verify_ends_with_5_6_and_7_and_a_damaged_log_starts_no_daemon(house: Laid) -> None:
    house.shown("One.md", plan(record("a")))
    path, whole = log(house), log(house).read_bytes()

    path.write_bytes(whole + b'{"approver":null')
    assert house.json("audit", "verify", code=5)["status"] == "torn tail"

    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-2]))
    assert house.json("audit", "verify", code=6)["status"] == "truncated"
    assert house.signoff("run", "--once").returncode == 4

    lines = whole.splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"frozen"', b'"thawed"')
    path.write_bytes(b"".join(lines))
    found = house.json("audit", "verify", code=7)
    assert found["status"] == "tampered"
    assert (found["line"], found["seq"]) == (2, 2)
    assert found["file"].endswith(".jsonl")
    stopped = house.signoff("run", "--once")
    assert stopped.returncode == 4
    assert "Traceback" not in stopped.stderr

    path.write_bytes(whole)
    assert house.signoff("run", "--once").returncode == 0


@pytest.mark.promise("9")
def test_an_export_holds_log_checkpoint_and_key_and_anchors_the_log(house: Laid) -> None:
    house.shown("One.md", plan(record("a")))
    file = house.root / "away.zip"
    answer = house.json("audit", "export", "--output", str(file))
    assert answer["file"] == str(file)
    with zipfile.ZipFile(file) as bundle:
        assert bundle.read(f"audit/{log(house).name}") == log(house).read_bytes()
        assert {"audit/checkpoint.json", "checkpoint.pub", "README.txt"} <= set(bundle.namelist())
        anchor = house.root / "anchor.json"
        anchor.write_bytes(bundle.read("audit/checkpoint.json"))
    assert house.json("audit", "verify", "--anchor", str(anchor))["status"] == "ok"

    before = file.read_bytes()
    assert "(file-exists)" in house.refused("audit", "export", "--output", str(file))
    assert file.read_bytes() == before


def test_there_is_nothing_to_export_before_the_first_run(house: Laid) -> None:
    assert "(log-empty)" in house.refused("audit", "export")
    assert house.json("audit", "verify")["entries"] == 0
    assert house.signoff("audit").stdout == ""
