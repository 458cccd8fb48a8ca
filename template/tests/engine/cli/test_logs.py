"""What a server or a worker logs, and how."""

import json
import logging

import pytest

from agent.engine.cli.logs import set_up_logging
from agent.engine.log.errors import Misconfigured

log = logging.getLogger("agent.engine.somewhere")


def test_a_line_is_text_without_what_a_terminal_would_obey(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    set_up_logging()
    log.info("it is %s", "done\x1b[31m\nreally")
    logging.getLogger("other").info("nobody asked")
    (line,) = capsys.readouterr().err.splitlines()[:1]
    assert line.endswith("INFO it is done\\x1b[31m")


def test_as_json_a_line_is_an_object_with_its_fields(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    set_up_logging()
    log.warning("it is %s\nreally", "done", extra={"thread_id": "t", "tokens": {"input": 3}})
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("oh")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "warning",
        "logger": "agent.engine.somewhere",
        "message": "it is done\nreally",
        "thread_id": "t",
        "tokens": {"input": 3},
    }
    assert second["traceback"].endswith("ValueError: broken")


def test_what_people_search_for_is_not_logged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    set_up_logging()
    line = '%s - "%s %s HTTP/%s" %d'
    access = logging.getLogger("uvicorn.access")
    access.info(line, "1.2.3.4:5", "GET", "/threads?text=layoffs", "1.1", 200)
    said = capsys.readouterr().err
    assert '"GET /threads HTTP/1.1" 200' in said
    assert "layoffs" not in said


def test_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(Misconfigured, match="LOG_FORMAT='xml' is not `text` or `json`"):
        set_up_logging()
