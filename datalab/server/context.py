"""What handlers find in the application and the request, under typed keys."""

from weakref import WeakSet

from aiohttp import web

from datalab.model.accounts import User
from datalab.model.permissions import Actor
from datalab.services.services import Services
from datalab.settings import Settings


class Sockets(WeakSet[web.WebSocketResponse[bool]]):
    """Every open websocket, so that all are closed together at shutdown."""


SERVICES = web.AppKey("SERVICES", Services)
SETTINGS = web.AppKey("SETTINGS", Settings)
SOCKETS = web.AppKey("SOCKETS", Sockets)
PERSON: web.RequestKey[User | None] = web.RequestKey("PERSON", User)
"""Who is logged in."""
ACTOR: web.RequestKey[Actor | None] = web.RequestKey("ACTOR", Actor)
"""Who acts: the person who is logged in, or a program with the person's API key."""
COOKIE = "datalab_login"


def set_cookie(response: web.StreamResponse, value: str, *, days: int = 30, secure: bool = False) -> None:
    """Log a browser in."""
    response.set_cookie(COOKIE, value, max_age=days * 86_400, httponly=True, samesite="Lax", secure=secure)


def clear_cookie(response: web.StreamResponse) -> None:
    """Log a browser out."""
    response.del_cookie(COOKIE, httponly=True, samesite="Lax")
