"""Settings: the environment wins, and what is missing is named."""

from pathlib import Path

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.settings import load, optional, optional_model, required, required_model


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SOME_SETTING",):
        monkeypatch.setenv(name, "")  # so that it is put back whatever a test loads
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_env_file_of_the_working_folder_is_read(folder: Path) -> None:
    (folder / ".env").write_text("SOME_SETTING=from the file\n")
    assert optional("SOME_SETTING", "default") == "default"
    load()
    assert required("SOME_SETTING", "") == "from the file"


def test_the_environment_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("SOME_SETTING=from the file\n")
    monkeypatch.setenv("SOME_SETTING", "from the environment")
    load()
    assert optional("SOME_SETTING") == "from the environment"


@pytest.mark.parametrize(
    ("variables", "model"),
    [
        ({}, ""),
        ({"MODEL": "a:x"}, "a:x"),
        ({"MODEL": "a:x", "MODEL_ROLL_BACK": "b:y"}, "b:y"),
        ({"MODEL_ROLL_BACK": "b:y"}, "b:y"),
        ({"MODEL_DEPLOY": "b:y"}, ""),
    ],
)
def test_an_agent_has_a_model_of_its_own_or_that_of_all(
    variables: dict[str, str], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MODEL", "MODEL_ROLL_BACK", "MODEL_DEPLOY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert optional_model("roll-back") == model
    if model:
        assert required_model("roll-back") == model
    else:
        with pytest.raises(Misconfigured, match="MODEL is not set"):
            required_model("roll-back")


def test_no_env_file_is_no_error() -> None:
    load()


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_setting_that_is_missing_or_empty_is_named_with_a_hint(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("SOME_SETTING", value)
    assert optional("SOME_SETTING", "default") == "default"
    with pytest.raises(Misconfigured, match=r"^SOME_SETTING is not set\. Get one at"):
        required("SOME_SETTING", "Get one at example.org.")
