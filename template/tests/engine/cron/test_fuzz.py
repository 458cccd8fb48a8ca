"""A file of schedules that was damaged or filled in wrongly."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from agent.engine.cron.schedules import read_schedules

from ..examples import given
from ..fuzz.mutation import mutate_toml, read_samples
from ..fuzz.test_files import check_file
from .test_schedules import PORTS

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def read() -> None:
    for schedule in read_schedules(PORTS):
        for tick in [*islice(schedule.generate_ticks(NOW), 3), *schedule.list_ticks(NOW)]:
            schedule.format_message(tick)


@given(mutate_toml(read_samples(Path(__file__).parent / "corpus", "schedules.toml")))
def test_any_file_of_schedules_is_read_or_refused_in_words(content: bytes) -> None:
    check_file("SCHEDULES_FILE", read, content)
