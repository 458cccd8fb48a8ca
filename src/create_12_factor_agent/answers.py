"""What was answered, by flags or in a file, checked against the catalog.

Copier alone would ignore an unknown question in silence.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from . import catalog, source
from .catalog import Answer, questions
from .errors import UsageError


def check(given: Mapping[str, object]) -> dict[str, Answer]:
    """Return the answers as Copier wants them.

    Raises: UsageError on an unknown name, an unknown choice or a wrong type.
    """
    known = {question.name: question for question in questions()}
    for unknown in sorted(set(given).difference(known)):
        raise UsageError(f"There is no question {unknown!r}.", f"There are: {', '.join(known)}.")
    return {name: known[name].check(answer) for name, answer in given.items()}


def read(place: str) -> dict[str, object]:
    """Read answers from a JSON or YAML file, `-` for standard input.

    A `.copier-answers.yml` of this template will do.
    """
    import yaml

    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text("utf-8")
        answers = yaml.safe_load(text)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The answers cannot be read: {error}", "Name another file.") from error
    except yaml.YAMLError as error:
        problem = f"{place} is neither JSON nor YAML: {' '.join(str(error).split())}"
        raise UsageError(problem, "Correct it.") from error
    if not isinstance(answers, dict):
        raise UsageError(f"{place} holds no answers.", 'Write, for example: {"llm": ["openai"]}')
    if "_src_path" in answers and "project_name" not in answers:
        raise UsageError(f"{place} is for another template.", f"This one is {source.url()}")
    apart = catalog.unasked()
    return {
        name: answer
        for name, answer in answers.items()
        if not str(name).startswith("_") and name not in apart
    }
