"""What happens to every request: who asks, whether the request may come from there, and how refusals are answered."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from datalab.errors import Failure, Forbidden, Missing, NotAllowed, Refusal, Stale, TooLarge
from datalab.model.permissions import Actor
from datalab.server.context import ACTOR, COOKIE, PERSON, SERVICES
from datalab.server.pages import error_page

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OPEN_PATHS = ("/api/v1/hello", "/api/v1/events", "/api/v1/open", "/datalab.js")
"""What pages of other sites may call; these check tokens and origins themselves."""
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "img-src 'self' data:"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Problem(msgspec.Struct, omit_defaults=True):
    """Problem details (RFC 9457) with the appliance's stable `code`."""

    title: str
    status: int
    detail: str
    code: str
    type: str = "about:blank"
    retry_after: float | None = None
    revision: int | None = None
    """Of a stale save: what the section has now."""
    changes: list[str] | None = None
    """Of a stale save: what changed since."""


def problem(refusal: Refusal) -> web.Response:
    """A refusal as JSON."""
    body = Problem(
        title=refusal.code.replace("-", " "),
        status=refusal.status,
        detail=refusal.detail,
        code=refusal.code,
        retry_after=refusal.retry_after,
        revision=refusal.revision if isinstance(refusal, Stale) else None,
        changes=refusal.changes if isinstance(refusal, Stale) else None,
    )
    headers = {"Cache-Control": "no-store"}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(refusal.retry_after)))
    return web.Response(
        body=msgspec.json.encode(body),
        status=refusal.status,
        content_type="application/problem+json",
        headers=headers,
    )


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal in the form its caller reads: problem details for the API, a page for people."""
    try:
        return await handler(request)
    except Refusal as refused:
        refusal = refused
    except web.HTTPRequestEntityTooLarge:
        refusal = TooLarge("the request is larger than the appliance accepts; send less at a time")
    except web.HTTPMethodNotAllowed as wrong:
        refusal = NotAllowed(f"{request.method} is not possible here; use {', '.join(sorted(wrong.allowed_methods))}")
    except web.HTTPNotFound:
        refusal = Missing("there is nothing at this address")
    except web.HTTPException as other:
        if other.status < 400:
            raise
        refusal = Refusal(other.reason)
    except ConnectionError:
        # Whoever asked is gone, for instance to the next page, and hears no answer.
        return web.Response(status=499)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        refusal = Failure("the appliance made a mistake; its log says more")
    if request.path.startswith("/api/"):
        return problem(refusal)
    return error_page(request, refusal)


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse unsafe requests that a browser sends on behalf of another site, and foreign pages' live sockets."""
    live = request.path == "/api/v1/live"
    changes = live or request.method not in SAFE_METHODS
    # A key is sent by no browser on its own; one that comes with a cookie does not count.
    by_key = bearer(request) is not None
    if changes and not by_key and request.path not in OPEN_PATHS and not from_here(request):
        raise Forbidden("the request comes from a page of another site; open the dashboard itself")
    return await handler(request)


def from_here(request: web.Request) -> bool:
    """Sec-Fetch-Site where the browser tells, else Origin; a request without either comes from no browser."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or origin == f"{request.scheme}://{request.host}"


@web.middleware
async def person(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who acts; only where the answer may depend on it."""
    request[PERSON] = request[ACTOR] = None
    if request.path in OPEN_PATHS or request.path.startswith("/assets/"):
        return await handler(request)
    services = request.app[SERVICES]
    if (key := bearer(request)) is not None:
        if request.path.startswith("/api/"):
            request[ACTOR] = await services.api_keys.actor(key)
    elif cookie := request.cookies.get(COOKIE):
        request[PERSON] = user = await services.logins.person(cookie)
        request[ACTOR] = Actor(user) if user is not None else None
    return await handler(request)


def bearer(request: web.Request) -> str | None:
    """The API key of a request without a cookie."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and COOKIE not in request.cookies else None


async def secure_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: headers that every answer carries, and none that names the versions of what runs here."""
    response.headers["Server"] = "datalab"
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
