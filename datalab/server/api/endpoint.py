"""An endpoint: what it takes, what it answers, and the one way in which all of them are carried out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from datalab.errors import Invalid, Missing, Unauthenticated
from datalab.model.apps import App
from datalab.model.permissions import Action, Actor
from datalab.model.trimming import read_fields, readable
from datalab.server.context import ACTOR, COOKIE, SERVICES, SETTINGS
from datalab.services.services import Services
from datalab.settings import Settings

B = TypeVar("B")
QUICKLY_READ = 1024
"""Bytes of a body up to which reading it takes no time worth a thread."""
MAX_NAME = 200
"""Characters of a name in a path."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No body, no query."""


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person typed to confirm: `organisation/name` of the app."""

    confirm: str


class Call(Generic[B]):
    """One request to an endpoint, checked against its types."""

    def __init__(self, request: web.Request, actor: Actor | None, body: B, query: Any) -> None:
        self.request = request
        self.services: Services = request.app[SERVICES]
        self.settings: Settings = request.app[SETTINGS]
        self._actor = actor
        self.body = body
        self.query = query

    @property
    def actor(self) -> Actor:
        """Who acts; raises Unauthenticated."""
        if self._actor is None:
            raise Unauthenticated("nobody is logged in; log in first")
        return self._actor

    @property
    def cookie(self) -> str:
        """The log-in's secret, empty where there is none."""
        return self.request.cookies.get(COOKIE, "")

    @property
    def address(self) -> str:
        """Where the request comes from; used for limits only, never stored."""
        return self.request.remote or ""

    def name(self, part: str) -> str:
        """A name in the path; raises Missing for one that nothing can have."""
        text = self.request.match_info[part]
        if len(text) > MAX_NAME or not text.isprintable():
            raise Missing("there is nothing of this name")
        return text

    def app(self, action: Action = Action.READ) -> App:
        """The app in the path; raises Missing, Forbidden."""
        return self.services.directory.find(self.actor, self.name("app"), action)


@dataclass(frozen=True)
class Endpoint:
    """An entry of the table."""

    method: str
    path: str
    run: Callable[[Call[Any]], Awaitable[Any]]
    answer: Any = None
    """The type of the answer, None for no content."""
    body: Any = None
    query: type[Struct] = Nothing
    status: int = 200
    later: Any = None
    """The type of the answer, with status 202, where it takes long; None where it never does."""
    open: bool = False
    """Whether nobody need be logged in."""
    media: str = "application/json"

    @property
    def summary(self) -> str:
        """The handler's docstring."""
        return (self.run.__doc__ or "").partition("\n")[0].rstrip(".")

    def route(self) -> web.RouteDef:
        """The entry as aiohttp wants it."""
        return web.route(self.method, f"/api/v1{self.path}", self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Read, run, answer."""
        actor = request[ACTOR]
        if actor is None and not self.open:
            raise Unauthenticated("nobody is logged in; log in first")
        query = read_query(request, self.query)
        body = await read_body(request, self.body) if self.body is not None else None
        answered = await self.run(Call(request, actor, body, query))
        if isinstance(answered, web.StreamResponse):
            return answered
        if self.answer is None:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        return json(answered, self.status)


async def read_body(request: web.Request, kind: Any) -> Any:
    """The body as its struct; raises Invalid."""
    if request.content_type != "application/json":
        raise Invalid(f"the body came as {request.content_type[:60]!r}; send application/json")
    demand_plain(request)
    data = await request.read()
    if len(data) <= QUICKLY_READ:
        return decoded(data, kind)
    # A large configuration with many expressions to compile would hold up everybody else.
    return await asyncio.to_thread(decoded, data, kind)


def demand_plain(request: web.Request) -> None:
    """Raises Invalid for a packed body: a few bytes of it may stand for gigabytes."""
    if (packed := request.headers.get("Content-Encoding", "identity")) != "identity":
        raise Invalid(f"the body is packed by {packed[:20]!a}; send it as it is")


def decoded(data: bytes, kind: Any) -> Any:
    """JSON as a struct; raises Invalid."""
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is no JSON: {error}") from None
    return read_fields(kind, plain)


def read_query(request: web.Request, kind: type[Struct]) -> Any:
    """The query as its struct; raises Invalid."""
    fields = dict(request.query)
    if len(fields) != len(request.query):
        raise Invalid("the query names a parameter twice")
    try:
        return msgspec.convert(fields, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise Invalid(f"query: {readable(kind, error)}"[:500]) from None


def json(answer: Any, status: int = 200) -> web.Response:
    """A struct as JSON, never cached."""
    return web.Response(
        body=msgspec.json.encode(answer),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
