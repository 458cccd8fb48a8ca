"""How `agent serve` and `agent worker` log: a line each to stderr, as text or as JSON.

Nothing that people, models or tools said is logged at level info. Control characters are replaced.
"""

import json
import logging
import sys
from datetime import UTC, datetime

from ..characters import clean
from ..log.errors import Misconfigured
from ..settings import optional

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
"""Fields that every record has."""


def set_up_logging() -> None:
    """Log to stderr in the format of `LOG_FORMAT`. Raises Misconfigured."""
    name = optional("LOG_FORMAT", "text").lower()
    if name not in ("text", "json"):
        raise Misconfigured(f"LOG_FORMAT={name!r} is not `text` or `json`")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if name == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for logger in ("agent", "uvicorn"):
        logging.getLogger(logger).setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").addFilter(_drop_query)


def _drop_query(record: logging.LogRecord) -> bool:
    """Drop what follows the path in a line about a request: people search for texts."""
    match record.args:
        case (client, method, str(target), *rest):
            record.args = (client, method, target.partition("?")[0], *rest)
    return True


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


class _Json(logging.Formatter):
    """Writes a record as one JSON object, with the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": at, "level": record.levelname.lower(), "logger": record.name}
        entry["message"] = clean(record.getMessage())
        more = {name: item for name, item in vars(record).items() if name not in _OWN}
        if record.exc_info:
            more["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry | more, default=str)
