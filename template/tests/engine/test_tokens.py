"""Tokens are guessed well enough for every kind of text that agents read."""

import json
from hashlib import sha256

import pytest

from agent.engine.tokens import estimate_tokens

HASHES = [sha256(str(number).encode()).hexdigest() for number in range(20)]
PROSE = "The deployment service did not answer. Try again, or wait until somebody has a look? " * 5
COUNTED = {
    "prose": (PROSE, 91),
    "hexadecimal ids": ("\n".join(HASHES), 757),
    "records": (json.dumps([{"id": each[:7], "n": int(each[:4], 16)} for each in HASHES]), 328),
    "German": ("Die Überwachung meldet seit gestern Abend erhöhte Antwortzeiten. " * 5, 66),
    "Russian": ("Сервис развертывания не ответил. Попробовать ещё раз? " * 5, 81),
    "Chinese": ("部署服务没有响应。我们昨天把最新版本发布到了生产环境。" * 5, 75),
}
"""Texts, and their tokens in OpenAI's `o200k_base`."""


@pytest.mark.parametrize("case", COUNTED.values(), ids=COUNTED)
def test_an_estimate_is_near_what_is_counted(case: tuple[str, int]) -> None:
    text, counted = case
    assert 0.75 < estimate_tokens(text) / counted < 1.35
