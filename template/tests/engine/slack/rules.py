"""What Slack refuses in messages and forms, by its own documented limits."""

import json
import re
from collections.abc import Iterator
from typing import Any

Block = dict[str, Any]


def find_faults(blocks: Any, most: int, inputs: bool = False) -> list[str]:
    """Return what Slack would say about `blocks`."""
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= most:
        return [f"there are 1 to {most} blocks"]
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    found = [] if len(ids) == len(set(ids)) else ["block_ids must be unique"]
    for block in blocks:
        found += _block(block, inputs)
    return found


def find_view_faults(view: Block) -> list[str]:
    found = find_faults(view.get("blocks"), 100, inputs=True)
    asks = any(block["type"] == "input" for block in view["blocks"])
    for name in ("title", "submit", "close") if asks or "submit" in view else ("title", "close"):
        found += _text(view.get(name), 24, "plain_text")
    found += [] if view.get("type") == "modal" else ["a view is a modal"]
    found += [] if len(view.get("callback_id", "")) <= 255 else ["callback_id is too long"]
    return found + ([] if len(view["private_metadata"]) <= 3000 else ["private_metadata"])


def find_metadata_faults(metadata: Any) -> list[str]:
    fits = re.fullmatch(r"[A-Za-z0-9_.]+", metadata["event_type"])
    return [] if fits and len(json.dumps(metadata)) < 8000 else ["invalid_metadata_format"]


def _block(block: Block, inputs: bool) -> list[str]:
    match block["type"]:
        case "section":
            known = isinstance(block.get("expand", True), bool)
            return _text(block.get("text"), 3000) + ([] if known else ["expand is a boolean"])
        case "context":
            few = 1 <= len(block["elements"]) <= 10
            return [fault for text in block["elements"] for fault in _text(text, 3000)] + (
                [] if few else ["a context has 1 to 10 elements"]
            )
        case "actions" if not inputs:
            return list(_actions(block["elements"]))
        case "input" if inputs:
            return [*_text(block["label"], 2000, "plain_text"), *_typing(block["element"])]
    return [f"no block of type {block['type']} here"]


def _actions(elements: list[Block]) -> Iterator[str]:
    if not 1 <= len(elements) <= 25:
        yield "actions have 1 to 25 elements"
    if len({element["action_id"] for element in elements}) < len(elements):
        yield "action_ids must be unique"
    for element in elements:
        if len(element["action_id"]) > 255:
            yield "action_id is too long"
        if element["type"] == "button":
            yield from _text(element["text"], 75, "plain_text")
            if len(element["value"]) > 2000:
                yield "the value of a button has at most 2000 characters"
            if element.get("style", "primary") not in ("primary", "danger"):
                yield "no such style"
        else:
            yield from _select(element)


def _select(element: Block) -> Iterator[str]:
    yield from _text(element["placeholder"], 150, "plain_text")
    if element["type"] != "static_select" or not 1 <= len(element["options"]) <= 100:
        yield "a static_select has 1 to 100 options"
    for option in element["options"]:
        yield from _text(option["text"], 75, "plain_text")
        if len(option["value"]) > 150:
            yield "the value of an option has at most 150 characters"


def _typing(element: Block) -> Iterator[str]:
    known = element.get("initial_value")
    if element["type"] != "plain_text_input" or not 1 <= element["max_length"] <= 3000:
        yield "not a plain_text_input of at most 3000 characters"
    if known is not None and not 1 <= len(known) <= element["max_length"]:
        yield "initial_value is too long"


def _text(text: Any, limit: int, *types: str) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in (types or ("plain_text", "mrkdwn")):
        return [f"not a text of the type {types}: {text!r}"]
    if "verbatim" in text and text["type"] != "mrkdwn":
        return ["verbatim is for mrkdwn"]
    return [] if 1 <= len(text["text"]) <= limit else [f"a text of 1 to {limit} characters"]
