"""The shop."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.middleware.sessions import SessionMiddleware

from .database import engine, sessions
from .models import Base, Complaint, Order

MOST_COMPLAINTS = 3


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(title="Shop", lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key=os.environ["SHOP_SECRET"])


def find_user(request: Request) -> str | None:
    """Return who is signed in."""
    return request.session.get("user")


def require_user(request: Request) -> str:
    if user := find_user(request):
        return user
    raise HTTPException(401, "sign in first")


User = Annotated[str, Depends(require_user)]


async def find_order(session: AsyncSession, order_id: int, user: str) -> Order:
    found = await session.get(Order, order_id)
    if found is None or found.customer != user:
        raise HTTPException(404, "there is no such order")
    return found


@app.post("/login")
async def login(request: Request, name: Annotated[str, Form()]) -> dict[str, str]:
    request.session["user"] = name  # a real shop asks for more than a name
    return {"user": name}


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"shop": "open"}


@app.post("/orders")
async def order(user: User, cents: int) -> dict[str, int]:
    async with sessions.begin() as session:
        made = Order(customer=user, cents=cents)
        session.add(made)
    return {"id": made.id}


@app.get("/orders/{order_id}")
async def show(order_id: int, user: User) -> dict[str, bool]:
    async with sessions() as session:
        found = await find_order(session, order_id, user)
    return {"refunded": found.refunded}


@app.post("/orders/{order_id}/complaints")
async def complain(order_id: int, user: User, text: Annotated[str, Form()]) -> dict[str, int]:
    async with sessions.begin() as session:
        await find_order(session, order_id, user)
        complaint = Complaint(order_id=order_id, text=text)
        session.add(complaint)
        await session.flush()
        if complaint.id > MOST_COMPLAINTS:
            raise HTTPException(429, "the shop is closed")
    return {"id": complaint.id}
