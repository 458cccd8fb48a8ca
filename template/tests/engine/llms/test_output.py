"""The schema that is sent, and how replies are read: never wrongly, and as often as possible."""

import ast
import json
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import combinations, product
from typing import Any

import pytest

from agent.engine.llms.output import JsonSteps
from agent.engine.llms.schema import list_intents, make_portable
from agent.engine.log.errors import InvalidStep

from ..examples import given, st
from .contract import COOK, SEARCH, SERVE, STEPS, Serve, say

SCHEMA = {
    "type": "object",
    "properties": {
        "next_step": {
            "anyOf": [
                {"$ref": "#/$defs/Search"},
                {"$ref": "#/$defs/Cook"},
                {"$ref": "#/$defs/Serve"},
            ]
        }
    },
    "required": ["next_step"],
    "additionalProperties": False,
    "$defs": {
        "Cook": {
            "additionalProperties": False,
            "description": "Cook it.",
            "properties": {
                "intent": {"type": "string", "enum": ["cook"]},
                "main": {
                    "description": "What it is made of.",
                    "anyOf": [{"$ref": "#/$defs/Ingredient"}],
                },
                "others": {"items": {"$ref": "#/$defs/Ingredient"}, "type": "array"},
                "minutes": {"type": "integer"},
                "spice": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                "course": {"enum": ["first", "second"], "type": "string"},
                "vegan": {"type": "boolean"},
            },
            "required": ["intent", "main", "others", "minutes", "spice", "course", "vegan"],
            "type": "object",
        },
        "Ingredient": {
            "properties": {
                "title": {"type": "string"},
                "default": {"type": "integer", "description": "From 1 to 10. Default: 1."},
            },
            "required": ["title", "default"],
            "type": "object",
            "additionalProperties": False,
        },
        "Search": {
            "additionalProperties": False,
            "description": "Look a recipe up.",
            "properties": {
                "intent": {"type": "string", "enum": ["search"]},
                "title": {
                    "type": "string",
                    "description": "At least 1 character. Matches the regular expression `\\S`.",
                },
            },
            "required": ["intent", "title"],
            "type": "object",
        },
        "Serve": {
            "additionalProperties": False,
            "properties": {
                "intent": {"type": "string", "enum": ["serve"]},
                "message": {"type": "string"},
            },
            "required": ["intent", "message"],
            "type": "object",
        },
    },
}


def test_the_schema_is_unchanged() -> None:
    """`intent` is first, all fields are required, others forbidden, and all keywords portable."""
    assert json.dumps(STEPS.schema) == json.dumps(SCHEMA)


def test_a_tuple_becomes_a_list_of_either() -> None:
    pair = {"type": "array", "prefixItems": [{"type": "string"}, {"const": 1}], "minItems": 2}

    assert make_portable(pair) == {
        "type": "array",
        "items": {"anyOf": [{"type": "string"}, {"enum": [1]}]},
        "description": "Exactly 2 items, in this order: string, 1.",
    }


def test_the_root_is_an_object_even_for_a_single_step() -> None:
    one = JsonSteps(Serve)

    assert one.schema["type"] == "object"
    assert list_intents(one.schema) == ("serve",)
    assert one.read('{"next_step": {"intent": "serve", "message": "a"}}')["message"] == "a"


def test_the_intents_are_those_of_the_steps() -> None:
    assert list_intents(STEPS.schema) == ("search", "cook", "serve")


S = json.dumps(SEARCH)
V = json.dumps(SERVE)
WRAPPED = say(SEARCH)
SEARCH_ARGUMENTS = '{"title": "leek soup"}'

READ: dict[str, tuple[str, dict[str, Any]]] = {
    "as asked": (WRAPPED, SEARCH),
    "pretty": (json.dumps({"next_step": COOK}, indent=4), COOK),
    "white space around": (f"\n\t {WRAPPED}\r\n", SEARCH),
    "byte order mark": (f"\ufeff{WRAPPED}", SEARCH),
    "bare step": (S, SEARCH),
    "list of one": (f"[{S}]", SEARCH),
    "wrapped twice": (say({"next_step": SEARCH}), SEARCH),
    "reasons beside it": (json.dumps({"why": "it is {best}", "next_step": SEARCH}), SEARCH),
    "fence": (f"```json\n{WRAPPED}\n```", SEARCH),
    "fence without a language": (f"```\n{S}\n```", SEARCH),
    "fence that is not closed": (f"```json\n{WRAPPED}", SEARCH),
    "prose before": (f"Sure, here's my step: {WRAPPED}", SEARCH),
    "prose after": (f"{WRAPPED}\nLet me know, it's fun!", SEARCH),
    "prose with braces": (f"I fill {{title}} in: {WRAPPED}", SEARCH),
    "data in prose": (f'Having seen {{"found": ["leek soup"]}} I say {WRAPPED}', SEARCH),
    "said twice": (f"{S}\nAgain:\n```json\n{WRAPPED}\n```", SEARCH),
    "tag of a tool call": (f"<tool_call>\n{S}\n</tool_call>", SEARCH),
    "name and arguments": (f'{{"name": "search", "arguments": {SEARCH_ARGUMENTS}}}', SEARCH),
    "name and parameters": (f'{{"name": "search", "parameters": {SEARCH_ARGUMENTS}}}', SEARCH),
    "thinking": (f"<think>Hmm, {V}?</think>{WRAPPED}", SEARCH),
    "thinking, upper case": (f"<THINKING>{V}</THINKING>\n{WRAPPED}", SEARCH),
    "thinking opened in the prompt": (f"Maybe {V}.\n</think>\n{WRAPPED}", SEARCH),
    "thinking in thinking": (f"<think>a<think>b</think>{V}</think>{WRAPPED}", SEARCH),
    "thinking twice": (f"<think>{V}</think>x<think>{V}</think>{WRAPPED}", SEARCH),
    "reasoning": (f"<reasoning>{V}</reasoning>{WRAPPED}", SEARCH),
    "thinking in brackets": (f"[THINK]{V}[/THINK]{WRAPPED}", SEARCH),
    "channels": (
        f"<|channel|>analysis<|message|>{V}<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{WRAPPED}",
        SEARCH,
    ),
    "thinking that ends open": (f"<think>like {{so</think>{WRAPPED}", SEARCH),
    "trailing commas": ('{"next_step": {"intent": "search", "title": "leek soup",},}', SEARCH),
    "comma before a brace in a text": (
        '{"intent": "serve", "message": "a,}", }',
        {"intent": "serve", "message": "a,}"},
    ),
    "Python": ("{'next_step': {'intent': 'search', 'title': 'leek soup'}}", SEARCH),
    "Python's literals": ("I say " + str({"next_step": COOK}), COOK),
    "Python's quotes": (
        """{'intent': 'serve', 'message': "it's \\"so\\""}""",
        {"intent": "serve", "message": 'it\'s "so"'},
    ),
    "Python's text with a brace": (
        "{'intent': 'serve', 'message': '}'}",
        {"intent": "serve", "message": "}"},
    ),
    "an escaped apostrophe": (
        """{'intent': 'serve', 'message': 'it\\'s "so"'}""",
        {"intent": "serve", "message": 'it\'s "so"'},
    ),
    "comments": (
        '{"intent": "search", // to begin with\n"title": /* of it */ "leek soup", // last\n}',
        SEARCH,
    ),
    "a comment in a text": (
        '{"intent": "serve", "message": "http://a /* b */", }',
        {"intent": "serve", "message": "http://a /* b */"},
    ),
    "names without quotes": ('{intent: "search", title: "leek soup"}', SEARCH),
    "a line break in a text": (
        '{"intent": "serve", "message": "a\nb"}',
        {"intent": "serve", "message": "a\nb"},
    ),
    "casing of the intent": ('{"intent": " Search", "title": "leek soup"}', SEARCH),
    "a brace too many": (WRAPPED + "}", SEARCH),
    "a brace too many, later": (f"```\n{WRAPPED}\n}}}}\n```", SEARCH),
    "braces in a text": (
        'So: {"next_step": {"intent": "serve", "message": "}{ {\'intent\': 1}"}}.',
        {"intent": "serve", "message": "}{ {'intent': 1}"},
    ),
    "a tag in a text": (
        say({"intent": "serve", "message": "</think>"}),
        {"intent": "serve", "message": "</think>"},
    ),
    "escapes": (
        '{"intent": "serve", "message": "\\u00e9\\n\\\\"}',
        {"intent": "serve", "message": "é\n\\"},
    ),
    "JSON in a text": (json.dumps(WRAPPED), SEARCH),
    "a step in a text": (json.dumps({"next_step": S}), SEARCH),
    "arguments in a text": (
        json.dumps({"name": "search", "arguments": SEARCH_ARGUMENTS}),
        SEARCH,
    ),
    "typographic quotes": ("{“next_step”: {“intent”: “search”, “title”: “leek soup”}}", SEARCH),
    "an apostrophe in typographic quotes": (
        "{“intent”: “serve”, “message”: “it's done”}",
        {"intent": "serve", "message": "it's done"},
    ),
    "a number as text": (json.dumps({**COOK, "minutes": "25"}), COOK),
    "a whole number with a point": (json.dumps({**COOK, "minutes": 25.0}), COOK),
    "a whole number with a point, as text": (json.dumps({**COOK, "minutes": "25.0"}), COOK),
    "casing of a value": (json.dumps({**COOK, "course": "First"}), COOK),
    "an unknown field and none missing": (
        '{"intent": "serve", "message": "It is ready.", "confidence": 0.9}',
        SERVE,
    ),
    "an unknown field of a part": (
        json.dumps({**COOK, "main": {"title": "leek", "default": 2, "organic": True}}),
        COOK,
    ),
    "a part in a text": (json.dumps({**COOK, "main": json.dumps(COOK["main"])}), COOK),
    "wrapped a hundred times": (f"{'[' * 100}{S}{']' * 100}", SEARCH),
    "defaults left out": (
        json.dumps({k: v for k, v in COOK.items() if k not in ("others", "spice")}),
        {**COOK, "spice": None},
    ),
}

REFUSED = {
    "nothing": "",
    "prose": "I would search for leek soup.",
    "null": "null",
    "a list of nothing": "[]",
    "another object": '{"found": 3}',
    "unknown intent": '{"intent": "seek", "title": "a"}',
    "no intent": '{"next_step": {"title": "a"}}',
    "intent only in a text": 'x {"title": "my intent"}',
    "a field is missing": '{"intent": "search"}',
    "a field is unknown and another missing": '{"intent": "serve", "mesage": "a"}',
    "an optional field is misspelled": json.dumps(
        {("spices" if name == "spice" else name): value for name, value in COOK.items()}
    ),
    "a quoted step": f"I ignore this injected instruction: {V}",
    "a step that is refused": f"I will not run {V}",
    "a step in a question": f"Should I run this? {V}",
    "a quoted step in a fence": f"They wrote:\n```json\n{V}\n```",
    "a quoted call of a tool": (
        'The mail says {"name": "serve", "arguments": {"message": "a"}}, which I ignore.'
    ),
    "typographic quotes inside others": "{“intent”: “serve”, “message”: “say “hi” now”}",
    "a text of a text": json.dumps("I would search for leek soup with intent."),
    "a field of a part is unknown": json.dumps({**COOK, "main": {"title": "leek", "defualt": 2}}),
    "a rule only Pydantic knows": '{"intent": "search", "title": ""}',
    "true for a number": json.dumps({**COOK, "minutes": True}),
    "a fraction as text": json.dumps({**COOK, "minutes": "2.5"}),
    "a number in words": json.dumps({**COOK, "minutes": "25 min"}),
    "a number of another notation": json.dumps({**COOK, "minutes": "0x19"}),
    "a large number that is not exact": json.dumps({**COOK, "minutes": 1e300}),
    "a truth as text": json.dumps({**COOK, "vegan": "yes"}),
    "a fraction of a minute": json.dumps({**COOK, "minutes": 2.5}),
    "infinite": json.dumps(COOK).replace("0.5", "1e999"),
    "Infinity": json.dumps(COOK).replace("0.5", "Infinity"),
    "not a number": json.dumps(COOK).replace("0.5", "NaN"),
    "a value that is nearly right": json.dumps({**COOK, "course": "firsts"}),
    "two steps": f"{S} or {V}",
    "two steps in a list": f"[{S}, {V}]",
    "two steps in two fences": f"```json\n{S}\n```\n```json\n{V}\n```",
    "the next step twice": f'{{"next_step": {S}, "next_step": {V}}}',
    "a field twice": '{"intent": "search", "title": "a", "title": "b"}',
    "a step and a broken one": f'{S} or {{"intent": "serve", "message": "a" "b"}}',
    "a step and an invalid one": f'{S} or {{"intent": "serve"}}',
    "a step and one in capitals": f'{S} or {{"INTENT": "SERVE"}}',
    "a step and the form": f'{{"next_step": {{"intent": …}}}}: {S}',
    "a step and a call": f'{S} {{"name": "mail", "arguments": {{"to": "bob"}}}}',
    "two names of a step": '{"name": "cook", "arguments": {"intent": "serve", "message": ""}}',
    "a step and the start of another": f'{S} or {{"intent": "ser',
    "only in thinking": f"<think>{S}</think>",
    "in thinking that is not closed": f"<think>I could say {S}",
    "in brackets for thinking": f"[THINK]{S}",
    "in thinking in thinking": f"<think>a <think>b</think> {S}",
    "before thinking that is not closed": f"{S}<think>or {V}",
    "before thinking ends": f"{S}</think> nothing",
    "in a channel for thinking": f"<|channel|>analysis<|message|>{S}",
    "a step before and after thinking": f"{S}<think>hm</think>{V}",
    "thinking in the middle of a text": 'So {"intent": "search", "title": "a<think>b</think>c"}',
    "a tag in a text, and a step": (
        'So {"intent": "serve", "message": "<think></think> {\'intent\': \'search\', '
        "'title': 'a'}\"}"
    ),
    "the end of thinking in a text": (
        "So {\"intent\": \"serve\", \"message\": \"</think> {'intent': 'search', 'title': 'a'}\"}"
    ),
    "quotes in a text": '{"intent": "serve", "message": "say "hi" now"}',
    "a quote and a brace in a text": '{"intent": "serve", "message": "a"} b"}',
    "two texts side by side": '{"intent": "serve", "message": "a" "b"}',
    "two Python texts": "{'intent': 'serve', 'message': 'a' 'b'}",
    "an apostrophe that ends a text": "{'intent': 'serve', 'message': 'it's done'}",
    "quotes of another kind": f'{{"intent": "serve", "message": `a}} {S} `}}',
    "an expression": "{'intent': 'serve', 'message': 'a' + 'b'}",
    "a number with underscores": str(COOK).replace("25", "2_5"),
    "a slash escaped in Python": "{'intent': 'serve', 'message': 'a\\/b'}",
    "a quote and braces in a text": ('{"intent": "serve", "message": "a"} b {c \\"d\\", e"}'),
    "a brace, a quote and a tag in a text": '{"intent": "serve", "message": "a"}} <think>"}',
    "a comment that could be a part of a text": (
        '{\n"intent": "serve",\n"message": "see "// a" for more"\n}'
    ),
    "a comment that ends a text": '{"intent": "serve", "message": "a" // b"}',
    "not closed": WRAPPED[:-1],
    "cut in a text": '{"next_step": {"intent": "search", "title": "leek',
    "cut in a fence": '```json\n{"next_step": {"intent": "search", "title": "leek\n```',
    "half a character": '{"intent": "serve", "message": "\\ud800"}',
    "a character no store keeps": '{"intent": "serve", "message": "a\\u0000b"}',
    "a text too long to keep": say({"intent": "serve", "message": "a" * 100_001}),
    "too long": WRAPPED + " " * 1_000_001,
    "5 MB": say({"intent": "serve", "message": "a" * 5_000_000}),
    "5 MB of braces": "{" * 5_000_000,
    "slow to read, if read badly": "{" + "a" * 200_000 + " intent}",
    "too deep": '{"intent": ' * 100_000,
    "too deep by 10,000": '{"next_step":' * 10_000 + S + "}" * 10_000,
    "too deep, closed": "[" * 100_000 + "]" * 100_000,
}


@pytest.mark.parametrize(("text", "call"), READ.values(), ids=READ)
def test_a_reply_with_one_meaning_is_read(text: str, call: dict[str, Any]) -> None:
    assert STEPS.read(text) == call


@pytest.mark.parametrize("name", READ.keys() - {"thinking opened in the prompt"})
def test_a_cut_reply_is_never_read_as_another_step(name: str) -> None:
    """Thinking opened in the prompt is recognized by its end, so not if that is cut off.

    Then the loop relies on the provider, which says that the reply was cut.
    """
    text, call = READ[name]
    for end in range(len(text)):
        assert read_or_none(text[:end]) in (None, call)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_every_other_reply_is_refused_with_a_message_for_the_model(text: str) -> None:
    with pytest.raises(InvalidStep) as raised:
        STEPS.read(text)

    assert 5 < len(str(raised.value)) < 1200


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Hello.", "one of search, cook, serve"),
        ('{"intent": "seek"}', "'search', 'cook', 'serve'"),
        ('{"intent": "cook"}', "cook.minutes: Field required"),
        (f"{S}{V}", "more than one step"),
        ('{"intent": "search", "title": "a', "not closed"),
        ('{"intent": "serve", "message": "' + "a" * 100_001 + '"}', "too long"),
    ],
)
def test_the_refusal_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(InvalidStep) as raised:
        STEPS.read(text)

    assert problem in str(raised.value)


STEP = st.one_of(
    st.builds(lambda text: {**SERVE, "message": text}, st.text(max_size=30)),
    st.builds(lambda text: {**SEARCH, "title": "x" + text}, st.text("{}[]<>/'\"\\,:.ab ")),
    st.builds(lambda count: {**COOK, "minutes": count}, st.integers(0, 10**6)),
)
DRESS = st.sampled_from(
    [
        "{}",
        " {}\n",
        "```json\n{}\n```",
        "Here you are: {} That's it.",
        "<think>It's 5 > 4, or {{so}}.</think>{}",
        "<think>a<think>b</think></think>\n{}",
    ]
)
NOISE = st.text("{}[]<>/'\"\\,: \nintent|THINKthink-`seravm", max_size=40)


def read_or_none(text: str) -> dict[str, Any] | None:
    try:
        return STEPS.read(text)
    except InvalidStep:
        return None


@given(STEP, DRESS, st.booleans())
def test_a_reply_cut_anywhere_never_becomes_another_step(
    step: dict[str, Any], dress: str, wrapped: bool
) -> None:
    full = dress.format(say(step) if wrapped else json.dumps(step, ensure_ascii=False))
    meant = read_or_none(full)
    complete = full.rstrip().rstrip("`").rstrip().removesuffix("That's it.").rstrip()

    for end in range(len(full)):
        assert read_or_none(full[:end]) == (meant if end >= len(complete) else None)


HABITS: dict[str, Callable[[str], str]] = {
    "white space": lambda core: json.dumps(json.loads(core), indent=4),
    "Python": lambda core: repr(json.loads(core)),
    "trailing commas": lambda core: re.sub(r"(?=\}+$)", ",", core),
    "comments": lambda core: re.sub(r"^\{", "{ // so\n", core),
    "no quotes around names": lambda core: core.replace('"intent":', "intent:"),
    "casing": lambda core: re.sub('(?<="intent": ")[a-z]+', lambda word: word[0].upper(), core),
    "wrapped": '[{{"next_step": {}}}]'.format,
    "a fence": "```json\n{}\n```".format,
    "prose": "Let's see.\n{}\nThat's it!".format,
    "thinking": '<think>{{"intent": "cook"}}?</think>{}'.format,
}
"""What models do to a step, from the inside to the outside."""


def mix_habits(step: dict[str, Any], habits: Collection[str]) -> str:
    text = json.dumps(step)
    for habit, do in HABITS.items():
        text = do(text) if habit in habits else text
    return text


@given(STEP, st.sets(st.sampled_from([*HABITS])))
def test_any_mixture_of_bad_habits_is_read_correctly_or_not_at_all(
    step: dict[str, Any], habits: set[str]
) -> None:
    assert read_or_none(mix_habits(step, habits)) in (None, read_or_none(json.dumps(step)))


def test_most_mixtures_of_bad_habits_are_read() -> None:
    texts = [
        mix_habits(step, some)
        for count in (1, 2, 3)
        for some in combinations(HABITS, count)
        if "prose" not in some or "wrapped" in some
        for step in (SEARCH, COOK, SERVE)
    ]

    assert sum(read_or_none(text) is not None for text in texts) > 0.9 * len(texts)


@given(STEP, st.sampled_from([json.dumps, repr]), DRESS, st.data())
def test_a_damaged_step_is_never_read_as_another(
    step: dict[str, Any], spell: Callable[[Any], str], dress: str, data: st.DataObject
) -> None:
    core = spell(step)
    start = data.draw(st.integers(0, len(core)))
    end = data.draw(st.integers(start, min(start + 5, len(core))))
    core = core[:start] + data.draw(st.text("{}[],:\"'\\/ \n<1a", max_size=3)) + core[end:]

    found = read_or_none(dress.format(core))

    assert found in (None, read_or_none(json.dumps(step)), *read_loosely(core))


def read_loosely(core: str) -> Iterator[Any]:
    """Read it as JSON and Python do, from its first brace to its last.

    Extra commas and line breaks in texts are tolerated.
    """
    inside = core[core.find("{") : core.rfind("}") + 1]
    fewer = re.sub(r",(?=\s*[}\]])", "", inside)
    texts = (inside, inside.replace("\n", "\\n"), fewer, fewer.replace("\n", "\\n"))
    for load, text in product((json.loads, ast.literal_eval), texts):
        with suppress(ValueError, SyntaxError, TypeError):
            yield read_or_none(json.dumps(load(text)))


@given(STEP)
def test_a_step_that_was_read_is_written_the_same_again(step: dict[str, Any]) -> None:
    call = read_or_none(json.dumps(step))

    if call is not None:
        assert call == step
        assert STEPS.validate(call).model_dump(mode="json") == call


@given(STEP, NOISE, NOISE)
def test_noise_around_a_step_never_makes_another_step(
    step: dict[str, Any], before: str, after: str
) -> None:
    assert read_or_none(before + say(step) + after) in (None, read_or_none(say(step)))


@pytest.mark.parametrize("character", list("\"'{}\\"))
def test_an_unescaped_character_never_shortens_a_text(character: str) -> None:
    text = say({**SERVE, "message": 'about {this}, and "that"\'s the end'})

    for place in range(len(text)):
        damaged = text[:place] + character + text[place:]
        assert read_or_none(f"So: {damaged}") in (None, read_or_none(text), _read_intended(damaged))


def _read_intended(text: str) -> Any:
    """Read a text in which some characters are just one more character."""
    try:
        return json.loads(text)["next_step"]
    except (ValueError, KeyError):
        return None


@pytest.mark.parametrize(
    "call",
    [
        {**SERVE, "to": "bob"},
        {"intent": "gone"},
        {**COOK, "minutes": "25"},
    ],
)
def test_a_stored_call_that_no_longer_fits_is_refused(call: dict[str, Any]) -> None:
    with pytest.raises(InvalidStep):
        STEPS.validate(call)
