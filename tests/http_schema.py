"""What the OpenAPI of a rendered agent promises; a copy of this runs inside that agent."""

from typing import Any
from uuid import uuid4

import hypothesis
import schemathesis
from agent.app import application
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens

ANA = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

app = application.build(lambda _: "scripted:sample/deploy/demo.jsonl")
api = create_app(app, Tokens.parse(f"ana:{ANA}"))
schema = schemathesis.openapi.from_asgi("/openapi.json", api)


@hypothesis.settings(max_examples=30, deadline=None, derandomize=True, database=None)
@schema.parametrize()
def test_the_api_keeps_what_its_schema_promises(case: Any) -> None:
    if case.meta.generation.mode.is_positive and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid4().hex  # another body needs another key
    case.call_and_validate(headers={"Authorization": f"Bearer {ANA}"})
