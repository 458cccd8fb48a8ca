"""LangGraph with its SQLite checkpointer: a model node and a tool node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from harness import SYSTEM, URL, One, hello, look, measure
from langchain_core.messages import SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

LOOK: Any = tool(look)


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[One]:
    model = ChatOpenAI(model="local", base_url=URL, api_key="none").bind_tools([LOOK])

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": await model.ainvoke([SystemMessage(SYSTEM), *state["messages"]])}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_node("tools", ToolNode([LOOK]))
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", tools_condition)
    graph.add_edge("tools", "ask")
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        agent = graph.compile(checkpointer=saver)

        async def one(name: str, steps: int) -> None:
            said: Any = {"messages": [("user", hello(name, steps))]}
            config: Any = {"configurable": {"thread_id": name}, "recursion_limit": 10**6}
            await agent.ainvoke(said, config, durability="sync")

        yield one


measure(opened)
