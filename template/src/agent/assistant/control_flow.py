"""Factor 8: own your control flow. Yours: what happens when the model has said something.

Match on arguments where the policy depends on them; the first case that fits wins. A rule over
several calls reads `thread.results(Shape)`.
"""

from ..engine import Action, Ask, Finish, Run, Thread
from .tools import Answer, AskPerson, NextStep, ReadNote, read_note


def decide(step: NextStep, thread: Thread) -> Action:
    """Say what a step means. Pure: it may be asked again, with the thread as it was then."""
    match step:
        case Answer():
            return Finish(step.message)
        case AskPerson():
            return Ask(step.question)
        case ReadNote():
            return Run(read_note, effect="read")
