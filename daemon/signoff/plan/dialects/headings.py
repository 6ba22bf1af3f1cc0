"""Headings under which people put the text of a message, in more words than `## Message`.

    ## Draft WhatsApp Reply         ## LinkedIn Post Ready for Review
    ## Proposed Email               ## Message to be sent

Such a heading says that what stands under it is to be sent: that it is a draft or a proposal, or what for.
`## Post Preview` says neither (a preview may be cut off), and `## Response` may be what came back. A platform
in it must be the action's.
"""

from __future__ import annotations

import re

from signoff.catalogue import TEXT_NAMES, Action, fold, fold_key

PLATFORMS = {
    "linkedin": "linkedin",
    "twitter": "twitter",
    "x": "twitter",
    "tweet": "twitter",
    "facebook": "facebook",
    "instagram": "instagram",
    "whatsapp": "whatsapp",
    "telegram": "telegram",
    "slack": "slack",
    "discord": "discord",
    "sms": "sms",
    "gmail": "email",
    "email": "email",
    "mail": "email",
    "outlook": "email",
}
"""Words for where a message goes, and the word for it in the names of actions."""

_NOUN = r"(?:message|text|body|content|caption|reply|response|answer|post|tweet|e_?mail|mail|letter|sms|dm)"
_WHERE = r"(?:linkedin|twitter|twitter_x|x|facebook|instagram|whatsapp|telegram|slack|discord|gmail|outlook)"
_DRAFT = r"(?:draft|drafted|proposed|suggested|prepared|final)"
_AIM = (
    r"(?:ready_)?(?:to_(?:be_)?(?:send|sent|post|posted|publish|published)"
    r"|for_(?:your_)?(?:review|approval|sending|posting|publishing))"
)
_THING = rf"(?:(?:your|the|new)_)?(?:{_WHERE}_)?{_NOUN}(?:_(?:{_NOUN}|text|copy))?"
_DRAFTED = re.compile(
    rf"(?:{_DRAFT}_)+(?:{_THING}(?:_draft)?|{_WHERE})|{_THING}_draft|(?:{_DRAFT}_)?{_THING}_{_AIM}|{_THING}_draft_{_AIM}"
)
_DASH = re.compile(r"[ \t]+[-\u2013\u2014][ \t]+")
_REMARK = re.compile(r"[ \t]*\([^()]*\)[ \t]*\Z")


def heading_key(title: str) -> str:
    """A heading, folded, without what stands after a dash: `Draft Reply \u2014 Ana` is a draft reply."""
    return fold_key(_REMARK.sub("", _DASH.split(title[:200], maxsplit=1)[0]))


def is_drafted(title: str) -> bool:
    """Whether a heading says that a text stands under it which is to be sent."""
    return _DRAFTED.fullmatch(heading_key(title)) is not None


def is_text_heading(title: str) -> bool:
    """Whether a text to be sent stands under a heading, whoever sends it."""
    return fold_key(_REMARK.sub("", title[:200])) in TEXT_NAMES or is_drafted(title)


def suits(title: str, action: Action) -> bool:
    """Whether the platform that a heading names, if any, is where the action goes."""
    where = {PLATFORMS[word] for word in heading_key(title).split("_") if word in PLATFORMS}
    name = fold(action.name)
    return not where or any(word in name for word in where)
