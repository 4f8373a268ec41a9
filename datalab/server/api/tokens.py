"""The lock: token, unlocking, and the partitions they begin and end."""

from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from datalab.errors import Missing
from datalab.model.apps import App, IssuedToken
from datalab.model.permissions import Action
from datalab.server.api.apps import AppShown, shown
from datalab.server.api.endpoint import Call, Confirmation, Endpoint
from datalab.services.archive import PartitionShown
from datalab.services.partitions import key_of

MAX_DIGITS = 9


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the present token goes on working, None for the setting's default."""

    overlap_hours: Annotated[int, Meta(ge=0, le=8760)] | None = None


class TokensShown(Struct, frozen=True):
    """The token, and the one that it replaces where both work."""

    token: IssuedToken
    retiring: IssuedToken | None


def tokens(app: App) -> TokensShown:
    """Raises Missing where there is none."""
    if app.token is None:
        raise Missing(f"{app.full_name} has no token; issue one")
    return TokensShown(app.token, app.retiring)


async def token(call: Call[None]) -> TokensShown:
    """The app's token (owner)."""
    return tokens(call.app(Action.TOKEN))


async def issue(call: Call[Confirmation]) -> TokensShown:
    """Issue a token, which locks the configuration; `confirm` is the app's full name (owner)."""
    return tokens(await call.services.locks.issue(call.actor, call.name("app"), call.body.confirm))


async def renew(call: Call[None]) -> TokensShown:
    """Put off the token's end; the snippet stays as it is (owner)."""
    return tokens(await call.services.locks.renew(call.actor, call.name("app")))


async def rotate(call: Call[Rotation]) -> TokensShown:
    """Issue another token; the present one goes on working for the overlap (owner)."""
    return tokens(await call.services.locks.rotate(call.actor, call.name("app"), call.body.overlap_hours))


async def revoke(call: Call[None]) -> None:
    """End all tokens; the configuration stays locked (owner)."""
    await call.services.locks.revoke(call.actor, call.name("app"))


async def unlock(call: Call[Confirmation]) -> AppShown:
    """Revoke the token and archive the partition; `confirm` is the app's full name (owner)."""
    return shown(call, await call.services.locks.unlock(call.actor, call.name("app"), call.body.confirm))


def number(call: Call[Any]) -> int:
    """The partition's number in the path; raises Missing."""
    text = call.name("number")
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_DIGITS:
        raise Missing("partitions are numbered from 1")
    return int(text)


async def partitions(call: Call[None]) -> list[PartitionShown]:
    """All partitions, newest first, with what each ran under."""
    return await call.services.archive.all(call.app())


async def partition(call: Call[None]) -> PartitionShown:
    """One partition."""
    return await call.services.archive.one(call.app(), number(call))


async def export(call: Call[None]) -> web.StreamResponse:
    """The partition's events as NDJSON, in the form that import reads."""
    app = call.app()
    record = await call.services.archive.one(app, number(call))
    key = key_of(await call.services.archive.as_it_was(app, record.number))
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-ndjson",
            "Content-Disposition": f'attachment; filename="{app.id}-{record.number}.ndjson"',
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(call.request)
    try:
        async for chunk in call.services.export.records(key):
            await response.write(chunk)
    except Exception:
        # Else a file that was cut off would look whole.
        if call.request.transport is not None:
            call.request.transport.abort()
        raise
    await response.write_eof()
    return response


async def delete(call: Call[None]) -> None:
    """Delete an archived partition; `confirm` is the app's full name (owner)."""
    await call.services.archive.delete(call.actor, call.name("app"), number(call), call.query.confirm)


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/apps/{app}/token", token, TokensShown),
    Endpoint("POST", "/apps/{app}/token", issue, TokensShown, Confirmation, status=201),
    Endpoint("DELETE", "/apps/{app}/token", revoke),
    Endpoint("POST", "/apps/{app}/token/renew", renew, TokensShown),
    Endpoint("POST", "/apps/{app}/token/rotate", rotate, TokensShown, Rotation),
    Endpoint("POST", "/apps/{app}/unlock", unlock, AppShown, Confirmation),
    Endpoint("GET", "/apps/{app}/partitions", partitions, list[PartitionShown]),
    Endpoint("GET", "/apps/{app}/partitions/{number}", partition, PartitionShown),
    Endpoint("GET", "/apps/{app}/partitions/{number}/export", export, str, media="application/x-ndjson"),
    Endpoint("DELETE", "/apps/{app}/partitions/{number}", delete, query=Confirmation),
]
