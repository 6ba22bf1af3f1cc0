"""The catalogue: names of actions, their tools, and arguments under each tool's own names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.catalogue import ActionTool, Catalogue, adapt, fold, load_catalogue
from signoff.errors import ConfigError, NoteError
from signoff.model import Risk

PROJECT = Path(__file__).parent.parent

OF_THE_SPECIFICATION = """\
send_email:
  aliases: [email_send, email, send_mail]
  phrases: ["send (an) email to {to}"]
  tools:                          # in order of preference; the later ones are fallbacks
    - tool: mail.send_email
    - tool: gmail.send_message
      with: {recipient: to, title: subject, text: body}    # tool argument: action argument
  repeatable: false
  timeout: 60s
"""


def load(folder: Path, text: str) -> Catalogue:
    path = folder / "actions.yaml"
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


@pytest.mark.promise("12")
def test_the_example_of_the_specification_is_read_as_it_says(tmp_path: Path) -> None:
    action = load(tmp_path, OF_THE_SPECIFICATION).actions["send_email"]
    assert action.aliases == ("email_send", "email", "send_mail")
    assert action.phrases == ("send (an) email to {to}",)
    assert [tool.name for tool in action.tools] == ["mail.send_email", "gmail.send_message"]
    assert action.tools[1].names == {"recipient": "to", "title": "subject", "text": "body"}
    assert (action.repeatable, action.timeout, action.risk, action.retries) == (False, 60, None, None)


def test_every_key_of_an_action_is_read(tmp_path: Path) -> None:
    action = load(
        tmp_path,
        """
pay:
  tools:
    - tool: bank.pay.v2
      with: {sum: amount}
      constants: {currency: EUR, tags: [a, 1]}
  risk: high
  repeatable: true
  retries: 0
  cache: 5m
  idempotency_key: reference
  verify: {tool: bank.find_payment, with: {reference: 1}, happened: result.found, after: 1m}
  undo: {action: refund, with: {amount: 1}}
""",
    ).actions["pay"]
    assert action.tools[0] == ActionTool(
        "bank", "pay.v2", {"sum": "amount"}, {"currency": "EUR", "tags": ["a", 1]}
    )
    assert (action.risk, action.repeatable, action.retries, action.cache) == (Risk.HIGH, True, 0, 300)
    assert action.idempotency_key == "reference"
    assert action.verify is not None
    assert action.undo is not None
    assert (action.verify.action, action.undo.action) == ("bank.find_payment", "refund")
    assert action.undo.arguments == {"amount": 1}
    assert (action.verify.happened, action.verify.after, action.verify.read_only) == (
        "result.found",
        60,
        False,
    )


@pytest.mark.parametrize("happened", ["result.found ==", "1 +"])
def test_a_verify_must_say_when_it_happened(tmp_path: Path, happened: str) -> None:
    path = tmp_path / "actions.yaml"
    path.write_text(f"a:\n  tools: [{{tool: s.t}}]\n  verify: {{tool: s.u, happened: '{happened}'}}\n")
    with pytest.raises(ConfigError, match="must say in CEL when it happened"):
        load_catalogue(path)


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    "name", ["send_email", "email_send", "EMAIL", "Send Email", "send-mail", " send_email ", "SEND--email"]
)
def test_an_action_is_found_by_its_name_and_its_aliases(tmp_path: Path, name: str) -> None:
    resolution = load(tmp_path, OF_THE_SPECIFICATION).resolve(name)
    assert resolution.action is not None
    assert resolution.action.name == "send_email"
    assert resolution.tools == resolution.action.tools


def test_a_tool_can_be_named_directly() -> None:
    resolution = Catalogue().resolve("linkedin.create_post")
    assert resolution.action is None
    assert resolution.tools == (ActionTool("linkedin", "create_post"),)


@pytest.mark.parametrize("name", ["sned_email", "emial", "send_emails"])
def test_an_unknown_name_comes_back_with_the_nearest_known_one(tmp_path: Path, name: str) -> None:
    resolution = load(tmp_path, OF_THE_SPECIFICATION).resolve(name)
    assert (resolution.tools, resolution.action) == ((), None)
    assert resolution.nearest[0] in {"send_email", "email"}


@pytest.mark.parametrize("name", ["", ".", "a.", ".b", "a b.c d", "x"])
def test_what_names_nothing_resolves_to_nothing(name: str) -> None:
    assert Catalogue().resolve(name).tools == ()


def test_a_tool_tells_which_actions_may_use_it(tmp_path: Path) -> None:
    catalogue = load(tmp_path, OF_THE_SPECIFICATION)
    assert [action.name for action in catalogue.naming("gmail", "send_message")] == ["send_email"]
    assert catalogue.naming("gmail", "send_email") == ()


@pytest.mark.promise("8")
def test_arguments_are_given_under_the_tools_own_names() -> None:
    tool = ActionTool("gmail", "send", {"recipient": "to", "text": "body"}, {"format": "plain"})
    assert adapt(tool, {"to": "a@b.c", "body": "Hi", "cc": None}) == {
        "recipient": "a@b.c",
        "text": "Hi",
        "cc": None,
        "format": "plain",
    }


def test_names_may_be_exchanged() -> None:
    assert adapt(ActionTool("s", "t", {"a": "b", "b": "a"}), {"a": 1, "b": 2}) == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    "arguments", [{"to": "x", "recipient": "y"}, {"recipient": "y", "to": "x"}, {"format": "html"}]
)
def test_two_values_for_one_argument_are_refused(arguments: dict[str, str]) -> None:
    tool = ActionTool("gmail", "send", {"recipient": "to"}, {"format": "plain"})
    with pytest.raises(NoteError, match=r"gmail\.send") as caught:
        adapt(tool, arguments)  # type: ignore[arg-type]
    assert caught.value.code == "argument-twice"


@given(
    names=st.dictionaries(st.sampled_from("abcd"), st.sampled_from("cdef")),
    arguments=st.dictionaries(st.sampled_from("abcdef"), st.integers()),
)
def test_adapting_never_loses_or_invents_a_value(names: dict[str, str], arguments: dict[str, int]) -> None:
    if len(set(names.values())) < len(names):
        return  # refused when the file is read
    try:
        adapted = adapt(ActionTool("s", "t", names), arguments)  # type: ignore[arg-type]
    except NoteError:
        return
    assert sorted(map(str, adapted.values())) == sorted(map(str, arguments.values()))


@pytest.mark.promise("12")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("send:\n  tool: a.b\n", 2, ["send.tool", "`tools`"]),
        ("send:\n  tools: [{tool: a.b}]\n  repeatble: true\n", 3, ["send.repeatble", "`repeatable`"]),
        ("send:\n  tools: [{tool: a.b, wiht: {}}]\n", 2, ["wiht", "`with`"]),
        ("send: {}\n", 1, ["names no tool"]),
        ("send:\n  tools: []\n", 2, ["names no tool"]),
        ("send:\n  tools:\n    - tool: send_email\n", 3, ["server.tool"]),
        ("send:\n  tools: [{}]\n", 2, ["server.tool"]),
        ("send:\n  tools: a.b\n", 2, ["must be a list"]),
        ("send:\n  tools: [a.b]\n", 2, ["a table of keys"]),
        ("send:\n  tools: [{tool: a.b}, {tool: a.b}]\n", 2, ["twice"]),
        ("send:\n  tools: [{tool: a.b, with: {x: to, y: to}}]\n", 2, ["`to`", "two arguments"]),
        ("send:\n  tools: [{tool: a.b, with: {x: to}, constants: {x: 1}}]\n", 2, ["`x`", "constant"]),
        ("send:\n  tools: [{tool: a.b}]\n  repeatable: no\n", 3, ["true or false", '"no"']),
        ("send:\n  tools: [{tool: a.b}]\n  risk: hihg\n", 3, ["`hihg`", "`high`"]),
        ("send:\n  tools: [{tool: a.b}]\n  timeout: 60\n", 3, ["duration"]),
        ("send:\n  tools: [{tool: a.b}]\n  retries: -1\n", 3, ["from 0"]),
        ("send:\n  tools: [{tool: a.b}]\n  undo: {with: {}}\n", 3, ["one `tool` or one `action`"]),
        (
            "a:\n  tools: [{tool: a.b}]\nb:\n  aliases: [A]\n  tools: [{tool: a.c}]\n",
            3,
            ["`a`", "`b`", "`A`"],
        ),
        ("a_b:\n  tools: [{tool: a.b}]\na-b:\n  tools: [{tool: a.c}]\n", 3, ["both answer"]),
        ("mail.send:\n  tools: [{tool: a.b}]\n", 1, ["mail.send", "action's name"]),
        ("a:\n  tools: [{tool: a.b}]\na:\n  tools: [{tool: a.c}]\n", 3, ["twice"]),
        ("a: &x\n  tools: [{tool: a.b}]\n", 1, [""]),
        ("a: !!python/name:os.system\n", 1, [""]),
        ("- a\n", 1, ["a list"]),
        ("a:\n  tools: [{tool: a.b}\n", None, [""]),
    ],
)
def test_a_wrong_catalogue_is_refused_with_file_line_and_what_is_known(
    tmp_path: Path, text: str, line: int | None, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.file == str(tmp_path / "actions.yaml")
    assert line is None or caught.value.line == line
    for word in words:
        assert word in str(caught.value)


def test_no_file_and_a_file_of_comments_are_an_empty_catalogue(tmp_path: Path) -> None:
    assert (
        load_catalogue(None) == load_catalogue(tmp_path / "missing.yaml") == load(tmp_path, "# nothing\n\n")
    )


@pytest.mark.promise("8")
def test_the_shipped_catalogue_names_the_embedded_tools_and_only_reading_may_repeat() -> None:
    catalogue = load_catalogue(PROJECT / "config" / "actions.yaml")
    embedded = {
        name: tool
        for action in catalogue.actions.values()
        for name, tool in [(action.tools[0].name, action)]
        if action.tools[0].server == "vault" or name == "mail.send_email"
    }
    assert {name: action.repeatable for name, action in embedded.items()} == {
        "mail.send_email": False,
        "vault.write_note": False,
        "vault.append_note": False,
        "vault.replace_note": False,
        "vault.read_note": True,
        "vault.list_notes": True,
        "vault.search_notes": True,
    }
    assert all(
        action.repeatable is False for action in catalogue.actions.values() if action not in embedded.values()
    )


@given(st.text(max_size=30))
def test_folding_a_name_twice_changes_nothing_more(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("send_email", ["send_email", "email_send", "email", "reply_email", "Send Email"]),
        ("post_linkedin", ["post_linkedin", "linkedin_post", "post_to_linkedin"]),
        ("send_whatsapp", ["whatsapp_reply", "send_whatsapp_message"]),
        ("make_payment", ["payment", "pay_invoice"]),
        ("create_invoice", ["create_odoo_invoice", "create_invoice"]),
    ],
)
def test_the_shipped_catalogue_knows_the_names_that_notes_have(action: str, names: list[str]) -> None:
    shipped = load_catalogue(None)
    assert len(shipped.actions) >= 40
    assert {found.name for name in names if (found := shipped.find(name))} == {action}
    assert all(shipped.find(name) for name in names)


@pytest.mark.promise("8")
def test_the_shipped_catalogue_knows_what_arguments_are_called() -> None:
    shipped = load_catalogue(None)
    email, whatsapp = shipped.actions["send_email"], shipped.actions["send_whatsapp"]
    assert {email.argument(name).name for name in ("to", "recipient", "recipient_email")} == {"to"}
    assert {whatsapp.argument(name).name for name in ("to", "recipient", "phone")} == {"to"}
    texts = ("message", "text", "content", "body", "caption")
    assert {email.argument(name).name for name in texts} == {"body"}
    assert {whatsapp.argument(name).name for name in texts} == {"text"}
    assert all(action.tools for action in shipped.actions.values())
