import pytest

from create_12_factor_agent import answers, catalog
from create_12_factor_agent.catalog import Question
from create_12_factor_agent.errors import UsageError

MANY = Question("tool", "Tools", "a", {"a": "A", "b": "B"}, several=True)
ONE = Question("size", "Size", "s", {"s": "S", "l": "L"}, several=False)
TEXT = Question("name", "Name", "me", {}, several=False)
STEPS = Question("web", "Web", "l", {"l": "L", "m": "M", "s": "S", "none": "N"}, several=False)


def test_the_questions_are_those_that_people_may_answer() -> None:
    names = [question.name for question in catalog.questions()]
    assert names == [
        "project_name", "description", "llm", "store", "runner", "web", "trigger", "sample",
        "extra",
    ]  # fmt: skip


def test_every_list_stays_a_list() -> None:
    several = {question.name for question in catalog.questions() if question.several}
    assert several == {"llm", "trigger", "extra"}


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (["b", "a"], ["a", "b"]),
        (["b,a"], ["a", "b"]),
        ("b", ["b"]),
        (["a", "a"], ["a"]),
        ([" a , b "], ["a", "b"]),
        ("none", []),
        (["none"], []),
        ([], []),
    ],
)
def test_a_list_may_be_written_in_any_way(given: object, answer: list[str]) -> None:
    assert MANY.check(given) == answer


@pytest.mark.parametrize("given", ["c", ["a", "c"], ["a", "none"], 1, [1], None, {"a": 1}, "a;b"])
def test_what_is_no_list_of_choices_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="tool") as error:
        MANY.check(given)
    assert "a, b, none" in error.value.hint


@pytest.mark.parametrize(("question", "given"), [(ONE, "s"), (TEXT, "anything"), (TEXT, "none")])
def test_one_text_is_one_text(question: Question, given: str) -> None:
    assert question.check(given) == given


@pytest.mark.parametrize(
    ("question", "given"), [(ONE, "none"), (ONE, "x"), (ONE, ["s"]), (TEXT, 1), (TEXT, None)]
)
def test_what_is_no_such_text_is_refused(question: Question, given: object) -> None:
    with pytest.raises(UsageError, match=question.name):
        question.check(given)


@pytest.mark.parametrize(
    ("question", "answer", "parts"),
    [
        (MANY, ["b"], ["b"]),
        (MANY, [], []),
        (ONE, "l", ["l"]),
        (STEPS, "l", ["l", "m", "s"]),
        (STEPS, "m", ["m", "s"]),
        (STEPS, "none", []),
    ],
)
def test_where_nothing_can_be_chosen_a_choice_includes_those_below_it(
    question: Question, answer: catalog.Answer, parts: list[str]
) -> None:
    assert question.parts_of(answer) == parts


def test_nothing_is_no_part() -> None:
    assert STEPS.parts == ("l", "m", "s")
    assert STEPS.check("none") == "none"


def test_the_minimal_answers_are_about_every_part() -> None:
    minimal = catalog.minimal()
    assert answers.check(minimal) == minimal
    assert minimal.keys() == {question.name for question in catalog.questions() if question.parts}


def test_an_unknown_question_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'colour'") as error:
        answers.check({"llm": [], "colour": "blue"})
    assert "project_name, description, llm" in error.value.hint


def test_computed_values_cannot_be_answered() -> None:
    for name in ("recreate", "reserved_names", "description_toml", "_commit"):
        with pytest.raises(UsageError):
            answers.check({name: "x"})
