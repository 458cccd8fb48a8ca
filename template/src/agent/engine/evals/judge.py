"""The owner's judge: `judge(case, thread)` in `evals/<agent>/judge.py`."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from ..log.errors import Misconfigured
from ..log.thread import Thread
from ..loop.outcome import attempt
from .cases import Case, Judge

JUDGE_S = 300.0


def load_judge(path: Path) -> Judge | None:
    """Return the owner's function of that file, None without a file. Raises Misconfigured."""
    if not path.exists():
        return None
    spec = spec_from_file_location(f"evals.{path.parent.name}.judge", path)
    try:
        module = module_from_spec(spec)  # type: ignore[arg-type]  # of a .py file there is one
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        judge: Judge = module.judge
    except Exception as error:  # of the owner's file
        problem = f"{type(error).__name__}: {error}"
        raise Misconfigured(f"{str(path)!r} has no judge(case, thread): {problem}") from None
    return judge


async def ask_judge(case: Case, thread: Thread) -> str:
    """Return what the judge says is bad, "" if nothing is. Raises Misconfigured if it failed."""
    if case.judge is None:
        return ""
    outcome = await attempt(case.judge, case, thread, timeout_s=JUDGE_S)
    if outcome.error is not None or not isinstance(outcome.output, str | None):
        problem = outcome.error or f"it returned {outcome.output!r}, not a reason or None"
        raise Misconfigured(f"judge() failed: {problem}")
    return f"judge: {outcome.output}" if outcome.output else ""
