"""The `vault` server, as a process of its own, through the protocol's own client."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters

WRITING = ("write_note", "append_note", "replace_note")


@asynccontextmanager
async def vault_server(vault: Path, *arguments: str) -> AsyncIterator[Client]:
    command = ["-m", "signoff.embedded.vault", "--vault", str(vault), *arguments]
    async with Client(StdioServerParameters(command=sys.executable, args=command)) as client:
        yield client


async def refusal(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool} {arguments} was not refused: {result.content[0].text}"
    return result.content[0].text


async def data(client: Client, tool: str, **arguments: object) -> dict:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result.structured_content


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


async def test_notes_are_written_appended_to_read_and_replaced(tmp_path):
    async with vault_server(tmp_path) as client:
        written = await data(client, "write_note", path="Projects/Überblick", content="# Überblick\n")
        assert (written["path"], written["vault_path"], written["created"]) == (
            "Projects/Überblick.md",
            "Notes/Projects/Überblick.md",
            True,
        )
        await data(client, "append_note", path="Projects/Überblick.md", content="more")
        read = await data(client, "read_note", path="Projects/Überblick")
        assert read["content"] == "# Überblick\nmore\n"
        replaced = await data(client, "replace_note", path="Projects/Überblick", content="new")
        assert replaced["bytes_before"] == len("# Überblick\nmore\n".encode())
    assert (tmp_path / "Notes/Projects/Überblick.md").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "Notes/Projects").iterdir()] == ["Überblick.md"]


async def test_a_new_note_never_overwrites_one(tmp_path):
    async with vault_server(tmp_path) as client:
        await data(client, "write_note", path="a", content="first")
        text = await refusal(client, "write_note", path="a.md", content="second")
        assert "already" in text
        assert "Nothing was written." in text
    assert (tmp_path / "Notes/a.md").read_bytes() == b"first"


async def test_of_two_calls_that_write_the_same_new_note_one_is_refused(tmp_path):
    async with vault_server(tmp_path) as client:
        calls = [client.call_tool("write_note", {"path": "a", "content": str(number)}) for number in range(8)]
        results = await asyncio.gather(*calls)
    winners = [number for number, result in enumerate(results) if not result.is_error]
    assert len(winners) == 1
    assert (tmp_path / "Notes/a.md").read_text() == str(winners[0])


async def test_calls_that_append_at_the_same_time_lose_no_line(tmp_path):
    async with vault_server(tmp_path) as client:
        await data(client, "write_note", path="log", content="start\n")
        calls = [client.call_tool("append_note", {"path": "log", "content": f"line {n}"}) for n in range(3)]
        results = await asyncio.gather(*calls)
    added = [f"line {n}" for n, result in enumerate(results) if not result.is_error]
    assert added
    assert sorted((tmp_path / "Notes/log.md").read_text().splitlines()) == [*added, "start"]


async def test_appending_keeps_line_ends_and_makes_a_missing_note(tmp_path):
    (tmp_path / "Notes").mkdir()
    (tmp_path / "Notes/windows.md").write_bytes(b"one\r\ntwo")
    async with vault_server(tmp_path) as client:
        await data(client, "append_note", path="windows", content="three")
        made = await data(client, "append_note", path="fresh", content="one")
        assert made["created"]
    assert (tmp_path / "Notes/windows.md").read_bytes() == b"one\r\ntwo\r\nthree\r\n"
    assert (tmp_path / "Notes/fresh.md").read_bytes() == b"one\n"


async def test_replacing_a_note_that_is_not_there_is_refused(tmp_path):
    async with vault_server(tmp_path) as client:
        assert "There is no note 'Notes/a.md'" in await refusal(client, "replace_note", path="a", content="x")
    assert not (tmp_path / "Notes").exists()


BAD_PATHS = [
    "../outside",
    "a/../../outside",
    "a/..",
    "./a",
    "a//b",
    "/etc/passwd",
    "~/a",
    "C:/a",
    "c:a",
    "..\\outside",
    "a\\b",
    "\\\\host\\share\\a",
    ".hidden",
    ".obsidian/app.md",
    "a/.hidden/b",
    "a.txt",
    "a.md.exe",
    "a.json",
    "CON",
    "nul.md",
    "COM1.md",
    "lpt9",
    "sub/aux.notes",
    "a:b",
    "a?b",
    "a|b",
    "a<b>",
    'a"b',
    "a*",
    "a.md ",
    " a",
    "folder /a",
    "folder./a",
    "a\x00b",
    "a\nb",
    "a\u202egpj.md",
    "a\u200bb",
    "a\u2028b",
    "x" * 300,
    "a/" * 600 + "b",
]


@pytest.mark.promise("8")
async def test_no_path_leads_out_of_the_folder_or_to_another_kind_of_file(tmp_path):
    vault = tmp_path / "vault"
    vault.mkdir()
    (tmp_path / "outside.md").write_text("secret")
    before = everything(tmp_path)
    async with vault_server(vault) as client:
        for path in BAD_PATHS:
            assert "Nothing was read." in await refusal(client, "read_note", path=path)
            for tool in WRITING:
                text = await refusal(client, tool, path=path, content="x")
                assert "Nothing was written." in text
                assert text.isprintable()
        assert "Nothing was read." in await refusal(client, "list_notes", folder="..")
        assert "Nothing was read." in await refusal(client, "list_notes", folder="a/../..")
    assert everything(tmp_path) == before


@pytest.mark.promise("8")
@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_links_are_followed_nowhere(tmp_path):
    vault, outside = tmp_path / "vault", tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    (vault / "Notes").mkdir(parents=True)
    (vault / "Approved").mkdir()
    (vault / "Notes/file.md").symlink_to(outside / "secret.md")
    (vault / "Notes/dangling.md").symlink_to(outside / "new.md")
    (vault / "Notes/folder").symlink_to(outside)
    (vault / "Notes/plans").symlink_to(vault / "Approved")
    os.mkfifo(vault / "Notes/pipe.md")
    before = everything(outside)
    async with vault_server(vault) as client:
        for path in ("file", "dangling", "folder/secret", "folder/new", "plans/x", "pipe"):
            await refusal(client, "read_note", path=path)
            for tool in WRITING:
                await refusal(client, tool, path=path, content="x")
        assert (await data(client, "list_notes"))["notes"] == []
        assert (await data(client, "search_notes", query="secret"))["matches"] == []
        await refusal(client, "list_notes", folder="folder")
    assert everything(outside) == before
    assert not list((vault / "Approved").iterdir())


@pytest.mark.promise("8")
@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_a_folder_that_becomes_a_link_into_the_plan_folders_is_not_written_to(tmp_path):
    (tmp_path / "Approved").mkdir()
    async with vault_server(tmp_path) as client:
        (tmp_path / "Notes").symlink_to(tmp_path / "Approved")
        for tool in ("write_note", "append_note"):
            assert "link" in await refusal(client, tool, path="plan", content="action: send_email")
    assert not list((tmp_path / "Approved").iterdir())


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--folder", "Approved"],
        ["--folder", "approved"],
        ["--folder", "Inbox/sub"],
        ["--folder", "."],
        ["--folder", ".."],
        ["--folder", ""],
        ["--folder", "/tmp"],
        ["--folder", "Notes/../Inbox"],
        ["--folder", "Areas", "--plan-folder", "Areas/Plans"],
        ["--folder", "Plans", "--plan-folder", "plans"],
        ["--folder", "Pla\u0301ne", "--plan-folder", "Pl\u00e1ne"],
    ],
)
def test_a_folder_that_is_or_holds_or_lies_in_a_plan_folder_is_refused_at_the_start(tmp_path, arguments):
    command = [sys.executable, "-m", "signoff.embedded.vault", "--vault", str(tmp_path), *arguments]
    ended = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=60
    )
    assert ended.returncode == 2
    assert "--folder" in ended.stderr
    assert "Nothing was started" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_vault_that_is_not_there_is_refused_at_the_start(tmp_path):
    command = [sys.executable, "-m", "signoff.embedded.vault", "--vault", str(tmp_path / "none")]
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert ended.returncode == 2
    assert "There is no vault" in ended.stderr


async def test_names_that_some_device_takes_for_the_same_are_one_note(tmp_path):
    async with vault_server(tmp_path) as client:
        await data(client, "write_note", path="Caf\u00e9", content="x")
        assert "already" in await refusal(client, "write_note", path="Cafe\u0301", content="y")
        assert (await data(client, "read_note", path="Cafe\u0301"))["content"] == "x"
        assert "only in case" in await refusal(client, "write_note", path="CAF\u00c9", content="y")
        assert "only in case" in await refusal(client, "append_note", path="caf\u00e9", content="y")
    assert len(list((tmp_path / "Notes").iterdir())) == 1


async def test_a_note_of_more_than_a_megabyte_is_neither_written_nor_read(tmp_path):
    (tmp_path / "Notes").mkdir()
    (tmp_path / "Notes/large.md").write_bytes(b"x" * ((1 << 20) + 1))
    (tmp_path / "Notes/full.md").write_bytes(b"x" * (1 << 20))
    before = everything(tmp_path)
    async with vault_server(tmp_path) as client:
        assert "1,048,576" in await refusal(client, "read_note", path="large")
        assert "1,048,576" in await refusal(client, "append_note", path="full", content="y")
        assert len(await refusal(client, "write_note", path="a", content="x" * ((1 << 20) + 1))) < 500
        assert "1,048,576" in await refusal(client, "write_note", path="a", content="ä" * (1 << 20))
        assert (await data(client, "read_note", path="full"))["bytes"] == 1 << 20
    assert everything(tmp_path) == before


async def test_what_is_no_text_is_refused_in_words(tmp_path):
    (tmp_path / "Notes").mkdir()
    (tmp_path / "Notes/latin.md").write_bytes(b"caf\xe9")
    async with vault_server(tmp_path) as client:
        assert "not UTF-8" in await refusal(client, "read_note", path="latin")
        assert "NUL" in await refusal(client, "write_note", path="a", content="a\0b")
        assert "NUL" in await refusal(client, "append_note", path="a", content="a\0b")
    assert [path.name for path in (tmp_path / "Notes").iterdir()] == ["latin.md"]


async def test_arguments_that_do_not_fit_are_refused_in_words(tmp_path):
    async with vault_server(tmp_path) as client:
        assert "'path' is a required property" in await refusal(client, "write_note", content="x")
        assert "`content`" in await refusal(client, "write_note", path="a", content=5)
        assert "overwrite" in await refusal(client, "write_note", path="a", content="x", overwrite=True)
        assert "`limit`" in await refusal(client, "list_notes", limit=0)
        with pytest.raises(MCPError, match="no tool 'delete_note'"):
            await client.call_tool("delete_note", {"path": "a"})
    assert not (tmp_path / "Notes").exists()


async def test_notes_are_listed_in_order_and_what_is_cut_off_is_said(tmp_path):
    for name in ("b.md", "a/z.md", "a.md", ".hidden.md", ".obsidian/x.md", "image.png", "~$b.md"):
        (tmp_path / "Notes" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Notes" / name).write_text("x")
    async with vault_server(tmp_path) as client:
        listed = await data(client, "list_notes")
        assert [note["path"] for note in listed["notes"]] == ["a/z.md", "a.md", "b.md"]
        assert (listed["total"], listed["truncated"]) == (3, False)
        cut = await data(client, "list_notes", limit=2)
        assert (len(cut["notes"]), cut["total"], cut["truncated"]) == (2, 3, True)
        inner = await data(client, "list_notes", folder="a")
        assert [note["path"] for note in inner["notes"]] == ["a/z.md"]
        assert "no folder" in await refusal(client, "list_notes", folder="none")


async def test_a_search_finds_lines_and_names_in_any_case(tmp_path):
    (tmp_path / "Notes").mkdir()
    (tmp_path / "Notes/offer.md").write_text("one\nThe BUDGET is tight\nbudget again\n")
    (tmp_path / "Notes/Budget.md").write_text("nothing\n")
    (tmp_path / "Inbox").mkdir()
    (tmp_path / "Inbox/plan.md").write_text("budget\n")
    async with vault_server(tmp_path) as client:
        found = await data(client, "search_notes", query="budget")
        assert [(match["path"], match["line"]) for match in found["matches"]] == [
            ("Budget.md", 0),
            ("offer.md", 2),
            ("offer.md", 3),
        ]
        cut = await data(client, "search_notes", query="budget", limit=1)
        assert (len(cut["matches"]), cut["truncated"]) == (1, True)
        assert (await data(client, "search_notes", query=".*"))["matches"] == []


@pytest.mark.promise("8")
async def test_the_annotations_say_what_the_tools_do(tmp_path):
    async with vault_server(tmp_path) as client:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    said = {
        name: (hint.read_only_hint, hint.destructive_hint, hint.idempotent_hint, hint.open_world_hint)
        for name, hint in hints.items()
    }
    assert said == {
        "read_note": (True, False, True, False),
        "list_notes": (True, False, True, False),
        "search_notes": (True, False, True, False),
        "write_note": (False, False, False, False),
        "append_note": (False, False, False, False),
        "replace_note": (False, True, True, False),
    }


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "Notes").mkdir(mode=0o500)
    async with vault_server(tmp_path) as client:
        text = await refusal(client, "write_note", path="a", content="x")
    assert "cannot be written" in text
    assert "Nothing was written." in text


async def test_a_file_where_the_folder_should_be_is_said_so(tmp_path):
    (tmp_path / "Notes").write_text("x")
    async with vault_server(tmp_path) as client:
        assert "not a folder" in await refusal(client, "write_note", path="a", content="x")
        assert "not a folder" in await refusal(client, "list_notes")
    assert (tmp_path / "Notes").read_text() == "x"
