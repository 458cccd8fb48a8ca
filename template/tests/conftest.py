"""What the tests of your agents and those of the engine share."""

import pytest

for port in ("llms", "runners", "stores"):
    pytest.register_assert_rewrite(f"{__package__}.engine.{port}.contract")
pytest.register_assert_rewrite(f"{__package__}.engine.llms.providers")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the agent does."""
    return "asyncio"
