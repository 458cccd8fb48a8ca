"""Edits at the terminal: what is typed, how it would run, and what is recorded of it."""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, Field, StringConstraints
from typer.testing import CliRunner

from agent.engine.cli import build_commands
from agent.engine.cli.dialog import ask_answer
from agent.engine.cli.edits import write_edit
from agent.engine.cli.waits import Answer, Asked
from agent.engine.llms.output import JsonSteps
from agent.engine.log.events import CallJson
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Finish, Run
from agent.engine.loop.steps import Step
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner

from ..domain import Says, build_ports, make_message, make_pause, make_step, store_thread
from .conftest import Desk, Typist, now


class Pay(Step):
    """Everything that can be spelled in several ways."""

    intent: Literal["pay"]
    amount: Decimal
    page: AnyUrl
    order: UUID
    on: date
    at: datetime
    when: time
    span: timedelta
    tags: set[str]
    note: Annotated[str, StringConstraints(strip_whitespace=True)]
    sender: str = Field(alias="from")
    copies: int | None = None
    memo: str | None = None
    rest: Decimal | None = None


class Done(Step):
    intent: Literal["done"]


STEPS = JsonSteps(Pay | Done)
WRITTEN: CallJson = {
    "amount": "389.00",
    "page": "https://a.example/",
    "order": "00000000-0000-0000-0000-00000000000a",
    "on": "2026-03-04",
    "at": "2026-03-04T12:00:00Z",
    "when": "10:00:00",
    "span": "PT1H",
    "tags": ["a", "b"],
    "note": "thanks",
    "from": "ana",
    "copies": 2,
    "memo": "short",
    "rest": None,
}
CALL: CallJson = {"intent": "pay", **WRITTEN}

Cli = Callable[..., Any]


@pytest.fixture
def asked(desk: Desk) -> Asked:
    """Ana is asked at 3 to approve a payment."""

    def decide(step: Any, thread: Thread) -> Any:
        if isinstance(step, Done):
            return Finish("bye")
        return Run(lambda *_: "paid", approvers=("owner",), standing=("from",))

    ports = build_ports(desk.store, Says(), desk.world, steps=STEPS, decide=decide)
    pause = make_pause("approval", call=CALL, standing={"from": "ana"})
    thread = now(store_thread(desk.store, make_message(), make_step(**CALL), pause))
    assert thread.state.wait
    return Asked(ports, thread, thread.state.wait, "ana")


@pytest.fixture
def agent(asked: Asked) -> Cli:
    app = App(asked.ports, LocalRunner(asked.ports, poll_s=0.01))
    cli = build_commands(lambda _: app)
    return lambda *words: CliRunner().invoke(cli, words, catch_exceptions=False)


def read_changes(desk: Desk) -> CallJson:
    """Return what the recorded edit changed."""
    call: CallJson = desk.thread().events[-1].data["call"]
    return {name: value for name, value in call.items() if CALL[name] != value}


SPELLINGS = [
    ("amount=350", {"amount": "350"}),
    ("page=https://b.example", {"page": "https://b.example/"}),
    ("order=00000000-0000-0000-0000-00000000000B", {"order": f"{UUID(int=11)}"}),
    ("on=2026-03-05", {"on": "2026-03-05"}),
    ("at=2026-03-05T12:00:00+00:00", {"at": "2026-03-05T12:00:00Z"}),
    ("when=11:30", {"when": "11:30:00"}),
    ("span=PT90M", {"span": "PT1H30M"}),
    ('tags=["c","a"]', {"tags": ["a", "c"]}),
    ("note= hello ", {"note": "hello"}),
    ("note=350", {"note": "350"}),
    ('note="quoted"', {"note": '"quoted"'}),
    ("note=a=b", {"note": "a=b"}),
    ("from=bob", {"from": "bob"}),
    ("copies=3", {"copies": 3}),
    ("copies=null", {"copies": None}),
    ("memo=null", {"memo": None}),
    ("memo=", {"memo": ""}),
    ("rest=12.10", {"rest": "12.10"}),
    ("amount=389.00", {}),
]


@pytest.mark.parametrize(("change", "kept"), SPELLINGS)
def test_a_value_runs_as_it_was_meant_however_it_is_spelled(
    desk: Desk, agent: Cli, change: str, kept: CallJson
) -> None:
    ran = agent("edit", "t:3", "--set", change)
    assert (ran.exit_code, read_changes(desk)) == (0, kept), ran.stderr
    for name, value in kept.items():
        assert (
            f"  - {name}: {json.dumps(CALL[name])}\n  + {name}: {json.dumps(value)}\n" in ran.stderr
        )


def test_all_arguments_are_given_as_json_and_what_is_left_out_is_its_default(
    desk: Desk, agent: Cli
) -> None:
    given = {name: value for name, value in WRITTEN.items() if name != "copies"}
    assert agent("edit", "t:3", "--json", json.dumps(given | {"amount": 1.5})).exit_code == 0
    assert read_changes(desk) == {"amount": "1.5", "copies": None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("sender=bob", "one of: amount, page, order, on, at, when, span, tags, note, from, copies"),
        ("copies=lots", "the edited call is not valid: pay.copies"),
        ("when=late", "the edited call is not valid: pay.when"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    desk: Desk, agent: Cli, change: str, problem: str
) -> None:
    ran = agent("edit", "t:3", "--set", change)
    assert (ran.exit_code, problem in ran.stderr) == (1, True), ran.stderr
    assert desk.thread().state.wait


def test_only_the_call_of_an_approval_is_edited(desk: Desk) -> None:
    desk.happened(make_message(), make_pause("question"))
    ran = desk.agent("edit", "t:2", "--set", "a=b")
    assert (ran.exit_code, ran.stderr.splitlines()[-1]) == (
        1,
        "agent: only the call of an approval can be edited, and this is a question",
    )


def ask(asked: Asked, *typed: str) -> tuple[Answer | None, Typist]:
    typist = Typist(*typed)
    return now(ask_answer(typist, asked)), typist


def test_an_edit_in_a_conversation_is_shown_as_it_would_run_and_then_approved(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    answer, typist = ask(asked, "e", "350", *[""] * 12, "y")
    assert typist.asked[1:3] == ['  amount ["389.00"]:', '  page ["https://a.example/"]:']
    assert typist.asked[-1] == "Approve this? [y/N]"
    assert '  - amount: "389.00"\n  + amount: "350"\n    page: ' in capsys.readouterr().err
    assert answer
    assert answer.call == CALL | {"amount": "350"}
    assert answer.digest not in ("", asked.wait.data["digest"])


def test_what_was_typed_before_the_last_form_was_shown_approves_nothing(asked: Asked) -> None:
    class Discards(Typist):
        def discard_typed(self) -> None:
            self.asked.append("(discarded)")

    typist = Discards("e", "350", *[""] * 12, "y")
    now(ask_answer(typist, asked))
    assert typist.asked[-2:] == ["(discarded)", "Approve this? [y/N]"]


@pytest.mark.parametrize("word", ["n", "", "what?"])
def test_an_edit_that_is_not_approved_leads_back_to_the_menu(asked: Asked, word: str) -> None:
    answer, typist = ask(asked, "e", "350", *[""] * 12, word, "r", "no")
    assert answer == Answer("reject", "no")
    assert typist.asked[-2].startswith("[a]pprove")


def test_a_conversation_offers_what_the_policy_offers(asked: Asked, desk: Desk) -> None:
    answer, typist = ask(asked, "t")
    assert typist.asked == ["[a]pprove, [e]dit, [r]eject, [t]hread, [l]ater:"]
    assert answer == Answer("approve", standing=True)


def test_an_edit_names_what_is_gone_and_what_is_new() -> None:
    before = {"intent": "x", "a": 1, "b": 2, "c": "\n"}
    assert write_edit(before, {"intent": "x", "b": 2, "c": "\u202e", "d": 4}) == [
        "  x",
        "    b: 2",
        '  - c: "\\n"',
        '  + c: "\\u202e"',
        "  + d: 4",
        "  - a: 1",
    ]
    assert write_edit(before, before)[-1] == "  Nothing changed."
