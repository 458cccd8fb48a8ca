"""Messages and views as a person reads them: which call they show, exactly."""

import json
from typing import Any

from agent.engine.slack.calls import CHANGED

Block = dict[str, Any]


def find_code(blocks: list[Block]) -> list[str]:
    """Return the blocks of code, each of which Slack shows without *See more*."""
    sections = [block for block in blocks if block["type"] == "section"]
    code = [block for block in sections if block["text"]["text"].startswith("```")]
    assert all(block["expand"] and block["text"]["verbatim"] for block in code)
    return [str(block["text"]["text"]) for block in code]


def read_code(code: str) -> list[str]:
    """Return the lines of a block of code, without Slack's escapes."""
    text = code.removeprefix("```").removesuffix("```")
    assert "`" not in text
    assert not {"<", ">"} & set(text)
    assert all(char == "\n" or char.isprintable() for char in text)
    return unescape(text).split("\n")


def read_call_back(code: str) -> dict[str, Any]:
    """Return the call that a block of code shows: its intent, then an argument a line."""
    intent, *lines = read_code(code)
    call = {"intent": _read_name(intent)[0]}
    for line in lines:
        assert line[:2] in ("  ", f"{CHANGED} ")
        name, value = _read_name(line[2:])
        assert name not in call
        call[name] = json.loads(value.removeprefix(": "))
    return call


def list_labels(blocks: list[Block]) -> list[str]:
    """Return the labels of the buttons."""
    elements = [
        each for block in blocks if block["type"] == "actions" for each in block["elements"]
    ]
    return [element["text"]["text"] for element in elements]


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _read_name(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        name, end = json.JSONDecoder().raw_decode(line)
        return name, line[end:]
    name, colon, value = line.partition(":")
    return name, colon + value
