"""How trials look in a terminal, and as JSON: side by side, and beside those before."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..characters import clean
from ..evals.trials import Key, Totals, Trial
from ..prices import Prices
from .format import mark_lines
from .screen import Screen

HEAD = ("MODEL", "PASSED", "CALLS", "INPUT", "OUTPUT", "COST", "LATENCY")
_MARKS = {"pass": "pass", "fail": "FAIL", "error": "ERROR"}


def write_trials(
    screen: Screen, trials: list[Trial], before: Mapping[Key, Trial], prices: Prices
) -> None:
    """Print each model's totals, the cases side by side, why some failed, and what changed."""
    models = group_by_model(trials)
    rows = [_make_row(model, Totals.of(own, prices)) for model, own in models.items()]
    screen.table(HEAD, rows)
    if len(models) > 1:
        screen.write("")
        _write_matrix(screen, trials, list(models))
    for trial in trials:
        if trial.verdict != "pass":
            start = f"{_MARKS[trial.verdict]} {trial.model}, {_name(trial, trials)}: "
            screen.show(["", *mark_lines(clean(start), clean(trial.reason))], result=True)
    for model, own in models.items():
        if lines := _describe_change(own, before, prices):
            head = f"{model}, compared with the last time:"
            screen.show(["", clean(head), *(f"  {clean(line)}" for line in lines)], result=True)


def format_json(trials: list[Trial], before: Mapping[Key, Trial], prices: Prices) -> dict[str, Any]:
    """Return the same as JSON."""
    return {
        "passed": all(trial.verdict == "pass" for trial in trials),
        "models": [
            {"model": model, **_as_json(Totals.of(own, prices))}
            for model, own in group_by_model(trials).items()
        ],
        "trials": [asdict(trial) for trial in trials],
        "changed": [
            {"agent": trial.agent, "case": trial.case, "model": trial.model}
            | {"before": before[trial.key].verdict, "now": trial.verdict}
            for trial in _list_changed(trials, before)
        ],
    }


def format_progress(trial: Trial, number: int, of: int) -> str:
    """Return a line about one trial that ended."""
    seconds = [call.seconds for call in trial.calls if call.seconds is not None]
    took = f" ({sum(seconds):.1f} s)" if seconds else ""
    return f"{number}/{of} {trial.model}, {trial.case}: {_MARKS[trial.verdict]}{took}"


def group_by_model(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    models: dict[str, list[Trial]] = {}
    for trial in trials:
        models.setdefault(trial.model, []).append(trial)
    return models


def _make_row(model: str, totals: Totals) -> tuple[str, ...]:
    bill, share = totals.bill, totals.passed / totals.trials
    tokens = (f"{bill.tokens[kind]:,}" for kind in ("input", "output"))
    passed = f"{totals.passed} of {totals.trials} ({share:.0%})"
    return model, passed, f"{bill.calls:,}", *tokens, _format_cost(totals), _format_latency(totals)


def _write_matrix(screen: Screen, trials: list[Trial], models: list[str]) -> None:
    cases: dict[str, dict[str, str]] = {}
    for trial in trials:
        cases.setdefault(_name(trial, trials), {})[trial.model] = _MARKS[trial.verdict]
    rows = [(name, *(marks.get(model, "") for model in models)) for name, marks in cases.items()]
    screen.table(("CASE", *models), rows)


def _name(trial: Trial, trials: Iterable[Trial]) -> str:
    """Return the name of a case, with its agent if there are several."""
    several = len({other.agent for other in trials}) > 1
    return f"{trial.agent}/{trial.case}" if several else trial.case


def _list_changed(trials: Iterable[Trial], before: Mapping[Key, Trial]) -> list[Trial]:
    known = (trial for trial in trials if trial.key in before)
    return [trial for trial in known if trial.verdict != before[trial.key].verdict]


def _describe_change(trials: list[Trial], before: Mapping[Key, Trial], prices: Prices) -> list[str]:
    both = [trial for trial in trials if trial.key in before]
    if not both:
        return []
    lines = []
    for trial in _list_changed(both, before):
        was = _MARKS[before[trial.key].verdict]
        lines.append(f"{_name(trial, trials)}: {was} -> {_MARKS[trial.verdict]}")
    old, new = Totals.of((before[each.key] for each in both), prices), Totals.of(both, prices)
    pairs = [
        (f"{_count_tokens(totals):,} tokens", _format_cost(totals), _format_latency(totals))
        for totals in (old, new)
    ]
    lines.append("; ".join(f"{was} -> {now}" for was, now in zip(*pairs, strict=True)))
    return lines if len(lines) > 1 else ["no verdict changed", *lines]


def _count_tokens(totals: Totals) -> int:
    return totals.bill.tokens["input"] + totals.bill.tokens["output"]


def _format_cost(totals: Totals) -> str:
    return str(totals.bill) or "unknown"


def _format_latency(totals: Totals) -> str:
    return "-" if totals.latency_s is None else f"{totals.latency_s:.1f} s"


def _as_json(totals: Totals) -> dict[str, Any]:
    bill = totals.bill
    return {
        "passed": totals.passed,
        "trials": totals.trials,
        "calls": bill.calls,
        "tokens": dict(bill.tokens),
        "cost": dict(bill.amounts),
        "calls_without_price": bill.unknown,
        "latency_s": totals.latency_s,
    }
