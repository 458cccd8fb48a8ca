"""What these tests need beside those of the project: to be left out of its own run.

Copy it and `__init__.py` to the folder of each agent of yours, and name that in pytest-agent.toml.
"""

import pytest

SETTINGS = "pytest-agent.toml"


def has_other_settings(config: pytest.Config) -> bool:
    return config.inipath is None or config.inipath.name != SETTINGS


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the folder out of every run that has other settings."""
    return True if has_other_settings(config) else None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say how it is run, if somebody named the folder."""
    return f"the agent's tests need: pytest -c {SETTINGS}" if has_other_settings(config) else None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the agent does."""
    return "asyncio"
