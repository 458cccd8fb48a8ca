"""`/mcp`: the agent as an MCP server beside the API, under the same sign-in."""

from ..runners.app import App, Served


def serve(app: App) -> Served:
    """Serve the agent to MCP clients."""
    from .endpoint_routes import Endpoint  # FastAPI and the SDK would slow down every command

    endpoint = Endpoint(app)
    return Served(router=endpoint.build_router(), work=endpoint.work)
