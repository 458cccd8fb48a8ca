"""Every command, run as from a script: without a terminal."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.engine.index import Worker
from agent.engine.log.errors import Unavailable
from agent.engine.log.events import Event, make_event

from ..conftest import Clock
from ..domain import (
    list_types,
    make_answer,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
)
from .conftest import Desk, now, piped

CALL = {"intent": "charge", "amount": 500}
LOOK = {"intent": "look", "at": "the sky"}
DONE = {"intent": "done", "message": "it is blue"}


EVERY = "run inbox approve reject edit answer threads show rate revoke fork cancel worker doctor"


def test_every_command_has_a_line_of_help(desk: Desk) -> None:
    shown = desk.agent("--help").stdout
    for name in EVERY.split():
        assert f"\n  {name} " in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_settings_are_read_from_the_env_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODEL")
    Path(".env").write_text("MODEL=says:from-the-file\n", "utf-8")
    desk.says({"intent": "done", "message": "bye"})
    assert desk.agent("run", "hi").exit_code == 0
    assert desk.built == ["says:from-the-file"]
    monkeypatch.delenv("MODEL")


@pytest.mark.parametrize("words", [("inbox",), ("threads",), ("show",)])
def test_what_does_not_think_needs_no_model(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("MODEL")
    desk.agent(*words)
    assert desk.built == [""]


def test_steps_are_talk_and_the_last_word_is_the_result(desk: Desk) -> None:
    desk.says(LOOK, DONE)
    ran = desk.agent("run", "look", "up")
    assert (ran.exit_code, ran.stdout) == (0, "it is blue\n")
    assert 'look(at="the sky")' in ran.stderr
    assert "→ saw the sky" in ran.stderr
    thread = desk.only()
    assert (thread.events[0].data["text"], thread.state.owner) == ("look up", "ana")


def test_without_a_terminal_a_wait_ends_in_code_3_and_commands_that_work(desk: Desk) -> None:
    desk.says(CALL, DONE)
    ran = desk.agent("run", "charge them")
    assert (ran.exit_code, ran.stdout) == (3, "")
    assert "amount: 500" in ran.stderr
    approve, go_on = (
        next(line.split() for line in ran.stderr.splitlines() if line.startswith(f"  agent {verb}"))
        for verb in ("approve", "run")
    )
    assert desk.agent(*approve[1:]).exit_code == 0
    went_on = desk.agent(*go_on[1:])
    assert (went_on.exit_code, went_on.stdout) == (0, "it is blue\n")
    assert desk.world.effects("charge") == ["500"]


def test_the_way_on_names_the_model_that_was_named(desk: Desk) -> None:
    desk.says(CALL)
    ran = desk.agent("run", "charge", "--model", "says:that")
    assert desk.built == ["says:that"]
    assert ran.stderr.rstrip().endswith("--model says:that")


def test_other_processes_are_named_and_their_model_is_the_one_that_decides(desk: Desk) -> None:
    worker = Worker("myhost:4711:ab12", {"test": "says:other"})
    now(desk.store.announce(worker, 60))
    desk.says(DONE)
    refused = desk.agent("run", "hi", "--model", "says:mine")
    assert (refused.exit_code, now(desk.store.threads())) == (1, [])
    assert refused.stderr == (
        "agent: process 4711 on myhost (says:other) runs the threads of this store and does not "
        "use 'says:mine'. Leave --model out, or stop that process first.\n"
    )
    said = desk.agent("run", "hi", "--model", "says:other")
    assert said.exit_code == 0
    assert "Also running threads of this store: process 4711 on myhost (says:other)." in said.stderr


def test_a_thread_goes_on_by_the_beginning_of_its_id(desk: Desk) -> None:
    desk.says(DONE, LOOK, DONE)
    desk.agent("run", "hello")
    thread = desk.only()
    assert desk.agent("run", "--thread", thread.id[:5], "and now?").exit_code == 0
    messages = [each.data["text"] for each in desk.only().events if each.type == "message"]
    assert messages == ["hello", "and now?"]
    again = desk.agent("run", "--thread", thread.id)  # says its last word again
    assert (again.exit_code, again.stdout) == (0, "it is blue\n")


def test_a_message_takes_the_place_of_an_approval(desk: Desk) -> None:
    desk.says(CALL, DONE)
    desk.agent("run", "charge")
    ran = desk.agent("run", "--thread", desk.only().id, "leave it")
    assert "A message withdraws the request: the agent reads it and decides again." in ran.stderr
    assert (ran.exit_code, desk.world.effects("charge")) == (0, [])


def test_a_message_during_doubt_is_kept_and_the_doubt_asked_first(desk: Desk) -> None:
    desk.happened(make_message(), make_step("charge", amount=1), make_pause("in_doubt", call=CALL))
    ran = desk.agent("run", "--thread", "t", "well?")
    assert ran.exit_code == 3
    assert "The agent reads a message once this is answered." in ran.stderr
    assert "agent answer t:3 happened" in ran.stderr


def test_an_outage_keeps_the_thread_and_says_how_to_go_on(desk: Desk) -> None:
    desk.says(Unavailable("the model answers 503"), DONE)
    ran = desk.agent("run", "hello")
    assert ran.exit_code == 1
    assert "agent: the model answers 503" in ran.stderr
    assert f"agent run --thread {desk.only().id[:8]}" in ran.stderr


def test_a_script_never_passes_for_a_model(desk: Desk) -> None:
    desk.says(DONE)
    assert (
        "A script decides here, not a model"
        in desk.agent("run", "hi", "--model", "scripted:x").stderr
    )


def test_what_others_do_to_the_thread_is_shown(desk: Desk) -> None:
    async def interrupt() -> str:
        await desk.store.append(await desk.store.load("t"), make_message("me too", "bob"))
        return "never read"

    desk.happened(make_message())
    desk.says(interrupt, DONE)
    ran = desk.agent("run", "--thread", "t")
    assert "· bob said: me too" in ran.stderr
    assert "discarded a reply because the thread changed meanwhile" in ran.stderr
    assert list_types(desk.thread())[-2:] == ["finished", "delivered"]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        ((), 2, "say what you want"),
        (("--thread", "nope"), 1, "no thread's id begins with 'nope'"),
        (("--nope",), 2, "No such option"),
    ],
)
def test_wrong_use_ends_in_one_plain_line(
    desk: Desk, words: tuple[str, ...], code: int, problem: str
) -> None:
    ran = desk.agent("run", *words)
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert problem in ran.stderr
    assert "Traceback" not in ran.stderr


# Several agents.


def test_a_task_is_for_the_agent_that_is_named(several: Desk) -> None:
    several.says({"intent": "done", "message": "bye"})
    assert several.agent("run", "hi", "--agent", "second").exit_code == 0
    (row,) = now(several.store.threads())
    thread = several.thread(row.id)
    assert thread.state.agent == "second"
    assert "second" in several.agent("threads").stdout
    assert "(second)" in several.agent("show").stderr
    again = several.agent("run", "more", "--thread", row.id, "--agent", "test")
    assert (again.exit_code, several.thread(row.id)) == (1, thread)
    assert "the thread is 'second''s, not 'test''s" in again.stderr


def test_an_unknown_agent_starts_nothing(several: Desk) -> None:
    ran = several.agent("run", "hi", "--agent", "third")
    assert (ran.exit_code, now(several.store.threads())) == (1, [])
    assert "there is no agent 'third' in app.py: test, second" in ran.stderr


def test_a_thread_whose_agent_is_gone_says_so(desk: Desk) -> None:
    desk.happened(make_message("hi", agent="second"))
    assert "stalled: no agent 'second'" in desk.agent("threads").stdout
    ran = desk.agent("run", "--thread", "t")
    assert ran.exit_code == 1
    assert "there is no agent 'second' in app.py: test" in ran.stderr


def test_without_a_model_it_says_where_to_name_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODEL")
    ran = desk.agent("run", "hi")
    assert ran.exit_code == 1
    assert ran.stderr == (
        "agent: MODEL is not set. Set it in .env, as openai:<name>, or use --model.\n"
    )


@pytest.fixture
def waiting(desk: Desk) -> Desk:
    """Thread `t` waits at 3 for `ana` to allow a charge."""
    desk.happened(
        make_message(), make_step("charge", amount=500), make_pause("approval", call=CALL)
    )
    return desk


def test_an_approval_shows_the_call_and_is_recorded(waiting: Desk) -> None:
    ran = waiting.agent("approve", "t:3", "--comment", "fine")
    assert ran.exit_code == 0
    assert "amount: 500" in ran.stderr
    assert "Recorded: approve by ana." in ran.stderr
    answer = waiting.thread().events[-1]
    assert (answer.actor, answer.key) == ("ana", "answer:3")
    assert (answer.data["verdict"], answer.data["text"]) == ("approve", "fine")


def test_the_thread_alone_names_the_wait_that_is_open(waiting: Desk) -> None:
    assert waiting.agent("reject", "t", "too", "much").exit_code == 0
    assert waiting.thread().events[-1].data == {"wait": 3, "verdict": "reject", "text": "too much"}


@pytest.mark.parametrize("words", [("--set", "amount=90"), ("--json", '{"amount": 90}')])
def test_an_edit_replaces_the_arguments(waiting: Desk, words: tuple[str, ...]) -> None:
    ran = waiting.agent("edit", "t:3", *words)
    assert "With the changes:\n  charge\n  - amount: 500\n  + amount: 90\n" in ran.stderr
    assert waiting.thread().events[-1].data["call"] == {"intent": "charge", "amount": 90}


def question(**options: Any) -> Event:
    return make_pause("question", options=options)


@pytest.mark.parametrize(
    ("wait", "words", "verdict", "text"),
    [
        (question(), ["two", "words"], "answer", "two words"),
        (question(), ["2"], "answer", "2"),
        (question(format="yes_no"), ["y"], "answer", "yes"),
        (question(format="yes_no"), ["perhaps"], "answer", "perhaps"),
        (question(format="multiple_choice", choices=["a", "b"]), ["2"], "answer", "b"),
        (question(format="multiple_choice", choices=["a", "b"]), ["3"], "answer", "3"),
        (question(format="multiple_choice", choices=["2", "1"]), ["2"], "answer", "2"),
        (make_pause("limit"), ["continue"], "continue", ""),
        (make_pause("limit"), ["stop", "it's", "late"], "stop", "it's late"),
        (make_pause("in_doubt", call=CALL), ["happened"], "happened", ""),
        (make_pause("job"), ["done", "12", "rows"], "done", "12 rows"),
        (make_pause("timer"), ["done"], "done", ""),
    ],
)
def test_everything_else_is_answered_in_words(
    desk: Desk, wait: Event, words: list[str], verdict: str, text: str
) -> None:
    desk.happened(make_message(), make_step("charge", amount=500), wait)
    assert desk.agent("answer", "t:3", *words).exit_code == 0
    assert desk.thread().events[-1].data == {"wait": 3, "verdict": verdict, "text": text}


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("approve", "nope"), 1, "no thread's id begins with 'nope'; `agent threads` lists them"),
        (("approve", "t:2"), 1, "'t:2' is not waiting for an answer; the open wait is t:3"),
        (("approve", "t:x"), 1, "'t:x' is not waiting for an answer"),
        (("answer", "t:3", "yes"), 1, "an approval is answered with agent approve t:3 or"),
        (("reject", "t:3"), 2, "Missing argument"),
        (("edit", "t:3"), 2, "say what to change"),
        (("edit", "t:3", "--set", "amount=lots"), 1, "the edited call is not valid: charge.amount"),
        (("edit", "t:3", "--set", "intent=put"), 1, "one of: amount; not 'intent=put'"),
        (("edit", "t:3", "--set", "amount"), 1, "--set takes NAME=VALUE for one of: amount"),
        (("edit", "t:3", "--json", "[1]"), 1, "--json takes one JSON object"),
        (("edit", "t:3", "--json", "{"), 1, "--json takes one JSON object"),
        (("edit", "t:3", "--json", '{"intent": "put", "value": "x"}'), 1, "nothing else"),
    ],
)
def test_a_mistake_ends_in_one_plain_line_and_the_wait_stays_open(
    waiting: Desk, words: tuple[str, ...], code: int, problem: str
) -> None:
    ran = waiting.agent(*words)
    assert ran.exit_code == code
    assert problem in ran.stderr
    assert waiting.thread().state.wait


def test_who_was_slower_reads_who_was_first(waiting: Desk) -> None:
    waiting.happened(
        make_message(),
        make_step("charge", amount=500),
        make_pause("approval", call=CALL),
        make_answer(3, "reject", "bob"),
        make_step("charge", amount=900),
        make_pause("approval", call=CALL | {"amount": 900}),
        make_answer(6, "approve", "eve"),
        thread_id="u",
    )
    ran = waiting.agent("approve", "u:3")
    assert (ran.exit_code, ran.stderr) == (1, "agent: already closed: reject by bob\n")


def test_only_who_is_asked_may_answer(waiting: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_USER", "bob")
    ran = waiting.agent("approve", "t:3")
    assert (ran.exit_code, "cli:bob is not asked; ana may answer" in ran.stderr) == (1, True)


def test_the_beginning_of_two_ids_names_none(desk: Desk) -> None:
    desk.happened(make_message(), thread_id="abc1")
    desk.happened(make_message(), thread_id="abc2")
    ran = desk.agent("approve", "abc")
    assert (ran.exit_code, "several threads begin with 'abc': abc" in ran.stderr) == (1, True)


def test_it_says_when_nobody_goes_on_with_the_thread(waiting: Desk) -> None:
    ran = waiting.agent("approve", "t:3")
    assert (
        "No process runs this thread. Continue it: agent run --thread t, or agent worker"
        in ran.stderr
    )


def test_it_is_silent_where_somebody_goes_on(
    waiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.engine.cli.answers.PATIENCE_S", 0.1)
    assert now(waiting.store.claim("a worker", 15, "t"))
    assert "No process" not in waiting.agent("approve", "t:3").stderr


def test_after_a_verdict_that_leaves_nothing_to_do_nobody_is_missed(desk: Desk) -> None:
    desk.happened(make_message(), make_pause("limit"))
    assert "No process" not in desk.agent("answer", "t:2", "stop").stderr


def test_the_inbox_says_what_waits_for_whom_since_when_and_how_to_answer(
    desk: Desk, clock: Clock
) -> None:
    soon = (datetime.fromtimestamp(clock(), UTC) + timedelta(minutes=42)).isoformat()
    desk.happened(
        make_message(),
        make_step("charge", amount=500),
        make_pause("approval", call=CALL, expires_at=soon),
    )
    clock.tick(300)
    ran = desk.agent("inbox")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == (
        "t:3  5 min ago  Approval: approval?\n"
        "    charge\n"
        "      amount: 500\n"
        "    May answer: you\n"
        "    Until: in 37 min\n"
        "    agent approve t:3\n"
        "    agent reject t:3 'REASON'\n"
        "    agent edit t:3 --set NAME=VALUE  # NAME: amount\n\n"
    )


def test_what_waits_for_others_is_shown_without_commands(desk: Desk) -> None:
    options = {"urgency": "high", "format": "multiple_choice", "choices": ["red", "blue"]}
    desk.happened(make_message(), make_pause("question", "bob", "cli:eve", options=options))
    ran = desk.agent("inbox")
    assert "Question: question?\n    1. red\n    2. blue\n" in ran.stdout
    assert "    May answer: bob or cli:eve\n    Urgency: high\n" in ran.stdout
    assert "agent answer" not in ran.stdout


def test_what_waits_longest_comes_first(desk: Desk, clock: Clock) -> None:
    desk.happened(make_message(), make_pause("question"), thread_id="older")
    clock.tick(60)
    desk.happened(make_message(), make_pause("question"), thread_id="newer")
    shown = desk.agent("inbox").stdout
    assert shown.index("older:2") < shown.index("newer:2")


def test_a_broken_people_file_is_named(desk: Desk) -> None:
    Path("people.toml").write_text("[ana", "utf-8")
    ran = desk.agent("inbox")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("agent: people.toml is not valid TOML")
    assert "The file is 'people.toml'." in ran.stderr


def test_threads_are_listed_last_changed_first(desk: Desk, clock: Clock) -> None:
    desk.happened(
        make_message("the first"), make_pause("in_doubt", call=CALL), thread_id="first-of-all"
    )
    clock.tick(120)
    desk.happened(make_message("the second", "bob"), thread_id="second")
    ran = desk.agent("threads")
    assert ran.stdout == (
        "ID        STATUS           CHANGED    FROM  ABOUT\n"
        "second    stalled          just now   bob   the second\n"
        "first-of  waits: in doubt  2 min ago  ana   the first\n"
    )


@pytest.mark.parametrize("command", ["threads", "inbox"])
def test_a_list_reads_no_thread(desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.happened(make_message(), make_pause("question"))

    async def load(_: str) -> None:
        raise AssertionError("it would cost as much as the threads are long")

    monkeypatch.setattr(desk.store, "load", load)
    assert desk.agent(command).exit_code == 0


def test_what_a_thread_cannot_go_on_for_is_listed_and_shown(desk: Desk, clock: Clock) -> None:
    thread = desk.happened(make_message())
    now(desk.store.claim("me", 30, "t"))
    later = now(desk.store.now()) + timedelta(seconds=50)
    now(desk.store.release("me", thread, later, 1, "the model is away\x1b[2J"))
    (row,) = desk.agent("threads").stdout.splitlines()[1:]
    assert row.split()[:2] == ["t", "retries"]
    assert "the model is away" in row
    head = desk.agent("show", "t").stderr
    assert "Problem: the model is away\\x1b[2J" in head
    assert "Next try: in 50 s." in head


def test_a_fork_prints_its_id_and_how_to_go_on(desk: Desk) -> None:
    desk.happened(make_message(), make_message("more"), make_event("finished", message="bye"))
    ran = desk.agent("fork", "t", "--at", "2")
    forked = desk.thread(ran.stdout.strip())
    assert [each.type for each in forked.events] == ["message", "message", "forked"]
    assert f"agent run --thread {forked.id[:8]}" in ran.stderr


def test_cancelling_is_said_by_whom_and_why_and_the_thread_ends_in_code_1(desk: Desk) -> None:
    desk.happened(make_message(), make_pause("question"))
    assert desk.agent("cancel", "t", "--reason", "enough").stderr == "Cancelled t.\n"
    last = desk.thread().events[-1]
    assert (last.type, last.actor, last.data) == ("cancelled", "ana", {"reason": "enough"})
    ran = desk.agent("run", "--thread", "t")
    assert (ran.exit_code, ran.stdout) == (1, "Cancelled by ana.\n")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("fork", "t", "--at", "9"), "9 is not one of the events 1 to 2"),
        (("fork", "nope", "--at", "1"), "no thread's id begins with 'nope'"),
        (("cancel", "t"), "the thread is finished already"),
        (("show", "nope"), "no thread's id begins with 'nope'"),
    ],
)
def test_a_thread_that_is_not_there_or_over_ends_in_one_plain_line(
    desk: Desk, words: tuple[str, ...], problem: str
) -> None:
    desk.happened(make_message(), make_event("finished", message="bye"))
    ran = desk.agent(*words)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("agent: ")
    assert problem in ran.stderr


def test_the_log_is_one_line_an_event(desk: Desk) -> None:
    desk.happened(
        make_message("hi\nthere"),
        make_step("look", at="x"),
        make_start(2),
        make_result(2, {"sky": "blue"}),
    )
    ran = desk.agent("show", "t")
    assert [" ".join(line.split()[1:]) for line in ran.stdout.splitlines()] == [
        "WHEN WHO WHAT",
        "just now ana said: hi there",
        'just now agent chose look(at="x")',
        "just now agent started look",
        'just now look returned: {"sky": "blue"}',
    ]
    assert ran.stderr == "Thread t: stalled; tokens: 10 in, 5 out\n\n"


@pytest.mark.parametrize(
    ("words", "numbers", "earlier"),
    [
        ((), range(151, 251), "150 earlier events: agent show t --before 151\n"),
        (("--before", "151"), range(51, 151), "50 earlier events: agent show t --before 51\n"),
        (("--before", "51"), range(1, 51), ""),
        (("--limit", "1"), range(250, 251), "249 earlier events: agent show t --before 250\n"),
        (("--limit", "1000"), range(1, 251), ""),
        (("--before", "2"), range(1, 2), ""),
        (("--before", "9999"), range(151, 251), "150 earlier events"),
    ],
)
def test_a_long_log_is_shown_in_parts(
    desk: Desk, words: tuple[str, ...], numbers: range, earlier: str
) -> None:
    desk.happened(*(make_message(str(number)) for number in range(250)))
    ran = desk.agent("show", "t", *words)
    shown = [line.split()[0] for line in ran.stdout.splitlines()[1:]]
    assert shown == [str(number) for number in numbers]
    assert ("earlier events" in ran.stderr) == bool(earlier)
    assert earlier in ran.stderr
    assert len(desk.agent("show", "t", "--json").stdout.splitlines()) == 250


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("inbox", "Nothing waits for an answer.\n"),
        ("threads", "There are no threads yet. Start one with: agent run TEXT\n"),
        ("show", "agent: there are no threads yet; start one with: agent run TEXT\n"),
    ],
)
def test_nothing_is_there_and_that_is_said(desk: Desk, words: str, problem: str) -> None:
    ran = desk.agent(words)
    assert (ran.stdout, ran.stderr) == ("", problem)


def test_no_id_means_the_thread_that_changed_last_and_its_wait_is_shown_with_the_way_to_answer(
    desk: Desk,
) -> None:
    desk.happened(make_message("only one"), make_pause("question"))
    ran = desk.agent("show")
    assert "only one" in ran.stdout
    assert ran.stderr.endswith("agent answer t:2 'TEXT'\n")


def test_as_json_every_event_is_complete_and_on_a_line(desk: Desk) -> None:
    thread = desk.happened(make_message("caf\u00e9\n\x1b[2J"), make_pause("question"))
    ran = desk.agent("show", "t", "--json")
    assert ran.stdout.isascii()
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["data"] for line in lines] == [each.data for each in thread.events]
    assert lines[0].keys() == {"seq", "type", "at", "actor", "key", "data"}


def test_help_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    code = (
        "import sys; from tests.engine.cli.test_terminal import build, run_command_line\n"
        "try: run_command_line(build)\n"
        "finally: print({'rich', 'openai', 'fastapi', 'uvicorn', 'httpx'} & {*sys.modules})"
    )
    ran = piped(tmp_path, "--help", command=(sys.executable, "-c", code))
    assert ran.stdout.endswith("set()\n")
