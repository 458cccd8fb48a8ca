"""The blocks that messages and views consist of.

https://docs.slack.dev/reference/block-kit/blocks/section-block
"""

from typing import Any

Block = dict[str, Any]


def build_section(text: str, whole: bool = False) -> Block:
    """Build a paragraph; Slack hides the end of a long one behind *See more* unless `whole`."""
    section: Block = {"type": "section", "text": build_mrkdwn(text)}
    return section | {"expand": True} if whole else section


def build_context(*texts: str) -> list[Block]:
    """Build a line of small print; nothing if all texts are empty."""
    elements = [build_mrkdwn(text) for text in texts if text]
    return [{"type": "context", "elements": elements}] if elements else []


def build_mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text or " ", "verbatim": True}


def build_plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
