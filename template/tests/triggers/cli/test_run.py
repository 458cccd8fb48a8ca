import pytest

from agent.errors import Unavailable

from ...domain import chose, paused, said, types
from .conftest import Desk

LOOK = {"intent": "look", "at": "the sky"}
DONE = {"intent": "done", "message": "it is blue"}
CHARGE = {"intent": "charge", "amount": 500}


def test_steps_are_talk_and_the_last_word_is_the_result(desk: Desk) -> None:
    desk.says(LOOK, DONE)
    ran = desk.agent("run", "look", "up")
    assert (ran.exit_code, ran.stdout) == (0, "it is blue\n")
    assert 'look(at="the sky")' in ran.stderr
    assert "→ saw the sky" in ran.stderr
    assert desk.only().events[0].data["text"] == "look up"


def test_the_person_at_the_terminal_owns_the_thread(desk: Desk) -> None:
    desk.says(DONE)
    desk.agent("run", "hello")
    assert desk.only().state.owner == "ana"


def test_without_a_terminal_a_wait_ends_in_code_3_and_commands_that_work(desk: Desk) -> None:
    desk.says(CHARGE, DONE)
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
    desk.says(CHARGE)
    ran = desk.agent("run", "charge", "--model", "says:that")
    assert desk.built == ["says:that"]
    assert ran.stderr.rstrip().endswith("--model says:that")


def test_a_thread_goes_on_by_the_beginning_of_its_id(desk: Desk) -> None:
    desk.says(DONE, LOOK, DONE)
    desk.agent("run", "hello")
    thread = desk.only()
    assert desk.agent("run", "--thread", thread.id[:5], "and now?").exit_code == 0
    assert [each.data["text"] for each in desk.only().events if each.type == "message"] == [
        "hello",
        "and now?",
    ]


def test_a_finished_thread_without_a_message_says_its_last_word_again(desk: Desk) -> None:
    desk.says(DONE)
    desk.agent("run", "hello")
    ran = desk.agent("run", "--thread", desk.only().id)
    assert (ran.exit_code, ran.stdout) == (0, "it is blue\n")


def test_a_message_takes_the_place_of_an_approval(desk: Desk) -> None:
    desk.says(CHARGE, DONE)
    desk.agent("run", "charge")
    ran = desk.agent("run", "--thread", desk.only().id, "leave it")
    assert "takes the place of the open approval" in ran.stderr
    assert (ran.exit_code, desk.world.effects("charge")) == (0, [])


def test_a_message_during_doubt_is_kept_and_the_doubt_asked_first(desk: Desk) -> None:
    desk.happened(said(), chose("charge", amount=1), paused("in_doubt", call=CHARGE))
    ran = desk.agent("run", "--thread", "t", "well?")
    assert ran.exit_code == 3
    assert "Your message is kept" in ran.stderr
    assert "agent answer t:3 happened" in ran.stderr


def test_a_cancelled_thread_ends_in_code_1(desk: Desk) -> None:
    desk.happened(said(), paused("question"))
    desk.agent("cancel", "t", "--reason", "enough")
    ran = desk.agent("run", "--thread", "t")
    assert (ran.exit_code, ran.stdout) == (1, "Stopped: ana ended it.\n")


def test_an_outage_keeps_the_thread_and_says_how_to_go_on(desk: Desk) -> None:
    desk.says(Unavailable("the model answers 503"), DONE)
    ran = desk.agent("run", "hello")
    assert ran.exit_code == 1
    assert "agent: the model answers 503" in ran.stderr
    assert f"agent run --thread {desk.only().id[:8]}" in ran.stderr


def test_a_script_never_passes_for_a_model(desk: Desk) -> None:
    desk.says(DONE)
    assert "No model decides here" in desk.agent("run", "hi", "--model", "scripted:x").stderr


def test_what_others_do_to_the_thread_is_told(desk: Desk) -> None:
    async def interrupt() -> str:
        await desk.store.append(await desk.store.load("t"), said("me too", "bob"))
        return "never read"

    desk.happened(said())
    desk.says(interrupt, DONE)
    ran = desk.agent("run", "--thread", "t")
    assert "· bob said: me too" in ran.stderr
    assert "dropped a reply that a message overtook" in ran.stderr
    assert types(desk.thread())[-2:] == ["finished", "delivered"]


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


def test_without_a_model_it_says_where_to_name_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODEL")
    ran = desk.agent("run", "hi")
    assert ran.exit_code == 1
    assert ran.stderr == (
        "agent: MODEL is not set. Name one in .env or with --model; "
        "`agent demo` runs without one.\n"
    )
