"""A LangGraph of one node that appends one message a step, until there are 1,000.

`<a Python that has LangGraph> capacity_langgraph.py postgres|sqlite <url|folder> list|delta`
prints what was written as a line of JSON. `list` is the usual channel, kept whole at each step;
`delta` is LangGraph's `DeltaChannel`, which keeps what was added and now and then the whole.
"""

import json
import operator
import sys
from typing import Annotated, Any, TypedDict

from capacity_meter import STEPS, Files, Wal, payload
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph


def added(state: list[Any], writes: Any) -> list[Any]:
    return [*state, *(message for write in writes for message in write)]


class Whole(TypedDict):
    messages: Annotated[list[Any], operator.add]


class Delta(TypedDict):
    messages: Annotated[list[Any], DeltaChannel(added)]


def main(store: str, place: str, kind: str) -> None:
    meter = Wal(place) if store == "postgres" else Files(place)
    saver: Any = PostgresSaver if store == "postgres" else SqliteSaver
    with saver.from_conn_string(place if store == "postgres" else f"{place}/threads.db") as saver:
        saver.setup()
        growth = meter.begin()

        def look(state: Any) -> Any:
            growth.step()
            at = len(state["messages"]) + 1
            call = {"intent": "look", "at": f"place {at}"}
            return {"messages": [{"call": call, "output": payload(at)}]}

        graph: Any = StateGraph(Whole if kind == "list" else Delta)
        graph.add_node("look", look)
        graph.add_edge(START, "look")
        graph.add_conditional_edges(
            "look", lambda state: END if len(state["messages"]) >= STEPS else "look"
        )
        how = {"configurable": {"thread_id": "t"}, "recursion_limit": 2 * STEPS}
        compiled = graph.compile(checkpointer=saver)
        compiled.invoke({"messages": []}, how, durability="sync")
        print(json.dumps(meter.row(f"LangGraph, {kind}", growth)))


main(*sys.argv[1:])
