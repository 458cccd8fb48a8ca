"""The inbox in a browser without scripts: what it shows, what it takes, and what it refuses."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from agent.engine import inbox
from agent.engine.context.window import Prompts
from agent.engine.http import pages
from agent.engine.inbox.lines import LINES
from agent.engine.inbox.routes import build_thread_path
from agent.engine.log.events import CallJson, Event, compute_digest, make_event
from agent.engine.loop.ports import Ports
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    EVERY_EVENT,
    Asleep,
    Says,
    World,
    advance,
    build_ports,
    list_types,
    make_message,
    make_pause,
    make_result,
    make_step,
    rebind,
    store_thread,
)
from ..http.conftest import TOKENS, Caller, api_of, caller

HOSTILE = (
    "</p></textarea></script><script>alert(1)</script><img src=x onerror=alert(1)>"
    '" onfocus="alert(1)\' \x1b[31m \u202e javascript:alert(1) {{ 7 * 7 }}'
)
CHARGE: CallJson = {"intent": "charge", "amount": 500}
RIGHT = {"digest": compute_digest(CHARGE)}
CHOICES = {"options": {"format": "multiple_choice", "choices": ["red", "blue"]}}
YES_NO = {"options": {"format": "yes_no", "choices": []}}


@dataclass
class Browser:
    client: Caller
    csrf: str = ""

    async def sign_in(self, name: str) -> "Browser":
        await self.client.post("/login", data={"token": TOKENS[name]})
        self.csrf = (await self.get("/")).partition('name="csrf" value="')[2].partition('"')[0]
        return self

    async def get(self, path: str = "/inbox/t", status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status
        return answer.text

    async def send(self, path: str = "/inbox/t", **fields: str) -> httpx2.Response:
        return await self.client.post(path, data={"csrf": self.csrf, **fields})


@pytest.fixture
async def ana(api: FastAPI) -> AsyncIterator[Browser]:
    async with caller(api) as client:
        yield await Browser(client).sign_in("ana")


@pytest.fixture
async def bob(api: FastAPI) -> AsyncIterator[Browser]:
    async with caller(api) as client:
        yield await Browser(client).sign_in("bob")


def seen(page: str) -> str:
    """Return the words of a page, tags and spaces left out."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


# -- what it shows ---------------------------------------------------------------------------


async def test_what_waits_for_me_comes_first_then_what_is_urgent_then_what_waits_longest(
    ana: Browser, store: MemoryStore, clock: Clock
) -> None:
    for thread_id, audience, level in [
        ("a", "bob", "high"),
        ("b", "ana", "low"),
        ("c", "anyone", "medium"),
        ("d", "ana", "medium"),
        ("e", "ana", "high"),
    ]:
        clock.tick(1)
        asks = make_pause("question", audience, options={"urgency": level})
        await store_thread(store, make_message(f"thread {thread_id}"), asks, thread_id=thread_id)
    clock.tick(1)
    await store_thread(store, make_message("runs"), thread_id="f")
    waiting, _, threads = (await ana.get("/")).partition('id="threads"')
    assert re.findall(r'href="/inbox/(\w)#now"', waiting) == ["e", "c", "d", "b", "a"]
    assert re.findall(r'href="/inbox/(\w)"', threads) == ["f", "e", "d", "c", "b", "a"]
    words = seen(waiting)
    assert (
        words.index("low urgency")
        < words.index("For others")
        < words.index("Question high urgency for bob")
    )
    assert "thread e question? Question high urgency for you" in words
    assert "runs running" in seen(threads)


async def test_an_empty_inbox_says_so(ana: Browser) -> None:
    assert "Nothing waits for an answer." in seen(await ana.get("/"))


@pytest.mark.parametrize(
    ("seq", "words"),
    [
        (1, "ana said Hi"),
        (2, 'system prefetched tags tags ["v1"]'),
        (3, "agent chose Good step Bad step charge(amount: 500) charge amount 500"),
        (4, "agent asked ana for approval approval?"),
        (5, "agent notified ana by slack of the approval request"),
        (6, "bob edited and approved charge(amount: 5) charge amount 5 less"),
        (9, "charge returned charged 5"),
        (10, "charge returned too late to count late"),
        (11, "agent returned an invalid step no intent hm"),
        (16, "agent summarized the events up to 3 in short"),
        (17, "agent asked ana whether to go on; closed without an answer limit?"),
        (19, "agent could not notify anybody of the limit no channel"),
        (20, "agent finished done it"),
        (22, "ana cancelled the thread enough"),
        (23, "agent from_tomorrow what who knows"),
    ],
)
async def test_each_event_reads_as_a_sentence_with_its_text_below(
    ana: Browser, store: MemoryStore, seq: int, words: str
) -> None:
    await store_thread(store, *EVERY_EVENT)
    line = (await ana.get()).partition(f'id="e{seq}" ')[2].partition("</li>")[0]
    shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC (prompt of )?event #\d+ ?", "", seen(f"<{line}"))
    assert shown.strip() == words


async def test_the_machine_s_notices_are_folded_into_one_line(
    ana: Browser, store: MemoryStore
) -> None:
    await store_thread(store, *EVERY_EVENT)
    page = await ana.get()
    groups = re.findall(r'<li id="n(\d+)" class="notices">(.*?)</details>', page, re.DOTALL)
    assert [int(first) for first, _ in groups] == [2, 5, 7, 12, 14, 16]
    assert "2 notices: agent started charge · agent started charge again" in seen(groups[2][1])
    assert all("<details>" in group for _, group in groups)
    for problem in (11, 15, 19):
        assert not [group for _, group in groups if f'id="e{problem}"' in group]


async def test_a_timer_is_a_notice_and_a_question_is_not(ana: Browser, store: MemoryStore) -> None:
    over = make_event("resumed", "system", "answer:2", wait=2, verdict="done")
    await store_thread(store, make_message(), make_pause("timer"), over, make_pause("question"))
    (group,) = re.findall(
        r'<li id="n2" class="notices">(.*?)</details>', await ana.get(), re.DOTALL
    )
    assert re.findall(r'id="e(\d)"', group) == ["2", "3"]


async def test_records_are_tables(ana: Browser, store: MemoryStore) -> None:
    rows = [{"tag": "v1", "note": "\u202e<b>"}, {"tag": "v2", "note": ""}]
    await store_thread(store, make_message(), make_step("look", at="x"), make_result(2, rows))
    page = await ana.get()
    table = page.partition("<table>")[2].partition("</table>")[0]
    assert seen(table.replace("&lt;b&gt;", "bold")) == "tag note v1 \\u202ebold v2"


async def test_a_finished_thread_begins_and_ends_with_the_answer(
    ana: Browser, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_event("finished", message="All done."))
    page = await ana.get()
    top, _, story = page.partition('id="story"')
    assert "Answer" in seen(top)
    assert "All done." in seen(top)
    assert 'class="line final "' in story


async def test_pages_name_the_project_and_the_agent(ana: Browser, store: MemoryStore) -> None:
    await store_thread(store, make_message("Hi"))
    name = pages.find_project() or "test"
    for path, title in (("/inbox/t", "Hi"), ("/", "Inbox")):
        page = await ana.get(path)
        agent = f" · test · {name}" if name != "test" else f" · {name}"
        assert f"<title>{title}{agent}</title>" in page
        assert f'<a class="brand" href="/">{name}</a>' in page


async def test_what_is_long_is_folded_and_cut_and_whole_on_its_own_page(
    ana: Browser, store: MemoryStore
) -> None:
    await store_thread(store, make_message("a" * 50_000 + "MIDDLE" + "b" * 40_000))
    page = await ana.get()
    assert "<details><summary>" in page
    assert "90,006 characters" in page
    assert "characters cut" in page
    assert "MIDDLE" not in page
    assert "MIDDLE" in await ana.get("/inbox/t/events/1")


async def test_a_page_of_ten_thousand_events_is_as_long_as_one_of_a_hundred(
    ana: Browser, store: MemoryStore
) -> None:
    await store_thread(store, *(make_message("x" * 9_000) for _ in range(10_000)))
    path, numbers = "/inbox/t", list[int]()
    for _ in range(3):
        page = await ana.get(path)
        assert len(page) < 1_000_000
        numbers = [int(seq) for seq in re.findall(r'<li id="e(\d+)"', page)] + numbers
        path = page.partition('class="pages"><a href="')[2].partition('"')[0]
    assert numbers == [*range(10_001 - 3 * LINES, 10_001)]
    assert (await ana.get("/inbox/t?before=1")).count("<li ") == 0
    assert (await ana.get(f"/inbox/t?before={10**30}")).count("<li ") == LINES


async def test_a_step_has_the_exact_prompt_that_led_to_it(
    ana: Browser, store: MemoryStore, world: World, ports: Ports
) -> None:
    replies = {"intent": "look", "at": "x"}, "no step", {"intent": "done", "message": "bye"}
    model = Says(*replies)
    thread = await advance(
        build_ports(store, model, world), await store_thread(store, make_message(HOSTILE))
    )
    asked = [past for past in thread.events if past.type in ("step", "invalid_step")]
    assert len(asked) == len(model.prompts) == 3
    for decision, prompt in zip(asked, model.prompts, strict=True):
        page = await ana.get(f"/inbox/t/events/{decision.seq}")
        texts = [unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)]
        blocks = "\n".join(prompt.blocks).replace("\u202e", r"\u202e")
        assert texts[1:] == [prompt.system, blocks, prompt.ask]
        assert "The prompts were edited since" not in page


async def test_a_step_of_older_prompts_says_so(
    store: MemoryStore, world: World, ports: Ports
) -> None:
    model = Says({"intent": "done", "message": "bye"})
    await advance(build_ports(store, model, world), await store_thread(store, make_message()))
    edited = rebind(ports, prompts=Prompts("You are another.", "What next?", ""))
    async with caller(api_of(edited, Asleep(), inbox.serve)) as client:
        page = seen(await (await Browser(client).sign_in("ana")).get("/inbox/t/events/2"))
    sha = model.prompts[0].sha
    assert f"The prompts were edited since: this step read version {sha} ." in page


@pytest.mark.parametrize("path", ["/inbox/none", "/inbox/t/events/0", "/inbox/t/events/2"])
async def test_what_is_not_there_is_a_page(ana: Browser, store: MemoryStore, path: str) -> None:
    await store_thread(store, make_message())
    assert "Not Found" in await ana.get(path, 404)


# -- what it takes ---------------------------------------------------------------------------


async def test_a_message_begins_a_thread_once(
    ana: Browser, store: MemoryStore, runner: Asleep
) -> None:
    answers = [await ana.send("/", text=" deploy ", key="k") for _ in range(2)]
    answers.append(await ana.send("/", text="another", key="k"))
    places = [answer.headers["location"] for answer in answers]
    assert [answer.status_code for answer in answers] == [303] * 3
    assert places[0] == places[1] != places[2]
    thread = await store.load(runner.woken[0])
    assert build_thread_path(thread.id) == places[0]
    assert [(one.actor, one.data["text"]) for one in thread.events] == [("ana", "deploy")]


async def test_a_message_in_a_thread_is_said_once(
    ana: Browser, bob: Browser, store: MemoryStore, runner: Asleep
) -> None:
    await store_thread(store, make_message("one"))
    for who, text in [(ana, "two"), (ana, "two"), (ana, "three"), (bob, "two")]:
        answer = await who.send(do="message", text=text, key="k")
        assert (answer.status_code, answer.headers["location"]) == (303, "/inbox/t#now")
    thread = await store.load("t")
    assert [one.data["text"] for one in thread.events] == ["one", "two", "three", "two"]
    assert runner.woken == ["t"] * 4


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 80_001])
async def test_a_message_says_something_and_not_everything(
    ana: Browser, store: MemoryStore, text: str
) -> None:
    await store_thread(store, make_message())
    for path in ("/", "/inbox/t"):
        assert (await ana.send(path, do="message", text=text)).status_code == 422
    assert list_types(await store.load("t")) == ["message"]


@pytest.mark.parametrize(
    ("wait", "sent", "answer"),
    [
        (make_pause("approval", call=CHARGE), {"do": "approve"}, ("approve", "")),
        (
            make_pause("approval", call=CHARGE),
            {"do": "approve", "text": "ok"},
            ("approve", "ok"),
        ),
        (make_pause("approval", call=CHARGE), {"do": "reject", "text": "no"}, ("reject", "no")),
        (make_pause("question"), {"do": "answer", "text": " blue\r\n"}, ("answer", "blue")),
        (make_pause("question", **CHOICES), {"do": "answer", "choice": "1"}, ("answer", "blue")),
        (
            make_pause("question", **CHOICES),
            {"do": "answer", "choice": "0", "text": "or not"},
            ("answer", "red\nor not"),
        ),
        (make_pause("question", **YES_NO), {"do": "answer", "choice": "0"}, ("answer", "yes")),
        (
            make_pause("question", **YES_NO),
            {"do": "answer", "text": "ask bob"},
            ("answer", "ask bob"),
        ),
        (make_pause("limit"), {"do": "continue"}, ("continue", "")),
        (make_pause("limit"), {"do": "stop", "text": "enough"}, ("stop", "enough")),
        (make_pause("in_doubt", call=CHARGE), {"do": "happened"}, ("happened", "")),
        (make_pause("in_doubt", call=CHARGE), {"do": "retry"}, ("retry", "")),
        (make_pause("in_doubt", call=CHARGE), {"do": "abort"}, ("abort", "")),
        (make_pause("job"), {"do": "done", "text": "it is built"}, ("done", "it is built")),
        (make_pause("timer"), {"do": "done"}, ("done", "")),
    ],
)
async def test_every_wait_takes_its_verdicts(
    ana: Browser,
    store: MemoryStore,
    runner: Asleep,
    wait: Event,
    sent: dict[str, str],
    answer: tuple[Any, ...],
) -> None:
    await store_thread(store, make_message(), make_step("charge", amount=500), wait)
    form = (await ana.get()).partition('class="card wait"')[2].partition("</section>")[0]
    assert f'name="do" value="{sent["do"]}"' in form
    shown = {"wait": "3", "digest": wait.data.get("digest", "")}
    assert (await ana.send(**shown, **sent)).status_code == 303
    closed = (await store.load("t")).events[-1]
    assert (closed.type, closed.actor, closed.key) == ("resumed", "ana", "answer:3")
    names = ("verdict", "text", "call")
    assert tuple(closed.data[name] for name in names if name in closed.data) == answer
    assert runner.woken == ["t"]


@pytest.mark.parametrize(
    ("wait", "sent", "why"),
    [
        (make_pause("approval", call=CHARGE), {"do": "reject", **RIGHT}, "write something"),
        (make_pause("approval", call=CHARGE), {"do": "approve", "digest": "x"}, "not the call you"),
        (make_pause("approval", call=CHARGE), {"do": "approve"}, "not the call you"),
        (
            make_pause("approval", "bob", call=CHARGE),
            {"do": "approve", **RIGHT},
            "ana is not asked",
        ),
        (make_pause("approval", call=CHARGE), {"do": "approve", "wait": "2", **RIGHT}, "2 is not"),
        (make_pause("approval", call=CHARGE), {"do": "approve", "wait": "9" * 5000}, "0 is not"),
        (
            make_pause("approval", call=CHARGE),
            {"do": "answer", "text": "yes", **RIGHT},
            "does not answer",
        ),
        (make_pause("approval", call=CHARGE), {"do": "", **RIGHT}, "does not answer"),
        (
            make_pause("approval", call=CHARGE),
            {"do": "preview", "argument.amount": "many", **RIGHT},
            "amount: this is not a number",
        ),
        (
            make_pause("approval", call=CHARGE),
            {"do": "preview", "argument.amount": "1.5", **RIGHT},
            "the edited call is not valid",
        ),
        (make_pause("question"), {"do": "answer", "text": " "}, "write something"),
        (make_pause("question", **CHOICES), {"do": "answer", "choice": "7"}, "write something"),
        (make_pause("question"), {"do": "answer", "text": "x" * 80_001}, "at most 80000"),
        (make_pause("question"), {"do": "preview", "text": "x"}, "does not answer"),
        (make_pause("question"), {"do": "edit", "text": "x"}, "look at the preview"),
        (make_pause("limit"), {"do": "approve"}, "does not answer"),
    ],
)
async def test_what_is_refused_comes_back_with_the_reason_and_what_was_typed(
    ana: Browser, store: MemoryStore, wait: Event, sent: dict[str, str], why: str
) -> None:
    await store_thread(store, make_message(), make_step("charge", amount=500), wait)
    answer = await ana.send(**{"wait": "3", "text": "", **sent})
    assert answer.status_code == 409
    assert "Not done." in answer.text
    assert why in seen(answer.text)
    assert list_types(await store.load("t")) == ["message", "step", "paused"]
    if "argument.amount" in sent:
        assert f'value="{sent["argument.amount"]}"' in answer.text
        assert '<details class="editing" open>' in answer.text


async def test_who_comes_second_reads_who_was_first_and_loses_no_word(
    ana: Browser, bob: Browser, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_step("charge", amount=500))
    await store.append(await store.load("t"), make_pause("approval", "ana", "bob", call=CHARGE))
    first = await ana.send(do="approve", wait="3", **RIGHT)
    second = await bob.send(do="reject", wait="3", text="too much", **RIGHT)
    third = await bob.send(do="approve", wait="3", **RIGHT)
    again = await ana.send(do="approve", wait="3", **RIGHT)
    assert [one.status_code for one in (first, second, third, again)] == [303, 409, 409, 303]
    assert "already closed: approve by ana You wrote: too much" in seen(second.text)
    assert list_types(await store.load("t")).count("resumed") == 1


async def test_a_second_answer_in_other_words_is_not_thrown_away(
    ana: Browser, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_pause("question"))
    first = await ana.send(do="answer", wait="2", text="yes")
    again = await ana.send(do="answer", wait="2", text="yes")
    other = await ana.send(do="answer", wait="2", text="NO, stop")
    assert [one.status_code for one in (first, again, other)] == [303, 303, 409]
    assert "You wrote: NO, stop" in seen(other.text)


async def test_after_its_time_a_wait_takes_no_answer(
    ana: Browser, store: MemoryStore, clock: Clock
) -> None:
    over = (await store.now()).isoformat()
    await store_thread(store, make_message(), make_pause("question", expires_at=over))
    clock.tick(1)
    answer = await ana.send(do="answer", wait="2", text="me")
    assert answer.status_code == 409
    assert "already closed: expired by system" in seen(answer.text)


async def test_whoever_is_not_asked_sees_the_wait_and_no_form(
    bob: Browser, store: MemoryStore
) -> None:
    await store_thread(
        store, make_message(), make_step("charge", amount=500), make_pause("approval", call=CHARGE)
    )
    page = await bob.get()
    assert "Only ana can answer this." in seen(page)
    assert 'value="approve"' not in page


STANDING = replace(
    make_pause("approval", call=CHARGE),
    data=make_pause("approval", call=CHARGE).data
    | {"standing": {"amount": 500}, "digest": compute_digest(CHARGE, {"amount": 500})},
)
SHOWN = {"wait": "3", "digest": STANDING.data["digest"]}


async def test_an_approval_is_for_one_call_or_for_the_thread_and_can_be_revoked(
    ana: Browser, bob: Browser, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_step("charge", amount=500), STANDING)
    assert "for this thread: every charge with amount: 500" in seen(await ana.get())
    sent = await ana.send(do="approve", standing="thread", **SHOWN)
    assert sent.status_code == 303
    page = await bob.get()
    assert "Approved for this thread every charge with amount: 500 by ana Revoke" in seen(page)
    assert (await bob.send(do="revoke", approval="4")).status_code == 303
    assert (await bob.send(do="revoke", approval="4")).status_code == 303
    assert (await bob.send(do="revoke", approval="5")).status_code == 409
    assert "Approved for this thread" not in seen(await bob.get())
    revoked = (await store.load("t")).events[-1]
    assert (revoked.type, revoked.actor, revoked.data) == ("revoked", "bob", {"approval": 4})


@pytest.mark.parametrize("standing", ["once", "", "x"])
async def test_an_approval_is_for_one_call_unless_somebody_says_more(
    ana: Browser, store: MemoryStore, standing: str
) -> None:
    await store_thread(store, make_message(), make_step("charge", amount=500), STANDING)
    assert (await ana.send(do="approve", standing=standing, **SHOWN)).status_code == 303
    assert (await store.load("t")).state.standing == ()


async def test_no_form_offers_what_the_policy_does_not_name(
    ana: Browser, store: MemoryStore
) -> None:
    asked = make_pause("approval", call=CHARGE)
    await store_thread(store, make_message(), make_step("charge", amount=500), asked)
    assert 'name="standing"' not in await ana.get()
    sent = {"do": "approve", "standing": "thread", "wait": "3", **RIGHT}
    assert (await ana.send(**sent)).status_code == 409


@pytest.mark.parametrize("do", ["approve", "reject", "preview", "edit", "answer", "done"])
@pytest.mark.parametrize("digest", ["", "of another call"])
async def test_a_form_that_showed_another_call_does_nothing(
    ana: Browser, store: MemoryStore, do: str, digest: str
) -> None:
    asked = make_pause("approval", call=CHARGE)
    await store_thread(store, make_message(), make_step("charge", amount=500), asked)
    sent = {"do": do, "wait": "3", "text": "x", "digest": digest, "argument.amount": "1"}
    answer = await ana.send(**sent)
    assert (answer.status_code, "not the call you were shown" in answer.text) == (409, True)
    assert list_types(await store.load("t"))[-1] == "paused"


async def test_a_message_to_a_thread_that_asks_for_something_else_now_comes_back(
    ana: Browser, store: MemoryStore
) -> None:
    asked = make_pause("approval", call=CHARGE)
    await store_thread(store, make_message(), make_step("charge", amount=500), asked)
    assert 'name="seen" id="seen" data-held value="3"' in await ana.get()
    answer = await ana.send(do="message", text="thanks", seen="")
    assert (answer.status_code, "thanks</textarea>" in answer.text) == (409, True)
    assert (await store.load("t")).state.wait
    for _ in range(2):  # a button that is pressed twice
        assert (await ana.send(do="message", text="no", seen="3", key="k")).status_code == 303
    assert list_types(await store.load("t"))[-2:] == ["paused", "message"]


async def test_a_step_is_rated_and_shows_what_its_reader_said_last(
    ana: Browser, bob: Browser, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_step("charge", amount=500))
    for rating in ("good", "bad"):
        answer = await ana.send("/inbox/t/ratings", step="2", rating=rating, before="9")
        assert answer.headers["location"] == "/inbox/t?before=9#e2"
    assert 'value="bad" aria-pressed="true"' in await ana.get()
    assert 'value="good" aria-pressed="false"' in await ana.get()
    assert 'aria-pressed="true"' not in await bob.get()
    rated = [past.data for past in (await store.load("t")).events if past.type == "rated"]
    assert [one["rating"] for one in rated] == ["good", "bad"]
    for step, rating in [("1", "good"), ("x", "good"), ("2", "so so")]:
        answer = await ana.send("/inbox/t/ratings", step=step, rating=rating)
        assert answer.status_code == 409


async def test_a_card_says_what_is_known_who_may_answer_and_until_when(
    ana: Browser, store: MemoryStore
) -> None:
    soon = (await store.now() + timedelta(hours=1)).isoformat()
    about = {"error": "no route\u202e", "idempotency_key": "t.1", "escalate": ["head"]}
    asked = make_pause("in_doubt", "bob", "ana", call=CHARGE, expires_at=soon, **about)
    await store_thread(store, make_message(), make_step("charge", amount=500), asked)
    words = seen((await ana.get()).partition('class="card wait"')[2])
    for fact in (
        "Outcome unknown for you or bob",
        "UTC ; then head will be asked",
        r"Last error: no route\u202e",
        "Idempotency key: t.1",
        "It did not go through: run it again",
    ):
        assert fact in words


async def test_cancel_ends_a_thread_once(ana: Browser, store: MemoryStore) -> None:
    await store_thread(store, make_message())
    first = await ana.send(do="cancel", reason="enough")
    second = await ana.send(do="cancel")
    assert (first.status_code, second.status_code) == (303, 409)
    assert (await store.load("t")).events[-1].data == {"reason": "enough"}
    assert 'value="cancel"' not in await ana.get()


# -- who may, and what may not happen --------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/inbox/t", "/inbox/none", "/inbox/t/events/1", "/inbox/t/stream"]
)
async def test_nobody_looks_in_without_signing_in(
    api: FastAPI, store: MemoryStore, path: str
) -> None:
    await store_thread(store, make_message())
    async with caller(api, "ana") as client:  # a bearer token is for the API alone
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (303, "")
    assert answer.headers["location"].startswith("/login?next=%2F")


@pytest.mark.parametrize("path", ["/", "/inbox/t", "/inbox/t/ratings"])
@pytest.mark.parametrize("forged", [{"csrf": ""}, {"csrf": "x"}])
async def test_nothing_is_done_without_the_word_of_the_session(
    ana: Browser, store: MemoryStore, path: str, forged: dict[str, str]
) -> None:
    await store_thread(store, make_message(), make_pause("limit"))
    for do in ("message", "cancel", "continue"):
        assert (await ana.send(path, do=do, wait="2", text="x", **forged)).status_code == 403
    assert list_types(await store.load("t")) == ["message", "paused"]
    assert len(await store.threads()) == 1


class Tags(HTMLParser):
    """Collects what a browser would obey."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script":
            assert given == {"src": "/static/pages.js", "defer": None}
        assert not [name for name in given if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            assert (given.get(name) or "/").startswith(("/", "#"))
        self.found.add(tag)

    def handle_data(self, data: str) -> None:
        assert not {"\x1b", "\u202e"} & set(data)


def _hostile(one: Event) -> Event:
    """Return an event that says nothing but what is hostile."""
    told = {name: HOSTILE if isinstance(item, str) else item for name, item in one.data.items()}
    kept = {name: one.data[name] for name in ("verdict", "kind") if name in one.data}
    return replace(one, actor=HOSTILE, data=told | kept)


HOSTILE_CALL: CallJson = {"intent": "put", "value": HOSTILE}
HOSTILE_OPTIONS = {"urgency": HOSTILE, "format": "multiple_choice", "choices": [HOSTILE]}
HOSTILE_LOGS = {
    "everything": [_hostile(one) for one in EVERY_EVENT],
    "approval": [
        make_message(HOSTILE),
        make_event("step", call=HOSTILE_CALL, tokens={}, model=HOSTILE, prompt_sha=HOSTILE),
        replace(make_pause("approval", "ana", HOSTILE, call=HOSTILE_CALL), actor=HOSTILE),
    ],
    "odd names": [
        make_message(),
        make_pause("approval", call={"intent": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}}),
    ],
    "question": [make_message(), make_pause("question", options=HOSTILE_OPTIONS)],
    "not mine": [
        make_message(),
        replace(make_pause("question", HOSTILE), data=make_pause("job").data),
    ],
    "of a kind nobody knows": [make_message(), make_pause(HOSTILE)],
}


@pytest.mark.parametrize("log", HOSTILE_LOGS)
async def test_nothing_in_a_log_is_obeyed(ana: Browser, store: MemoryStore, log: str) -> None:
    thread_id = f'"><script>{HOSTILE}'.replace("/", "")
    events = HOSTILE_LOGS[log]
    await store_thread(store, *events, thread_id=thread_id)
    path = build_thread_path(thread_id)
    sent = {"wait": str(len(events)), "digest": HOSTILE, "choice": HOSTILE, "key": HOSTILE}
    typed = {f"argument.{HOSTILE}": HOSTILE, "argument.value": HOSTILE, "text": HOSTILE}
    pages = [await ana.get("/"), await ana.get(path)]
    pages += [await ana.get(f"{path}/events/{seq}") for seq in range(1, len(events) + 1)]
    for do in ("edit", "answer", "approve", "reject"):
        answer = await ana.send(path, do=do, **sent, **typed)
        pages += [answer.text] if answer.status_code == 409 else []
    for page in pages:
        assert "<script>alert" not in page
        assert Tags(page).found <= KNOWN_TAGS


KNOWN_TAGS = set(
    """html head meta title link script body a header form input span button main div h1 h2 h3 p
    ol ul li strong time code details summary pre dl dt dd section label textarea fieldset legend
    select option table thead tbody tr th td""".split()
)


async def test_the_page_of_a_wait_leads_to_the_page_of_its_thread(
    ana: Browser, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_pause("limit"))
    assert 'href="/inbox/t"' in await ana.get("/waits/t/2")
    answer = await ana.send("/waits/t/2", do="continue")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox/t")
    assert "Back to the inbox" in await ana.get("/waits/t/9", 404)


async def test_a_thread_of_any_name_has_an_address(ana: Browser, store: MemoryStore) -> None:
    await store_thread(store, make_message("odd"), thread_id="a?b#c %2e é")
    (path,) = re.findall(r'<li><a href="([^"]+)"', await ana.get("/"))
    assert "odd" in await ana.get(unescape(path))


@pytest.mark.parametrize(("also", "shown"), [(("second",), True), ((), False)])
async def test_pages_name_the_agent_where_there_are_several(
    also: tuple[str, ...], shown: bool, store: MemoryStore, world: World
) -> None:
    await store_thread(store, make_message(agent="test"), make_pause("question"))
    ports = build_ports(store, Says(), world, also=also)
    async with caller(api_of(ports, Asleep(), inbox.serve)) as client:
        browser = await Browser(client).sign_in("ana")
        for page in ("/", "/inbox/t"):
            assert ('<span class="agent">test</span>' in await browser.get(page)) == shown
