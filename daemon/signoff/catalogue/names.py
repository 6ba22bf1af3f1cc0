"""Names as people write them: of actions, keys and headings, compared as if written alike."""

from __future__ import annotations

import re
from functools import lru_cache

TEXT_NAMES = (
    *("body", "message", "text", "content", "caption", "draft", "reply"),
    *("email_body", "email_content", "email_text", "email_draft", "email_message", "mail_body"),
    *("message_body", "message_content", "message_text", "message_draft"),
    *("reply_body", "reply_content", "reply_message", "reply_text", "reply_draft"),
    *("draft_body", "draft_content", "draft_details", "draft_email", "draft_message", "draft_post"),
    *("draft_reply", "draft_text", "draft_response", "proposed_message", "proposed_reply", "proposed_email"),
    *("proposed_response", "proposed_content", "proposed_post", "final_content", "full_content"),
    *("post", "post_body", "post_content", "post_text", "post_draft", "post_copy", "post_caption"),
    *("post_message_body", "tweet", "tweet_content", "tweet_text", "linkedin_post_content"),
    *("proposed_linkedin_post", "whatsapp_message", "sms_text"),
)
"""The keys and headings under which people put the text of a message, whatever sends it: the first
argument of kind `prose` answers to all of them. (`preview` is none of them: it may be cut off.)"""
TOOL_NAME = re.compile(r"(?P<server>[^\s.]+)\.(?P<tool>\S+)")
_WORD_BREAKS = re.compile(r"[\s_-]+")
_NOT_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=1024)
def fold(name: str) -> str:
    """A name as it is compared: lower case, with `_` for every run of spaces, `-` and `_`."""
    return _WORD_BREAKS.sub("_", name.strip()).casefold()


def fold_key(name: str) -> str:
    """A key or heading as it is compared: lower case, `_` for all that is neither letter nor digit."""
    return _NOT_WORD.sub("_", name).strip("_").casefold()
