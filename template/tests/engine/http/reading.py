"""Reads calls back from pages, and draws calls that are hard to show."""

import json
from html.parser import HTMLParser

from agent.engine.log.events import CallJson
from agent.engine.runners.app import Trigger
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Asleep,
    Says,
    World,
    build_ports,
    make_answer,
    make_message,
    make_pause,
    store_thread,
)
from ..examples import st
from .conftest import TOKENS, caller, reused_api_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
TRICKY = st.sampled_from(
    [
        "a\namount: 5",
        "a\r\u2028b\x85",
        "`</code></dd><dt>amount",
        "\u202e\u3164\u115f\ufe0f\u034f\u2800",
        "\uff1c\uff1e",
        '" onclick="',
        "x" * 20_000,
        " " * 300 + "amount: 5",
        "",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | TRICKY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CALLS = st.builds(
    lambda intent, arguments: {"intent": intent, **arguments},
    TEXTS.filter(bool),
    st.dictionaries((TEXTS | TRICKY).filter("intent".__ne__), VALUES, max_size=4),
)


class Calls(HTMLParser):
    """Reads the calls of a page as a person does: a row a value."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[CallJson] = []
        self._within: list[str] = []
        self._name = ""
        self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("class") or ""
        if (tag, kind) == ("div", "arguments"):
            self.found.append({})
        if tag in ("p", "dt", "dd"):
            self._within = [f"{tag} {kind}".strip()]
        if tag == "code":
            self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag != "code" or not self.found:
            return
        match self._within:
            case ["p intent"]:
                self.found[-1]["intent"] = _read_name(self._text)
            case ["dt"] | ["dt changed"]:
                self._name = _read_name(self._text)
            case ["dd"]:
                self.found[-1][self._name] = json.loads(self._text)


def _read_name(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


async def read_pages(
    call: CallJson, before: list[str], after: list[str], *triggers: Trigger
) -> tuple[CallJson, list[list[CallJson]]]:
    """Return a call as the log has it, and the calls on each page that shows it, `before` it was
    approved as an edit of itself and `after` that."""
    store = MemoryStore()
    ports = build_ports(store, Says(), World(":memory:"))
    asked = make_pause("approval", "ana", call=call)
    thread = await store_thread(store, make_message(), asked)
    kept = thread.event(2).data["call"]
    api = reused_api_of(ports, Asleep(), *triggers)
    async with caller(api) as browser:
        await browser.post("/login", data={"token": TOKENS["ana"]})
        shown = [Calls((await browser.get(path)).text).found for path in before]
        await store.append(thread, make_answer(2, "edit", call=call))
        shown += [Calls((await browser.get(path)).text).found for path in after]
    return kept, shown
