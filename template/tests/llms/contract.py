"""What every model promises; the test of each adapter inherits it."""

import asyncio

import pytest

from agent.ports import LLM, Reply

from .steps import PROMPT, SERVE, STEPS


class LLMContract:
    @pytest.fixture
    def llm(self) -> LLM:
        """A model that wants to serve, whatever it is asked."""
        raise NotImplementedError

    async def test_its_reply_is_read_as_one_step(self, llm: LLM) -> None:
        reply = await llm(PROMPT, STEPS.schema)

        assert isinstance(reply, Reply)
        assert reply.stop == "end"
        assert STEPS.read(reply.text) == SERVE

    async def test_it_says_which_model_answered(self, llm: LLM) -> None:
        assert (await llm(PROMPT, STEPS.schema)).model

    async def test_it_counts_tokens_under_the_agreed_names_only(self, llm: LLM) -> None:
        tokens = (await llm(PROMPT, STEPS.schema)).tokens

        assert set(tokens) <= {"input", "output", "cached"}
        assert all(type(count) is int and count >= 0 for count in tokens.values())
        assert tokens.get("cached", 0) <= tokens.get("input", 0)

    async def test_it_keeps_nothing_of_a_call_for_the_next(self, llm: LLM) -> None:
        first = await llm(PROMPT, STEPS.schema)

        both = await asyncio.gather(llm(PROMPT, STEPS.schema), llm(PROMPT, STEPS.schema))

        assert [reply.text for reply in both] == [first.text, first.text]

    async def test_it_leaves_the_schema_as_it_is(self, llm: LLM) -> None:
        before = repr(STEPS.schema)

        await llm(PROMPT, STEPS.schema)

        assert repr(STEPS.schema) == before
