import pytest

from create_12_factor_agent import changelog
from create_12_factor_agent.changelog import News

OLD = """# Changelog

What changes.

## 0.1.0

- First version,
  in two lines.
"""

NEW = """# Changelog

## Unreleased

- Faster.
- `store=sqlite`: Smaller.
- `extra=docker`: Not told.

### Behaviour

- `llm=openai`: Waits 60 s; `MODEL_TIMEOUT_S=120` restores what was.
- `llm=gemini`: Not told.

## 0.1.0

- First version, in
  two lines.
"""

ANSWERS = {"store": "sqlite", "llm": ["openai"], "extra": []}


def test_only_what_is_new_and_concerns_these_answers_is_told() -> None:
    assert changelog.news(OLD, NEW, ANSWERS) == News(
        changes=("Faster.", "Smaller."),
        behaviour=("Waits 60 s; `MODEL_TIMEOUT_S=120` restores what was.",),
    )


@pytest.mark.parametrize(("before", "after"), [(NEW, NEW), (NEW, OLD), ("", ""), (NEW, "")])
def test_nothing_new_is_nothing_told(before: str, after: str) -> None:
    assert changelog.news(before, after, ANSWERS) == News((), ())
