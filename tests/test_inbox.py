"""The inbox in a real browser: what people do there, and what nobody can make it do."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    FloatRect,
    Locator,
    Page,
    expect,
    sync_playwright,
)

from .conftest import make
from .serving import TOKENS, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDS_CHROMIUM = "needs a browser: apt-get install chromium"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason=NEEDS_CHROMIUM)]

SCRIPT = (
    {"intent": "deploy_backend", "tag": "v1.2.3", "environment": "production"},
    {"intent": "done_for_now", "message": "That is all."},
)
HOSTILE = (
    "</p></textarea></script><script>alert(1)</script><img src=x onerror=alert(1)>"
    '<svg onload=alert(1)>" onfocus="alert(1)" autofocus="\' javascript:alert(1)'
    "<style>*{display:none}</style>\x1b[31m\u202e" + "w" * 300
)
WATCH = "document.addEventListener('securitypolicyviolation', e => alert(e.violatedDirective))"
ASKED = {"tag": "v1.2.3", "environment": "production"}


@dataclass
class Site:
    """`agent serve` of a rendered agent, and a browser."""

    url: str
    browser: Browser
    imports: Callable[[str, list[dict[str, Any]]], None]
    complaints: list[str] = field(default_factory=list)
    """What ran that should not have, and what a browser says of our pages."""

    def visitor(self, name: str = "ana", **settings: Any) -> Page:
        """Open a browser of its own and sign in; whatever it complains of fails the test."""
        context = self.browser.new_context(base_url=self.url, **settings)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.on("dialog", self._ran)
        page.on("pageerror", lambda error: self.complaints.append(f"our script: {error}"))
        page.on("console", self._says)
        page.goto("/")
        page.get_by_label("Token").fill(TOKENS[name])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        return page

    def thread(self, name: str, *events: dict[str, Any]) -> str:
        """Add a thread to which these events happened, and return its address."""
        self.imports(name, list(events))
        return f"/inbox/{name}"

    def _ran(self, dialog: Dialog) -> None:
        self.complaints.append(f"a script ran: {dialog.message}")
        dialog.dismiss()

    def _says(self, message: ConsoleMessage) -> None:
        # A refused answer is a page with a status of its own, which Chromium logs.
        if message.type in ("error", "warning") and "status of 409" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")


def past(type_: str, actor: str = "agent", **data: Any) -> dict[str, Any]:
    at = "2026-01-01T12:00:00+00:00"
    return {"type": type_, "actor": actor, "key": None, "at": at, "data": data}


def said(text: str, actor: str = "ana") -> dict[str, Any]:
    return past("message", actor, text=text, source="inbox")


def asks(kind: str, *audience: str, **data: Any) -> dict[str, Any]:
    return past("paused", kind=kind, audience=[*audience], **{"text": f"{kind}?", **data})


def deployment(**arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a step and the request to approve it; its digest is that of the call."""
    call = {"intent": "deploy_backend", **ASKED, **arguments}
    canonical = json.dumps(call, sort_keys=True, separators=(",", ":"))
    digest = sha256(canonical.encode()).hexdigest()[:32]
    step = past("step", call=call, tokens={"input": 1})
    return step, asks("approval", "ana", "bob", call=call, digest=digest)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the default agent: everybody has the inbox."""
    agent = make(tmp_path_factory.mktemp("default") / "my-agent", {})
    lines = [json.dumps({"step": step}) for step in (*SCRIPT, *SCRIPT[1:] * 9)]
    (agent.path / "script.jsonl").write_text("\n".join(lines))
    (agent.path / "people.toml").write_text("[bob]\nadmin = true\n")  # he sees what ana started

    def imports(name: str, events: list[dict[str, Any]]) -> None:
        line = json.dumps({"thread": name, "events": events})
        subprocess.run(
            [agent.path / ".venv/bin/agent", "import"],
            cwd=agent.path, env=agent.environment, input=line, text=True, check=True,
            capture_output=True,
        )  # fmt: skip

    root = ["--no-sandbox"] if sys.platform == "linux" and os.geteuid() == 0 else []
    with served(agent) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=root)
        yield Site(url, browser, imports)
        browser.close()


@pytest.fixture(autouse=True)
def _no_complaint(site: Site) -> Iterator[None]:
    site.complaints.clear()
    yield
    assert site.complaints == []


def approve_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Approve and run")


def show_news(page: Page) -> None:
    """Have the page show how its thread stands now."""
    page.locator("#changed").click()
    expect(page.locator("#changed")).to_be_hidden()


def rest_on(page: Page, button: Locator) -> FloatRect:
    """Let the pointer rest on a button, and return where that is."""
    box = button.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return box


def press(page: Page) -> None:
    """Click where the pointer rests."""
    page.mouse.down()
    page.mouse.up()


def begin(page: Page, text: str = "deploy the latest backend") -> None:
    page.goto("/")
    page.get_by_label("What should the agent do?").fill(text)
    page.get_by_role("button", name="Start a thread").click()


def test_an_approval_comes_and_goes_without_a_reload(site: Site) -> None:
    ana = site.visitor()
    path = site.thread("comes", said("deploy"), past("finished", message="Never mind."))
    ana.goto(path)
    ana.evaluate("window.same = true")
    ana.get_by_label("Message").fill("do it")
    bob = site.visitor("bob")
    bob.goto(path)
    bob.get_by_label("Message").fill("deploy after all")
    bob.get_by_role("button", name="Send").click()
    expect(ana.locator("#changed")).to_contain_text("Approval: Deploy v1.2.3 to production")
    expect(approve_button(ana)).to_have_count(0)
    show_news(ana)
    expect(ana.get_by_role("heading", name="Deploy v1.2.3 to production")).to_be_visible()
    expect(ana.get_by_label("Message")).to_have_value("do it")
    assert ana.evaluate("window.same") is True
    approve_button(ana).click()
    expect(ana.locator(".line.final").last).to_contain_text("That is all.")
    expect(ana.locator("#status")).to_contain_text("finished")
    expect(ana.locator(".line.result table")).to_contain_text("production")


def test_a_click_meant_for_another_call_approves_nothing(site: Site) -> None:
    _, request = deployment(tag="v1.0.0")
    path = site.thread("resting", said("deploy"), request)
    ana, bob = site.visitor("ana"), site.visitor("bob")
    ana.goto(path)
    shown = rest_on(ana, approve_button(ana))
    bob.goto(path)
    bob.get_by_label("Message").fill("rather the newest")
    bob.get_by_role("button", name="Send").click()
    expect(ana.locator("#changed")).to_be_visible()
    expect(ana.locator("#story")).to_contain_text("v1.2.3")
    expect(approve_button(ana)).to_be_disabled()
    assert approve_button(ana).bounding_box() == shown
    expect(ana.locator("#now")).to_contain_text("v1.0.0")
    press(ana)
    ana.locator("#changed").click()
    ana.mouse.move(shown["x"] + 5, shown["y"] + 5)
    press(ana)  # a hand that was too quick
    expect(ana.locator("#now")).to_contain_text("v1.2.3")
    expect(approve_button(ana)).to_be_enabled()
    ana.wait_for_timeout(300)
    bob.goto(path)
    expect(bob.locator("#story")).not_to_contain_text("approved")
    approve_button(ana).click()
    expect(ana.locator(".line.answer")).to_contain_text("ana approved deploy_backend")


def test_a_call_that_changed_before_the_page_knew_is_refused(site: Site) -> None:
    _, request = deployment(tag="v1.0.1")
    path = site.thread("unaware", said("deploy"), request)
    ana, bob = site.visitor(java_script_enabled=False), site.visitor("bob")
    ana.goto(path)
    bob.goto(path)
    bob.get_by_label("Message").fill("rather the newest")
    bob.get_by_role("button", name="Send").click()
    expect(bob.locator("#story")).to_contain_text("v1.2.3")
    approve_button(ana).click()
    expect(ana.get_by_role("alert")).to_contain_text("Not done.")
    expect(ana.locator("#story")).not_to_contain_text("approved")


def test_nothing_that_appears_moves_a_form(site: Site) -> None:
    path = site.thread("quiet", said("deploy"), past("finished", message="Never mind."))
    ana, bob = site.visitor("ana"), site.visitor("bob")
    ana.goto(path)
    ana.get_by_label("Message").fill("thanks")
    shown = rest_on(ana, ana.get_by_role("button", name="Send"))
    bob.goto(path)
    bob.get_by_label("Message").fill("deploy after all")
    bob.get_by_role("button", name="Send").click()
    expect(ana.locator("#changed")).to_be_visible()
    expect(ana.locator("#status")).to_contain_text("waiting")
    assert ana.get_by_role("button", name="Send").bounding_box() == shown
    press(ana)  # it would take the new request back
    bob.reload()
    expect(bob.locator("#now")).to_contain_text("Deploy v1.2.3 to production")
    expect(bob.locator("#story")).not_to_contain_text("thanks")


def test_somebody_else_s_answer_shows_at_once_and_is_announced(site: Site) -> None:
    path = site.thread("shows", said("deploy", "bob"), *deployment())
    ana, bob = site.visitor("ana"), site.visitor("bob")
    ana.goto(path)
    ana.evaluate("window.same = true")
    ana.locator("#e3 a").focus()
    bob.goto(path)
    approve_button(bob).click()
    expect(ana.locator(".line.answer")).to_contain_text("bob approved")
    expect(ana.locator("#status")).to_contain_text("finished")
    expect(ana.get_by_role("status")).not_to_be_empty()
    expect(ana.locator("#e3 a")).to_be_focused()
    expect(ana.locator("#changed")).to_contain_text("The thread is finished.")
    show_news(ana)
    expect(ana.locator("#now .ending")).to_contain_text("That is all.")
    assert ana.evaluate("window.same") is True


def test_what_somebody_types_is_not_taken_away(site: Site) -> None:
    path = site.thread("typing", said("deploy", "bob"), *deployment())
    ana, bob = site.visitor("ana"), site.visitor("bob")
    ana.goto(path)
    ana.get_by_label("Comment (needed to reject)").fill("because of")
    ana.get_by_label("Message").fill("by the way")
    bob.goto(path)
    approve_button(bob).click()
    expect(ana.locator("#status")).to_contain_text("finished")
    expect(ana.locator("#changed")).to_be_visible()
    expect(ana.get_by_label("Comment (needed to reject)")).to_have_value("because of")
    expect(ana.get_by_role("button", name="Reject")).to_be_disabled()
    show_news(ana)
    expect(ana.get_by_text("You wrote: because of")).to_be_visible()
    expect(ana.get_by_label("Message")).to_have_value("by the way")


def test_the_list_does_not_change_under_a_pointer(site: Site) -> None:
    ana = site.visitor()
    row = ana.get_by_role("link").filter(has_text="v1.0.9")
    site.thread("listed", said("deploy"), *deployment(tag="v1.0.9"))
    ana.mouse.move(5, 5)
    ana.evaluate("refresh()")
    expect(row).to_have_count(1)
    ana.get_by_role("heading", name="Waiting for an answer").hover()
    site.thread("listed-too", said("deploy"), *deployment(tag="v1.0.8"))
    ana.evaluate("refresh()")
    expect(ana.locator("#changed")).to_be_visible()
    expect(ana.get_by_role("link").filter(has_text="v1.0.8")).to_have_count(0)
    show_news(ana)
    expect(ana.get_by_role("link").filter(has_text="v1.0.8")).to_have_count(1)


def test_the_page_of_a_wait_says_that_somebody_else_answered(site: Site) -> None:
    site.thread("linked", said("deploy"), *deployment())
    ana, bob = site.visitor("ana"), site.visitor("bob")
    for page in (ana, bob):
        page.goto("/waits/linked/3")
    approve_button(bob).click()
    expect(bob.locator("#story")).to_contain_text("bob approved")
    ana.evaluate("refresh()")
    expect(ana.locator("#changed")).to_contain_text("This was answered.")
    expect(approve_button(ana)).to_be_disabled()
    show_news(ana)
    expect(ana.locator("#now")).to_contain_text("Closed. bob approved deploy_backend.")


def test_times_have_their_age_and_the_exact_time_as_a_title(site: Site) -> None:
    ana = site.visitor()
    begin(ana)
    age = ana.locator(".heading time")
    expect(age).to_have_text("just now")
    assert re.search(r"\d", age.get_attribute("title") or "")
    ana.goto(site.thread("old", said("hi")))
    expect(ana.locator(".heading time")).to_contain_text("2026")


def test_an_open_page_says_that_its_reader_is_signed_out(site: Site) -> None:
    ana = site.visitor()
    path = site.thread("left", said("deploy"), past("finished", message="Never mind."))
    ana.goto(path)
    elsewhere = ana.context.new_page()
    elsewhere.goto("/")
    elsewhere.get_by_role("button", name="Sign out").click()
    ana.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it looks again
    expect(ana.locator("#news")).to_have_text("You are signed out. Reload to sign in.")
    expect(ana.locator(".line.said")).to_contain_text("deploy")


def test_a_call_is_rejected_with_a_reason(site: Site) -> None:
    ana = site.visitor()
    ana.goto(site.thread("reject", said("deploy"), *deployment()))
    ana.get_by_role("button", name="Reject").click()
    expect(ana.get_by_role("alert")).to_contain_text("write something")
    ana.get_by_label("Comment (needed to reject)").fill("not on a Friday")
    ana.get_by_role("button", name="Reject").click()
    expect(ana.locator(".line.answer")).to_contain_text("not on a Friday")
    expect(ana.locator("#status")).to_contain_text("finished")
    expect(ana.locator(".line.result")).to_have_count(0)


def test_an_edit_is_previewed_before_it_runs_and_what_does_not_fit_comes_back(site: Site) -> None:
    ana = site.visitor()
    ana.goto(site.thread("edit", said("deploy"), *deployment()))
    ana.get_by_text("Edit", exact=True).click()
    form = ana.locator("form.edit")
    expect(form.get_by_label("environment").locator("option")).to_have_count(2)
    form.get_by_label("tag").fill("v0.0.0")
    form.get_by_label("environment").evaluate("one => one.append(new Option('x', 'mars'))")
    form.get_by_label("environment").select_option("mars")
    form.get_by_role("button", name="Preview").click()
    expect(ana.get_by_role("alert")).to_contain_text("the edited call is not valid")
    expect(form.get_by_label("tag")).to_have_value("v0.0.0")
    form.get_by_label("tag").fill("v1.2.2")
    form.get_by_label("environment").select_option("staging")
    form.get_by_role("button", name="Preview").click()
    expect(ana.locator("#now .note")).to_contain_text("You changed tag, environment.")
    expect(ana.locator("#now .arguments")).to_contain_text('Before: "v1.2.3"')
    expect(ana.locator(".line.answer")).to_have_count(0)
    approve_button(ana).click()
    expect(ana.locator(".line.result")).to_contain_text("v1.2.2")


def test_a_step_is_rated_and_keeps_the_last_word(site: Site) -> None:
    ana = site.visitor()
    ana.goto(site.thread("rated", said("deploy"), *deployment()))
    for word in ("Good", "Bad"):
        ana.get_by_role("button", name=f"{word} step").click()
        pressed = ana.locator('.ratings [aria-pressed="true"]')
        expect(pressed).to_have_text(re.compile(word))


def test_a_call_is_read_back_from_what_a_browser_shows(site: Site) -> None:
    spaces = " " * 400
    tag = f"v1{spaces}amount: 5\nenvironment: staging\u202e\u3164\ufe0f\x1b{'w' * 20_000}"
    path = site.thread("whole", said("deploy"), *deployment(tag=tag))
    ana = site.visitor()
    for address in (path, "/waits/whole/3"):
        ana.goto(address)
        names = ana.locator("#now .arguments dt").all_inner_texts()
        values = ana.locator("#now .arguments dd:not(.aside)").all_inner_texts()
        call = dict(zip(names, map(json.loads, values), strict=True))
        assert call == {"tag": tag, "environment": "production"}
        left = ana.locator("#now .arguments dt").first.bounding_box()
        value = ana.locator("#now .arguments code", has_text="amount: 5").bounding_box()
        assert left
        assert value
        assert value["x"] >= left["x"] + left["width"]


def test_a_question_is_answered_by_choice(site: Site) -> None:
    options = {"urgency": "high", "format": "multiple_choice", "choices": ["red", "blue"]}
    call = {"intent": "request_more_information", "question": "Which?"}
    step = past("step", call={**call, **options}, tokens={})
    path = site.thread("colour", said("paint"), step, asks("question", "anyone", options=options))
    ana = site.visitor()
    ana.goto("/")
    row = ana.get_by_role("link").filter(has_text="question?").filter(has_text="paint")
    expect(row).to_contain_text("high urgency")
    ana.goto(path)
    ana.get_by_role("radio", name="blue").check()
    ana.get_by_label("In your own words").fill("a dark one")
    ana.get_by_role("button", name="Answer").click()
    expect(ana.locator(".line.answer .text")).to_have_text("blue\na dark one")


def test_of_two_who_approve_at_once_one_wins_and_the_other_reads_who(site: Site) -> None:
    path = site.thread("race", said("deploy"), *deployment())
    people = {name: site.visitor(name, java_script_enabled=False) for name in TOKENS}
    for page in people.values():
        page.goto(path)
    with people["ana"].expect_navigation(), people["bob"].expect_navigation():
        for page in people.values():
            page.get_by_role("button", name="Approve and run").click(no_wait_after=True)
    alerts = {name: page.get_by_role("alert") for name, page in people.items()}
    lost = {name: alert.inner_text() for name, alert in alerts.items() if alert.count()}
    (loser,) = lost
    winner = "ana" if loser == "bob" else "bob"
    assert f"already closed: approve by {winner}" in lost[loser]
    people[winner].goto(path)
    expect(people[winner].locator(".line.answer")).to_have_count(1)


def test_it_works_without_scripts(site: Site) -> None:
    ana = site.visitor(java_script_enabled=False)
    begin(ana)
    approve = ana.get_by_role("button", name="Approve and run")
    _reload_until(ana, lambda: approve.count() == 1)
    approve.click()
    _reload_until(ana, lambda: "finished" in ana.locator("#status").inner_text())
    ana.get_by_label("Message").fill("thanks")
    ana.get_by_role("button", name="Send").click()
    expect(ana.get_by_text("thanks", exact=True)).to_be_visible()


def _reload_until(page: Page, true: Callable[[], bool]) -> None:
    for _ in range(100):
        if true():
            return
        page.wait_for_timeout(100)
        page.reload()
    pytest.fail("it never came to it")


def test_an_approval_needs_no_mouse(site: Site) -> None:
    path = site.thread("keys", said("deploy"), *deployment())
    ana = site.visitor()
    ana.goto(path)
    ana.keyboard.press("Tab")
    expect(ana.get_by_role("link", name="Skip to the content")).to_be_focused()
    approve = ana.get_by_role("button", name="Approve and run")
    for _ in range(40):
        ana.keyboard.press("Tab")
        if approve.evaluate("one => one === document.activeElement"):
            break
    outline = approve.evaluate("one => getComputedStyle(one).outlineStyle")
    assert outline == "solid"
    ana.keyboard.press("Enter")
    expect(ana.locator(".line.answer")).to_contain_text("ana approved")


def test_enter_in_an_argument_approves_nothing(site: Site) -> None:
    call = {"intent": "gone", "number": 1}
    path = site.thread("enter", said("x"), asks("approval", "ana", call=call, digest="d"))
    ana = site.visitor()
    ana.goto(path)
    ana.get_by_text("Edit", exact=True).click()
    form = ana.locator("form.edit")
    form.evaluate("one => one.querySelector('textarea').outerHTML = '<input id=typed>'")
    ana.locator("#typed").press("Enter")
    expect(ana.locator("#typed")).to_be_visible()
    expect(ana.get_by_role("alert")).to_have_count(0)


def hostile_events() -> list[dict[str, Any]]:
    options = {"urgency": HOSTILE, "format": "multiple_choice", "choices": [HOSTILE, HOSTILE]}
    call = {"intent": "deploy_backend", "tag": HOSTILE, "environment": HOSTILE}
    odd = {"intent": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}}
    return [
        said(HOSTILE, HOSTILE),
        past("message", HOSTILE, facts={HOSTILE: HOSTILE}),
        past("step", HOSTILE, call=call, tokens={HOSTILE: 1}, model=HOSTILE, prompt_sha=HOSTILE),
        asks("approval", HOSTILE, text=HOSTILE, call=call, digest=HOSTILE),
        past("resumed", HOSTILE, wait=4, verdict=HOSTILE, text=HOSTILE, call=odd),
        past("tool_started", HOSTILE, step=3, key=HOSTILE),
        past("tool_failed", HOSTILE, step=3, error=HOSTILE, definite=True),
        past("tool_finished", HOSTILE, step=3, output={HOSTILE: [HOSTILE]}, late=True),
        past("invalid_step", HOSTILE, error=HOSTILE, output=HOSTILE),
        past("delivered", HOSTILE, ref=4, error=HOSTILE),
        past("compacted", HOSTILE, upto=1, text=HOSTILE),
        past("finished", HOSTILE, message=HOSTILE),
        past("cancelled", HOSTILE, reason=HOSTILE),
        past("forked", HOSTILE, thread=HOSTILE, seq=1),
        past(HOSTILE, HOSTILE, what=HOSTILE),
        asks("question", "ana", HOSTILE, text=HOSTILE, options=options, call=odd, digest=HOSTILE),
    ]


def test_nothing_in_a_log_runs_or_breaks_the_page(site: Site) -> None:
    events = hostile_events()
    path = site.thread("hostile", *events)
    approval = site.thread("hostile-edit", said(HOSTILE), *deployment(tag=HOSTILE))
    ana = site.visitor(viewport={"width": 360, "height": 740})
    addresses = ["/", path, approval, *(f"{path}/events/{one + 1}" for one in range(len(events)))]
    for address in addresses:
        ana.goto(address)
        for fold in ana.locator("summary").all():
            fold.click()
        expect(ana.get_by_text("onerror=alert(1)").first).to_be_visible()
        assert ana.evaluate("document.documentElement.scrollWidth") == 360, address
    ana.goto(approval)
    ana.get_by_text("Edit", exact=True).click()
    ana.locator("form.edit").get_by_label("tag").fill(f"other {HOSTILE}")
    ana.get_by_role("button", name="Preview").click()
    approve_button(ana).click()
    expect(ana.locator(".line.error").first).to_contain_text("onerror=alert(1)")
    begin(ana, HOSTILE)
    expect(ana.locator("#story")).to_contain_text("onerror=alert(1)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_in_both_colour_schemes(site: Site, scheme: str) -> None:
    path = site.thread(f"contrast-{scheme}", said("deploy"), *deployment())
    ana = site.visitor(color_scheme=scheme)
    for address in ("/", path, f"{path}/events/1"):
        ana.goto(address)
        ground, pairs = ana.evaluate(CONTRASTS)
        assert (ground > 0.5) == (scheme == "light")
        assert [pair for pair in pairs if pair[0] < 4.5] == []


CONTRASTS = """() => {
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92
    : ((c + .055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = node => {
    const [r, g, b, a = 1] = rgb(getComputedStyle(node).backgroundColor);
    return a || !node.parentElement ? [r, g, b] : behind(node.parentElement);
  };
  const pairs = [...document.querySelectorAll('main *, header *')]
    .filter(node => [...node.childNodes].some(one => one.nodeType === 3 && one.data.trim()))
    .map(node => [light(rgb(getComputedStyle(node).color)), light(behind(node)), node.textContent])
    .map(([a, b, text]) => [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), text]);
  return [light(rgb(getComputedStyle(document.documentElement).backgroundColor)), pairs];
}"""
