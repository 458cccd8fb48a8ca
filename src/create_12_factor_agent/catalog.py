"""The questions and the parts, as copier.yml has them, and the flags made from them.

Checks go further than Copier's, which drops an unknown choice of a list in silence.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import typer

from . import source
from .errors import UsageError

NONE = "none"
"""What stands for an empty list on the command line, and for the choice that is no part."""

SEEDS = frozenset({"sample"})
"""Questions about what the owner gets on the first day: what they bring is not a part."""

Answer = str | list[str]


@dataclass(frozen=True)
class Question:
    """One question of copier.yml that people may answer."""

    name: str
    help: str
    default: str
    """As people read it."""
    choices: Mapping[str, str]
    """What each is, in words; empty where any text will do."""
    several: bool
    """The answer is a list of choices."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The choices that can be added: all but `none`, and none of what comes only once."""
        if self.name in SEEDS:
            return ()
        return tuple(choice for choice in self.choices if choice != NONE)

    def parts_of(self, answer: Answer) -> list[str]:
        """Return the parts that an answer brings.

        Where one choice of several may be `none`, each includes those that come after it.
        """
        if isinstance(answer, list):
            return [*answer]
        if NONE not in self.choices:
            return [answer]
        return [*self.parts[self.parts.index(answer) :]] if answer in self.parts else []

    def check(self, given: object) -> Answer:
        """Return the answer as Copier wants it.

        Raises: UsageError on an unknown choice or a wrong type.
        """
        if self.several:
            return self._check_several(given)
        if not isinstance(given, str):
            raise UsageError(f"{self.name}: {given!r} is not a text.", "Give one text.")
        if self.choices and given not in self.choices:
            raise self._unknown(given)
        return given

    def flag(self, default: str = "") -> inspect.Parameter:
        """Return this question as a parameter of a Typer command, with the default that it has."""
        option = typer.Option(
            help=f"{self.help}. [default: {default or self.default}]",
            metavar="|".join(self._words()) or "TEXT",
            show_default=False,
            autocompletion=lambda: list(self._words()),
        )
        kind: Any = list[str] if self.several else str
        annotation = Annotated[kind | None, option]
        return inspect.Parameter(
            self.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
        )

    def _check_several(self, given: object) -> list[str]:
        items = [given] if isinstance(given, str) else given
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise UsageError(f"{self.name}: {given!r} is not a list of choices.", self._hint())
        chosen = {choice.strip() for item in items for choice in item.split(",")}
        if chosen == {NONE}:
            return []
        if NONE in chosen:
            raise UsageError(f"{self.name}: {NONE!r} excludes the others.", self._hint())
        for unknown in sorted(chosen.difference(self.choices)):
            raise self._unknown(unknown)
        return [choice for choice in self.choices if choice in chosen]

    def _unknown(self, given: str) -> UsageError:
        return UsageError(f"{self.name}: there is no {given!r}.", self._hint())

    def _hint(self) -> str:
        return f"Choose from: {', '.join(self._words())}."

    def _words(self) -> tuple[str, ...]:
        return (*self.choices, NONE) if self.several else (*self.choices,)


@cache
def questions(text: str = "") -> tuple[Question, ...]:
    """Read a copier.yml, this installation's own by default; computed values are no questions."""
    return tuple(
        _question(name, entry)
        for name, entry in _entries(text).items()
        if not name.startswith("_") and entry.get("when", True) is True
    )


def unasked() -> frozenset[str]:
    """Return the answers that a file may hold and that are never asked for."""
    return frozenset(name for name, entry in _entries("").items() if _is_conditional(entry))


def seeds(text: str) -> tuple[str, ...]:
    """Return the files and folders that a copier.yml leaves to the owner after the first day."""
    listing = next(entry for entry in _entries(text)["_exclude"] if "_copier_operation" in entry)
    return tuple(line[1:] for line in listing.splitlines() if line.startswith("/"))


def minimal() -> dict[str, Answer]:
    """Return the answers that leave out everything that can go."""
    answers: dict[str, Answer] = _entries("")["minimal"]["default"]
    return answers


def value(choice: str | dict[str, str]) -> str:
    """Return what stands for a choice; one that has a validator is written as a mapping."""
    return choice["value"] if isinstance(choice, dict) else choice


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag for each question, in the place of its `**flags`.

    A question that has no choice yet gets none.
    """
    return _with_flags(command, {})


def with_smallest_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the same flags, with the defaults of an agent in a project."""
    named = dict.fromkeys(("project_name", "description"), "the project's")
    return _with_flags(command, {**minimal(), **named})


def _with_flags(
    command: Callable[..., None], defaults: Mapping[str, Answer]
) -> Callable[..., None]:
    signature = inspect.signature(command)
    path, *fixed, _ = signature.parameters.values()
    asked = [one for one in questions() if one.choices or not one.several]
    flags = [one.flag(_shown(defaults.get(one.name, ""))) for one in asked]
    command.__signature__ = signature.replace(  # type: ignore[attr-defined] # inspect reads it
        parameters=[path, *flags, *fixed]
    )
    return command


def _shown(answer: Answer) -> str:
    return (",".join(answer) or NONE) if isinstance(answer, list) else answer


def _is_conditional(entry: object) -> bool:
    """Return whether an answer is stored under a condition: such a question is never asked."""
    return isinstance(entry, dict) and isinstance(entry.get("when"), str)


def _question(name: str, entry: dict[str, Any]) -> Question:
    default = _shown(entry["default"])
    return Question(
        name=name,
        help=entry["help"],
        default="the folder's name" if "{{" in default else default,
        choices={value(choice): label for label, choice in dict(entry.get("choices", ())).items()},
        several=entry.get("multiselect", False),
    )


def _entries(text: str) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries: dict[str, Any] = yaml.load(text or _own(), loader)  # noqa: S506 # the safe loader, in C where there is one
    return entries


def _own() -> str:
    return (source.folder() / "copier.yml").read_text("utf-8")
