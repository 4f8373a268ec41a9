"""The organisation: colleagues, join requests and links, its audit log."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from datalab.model.accounts import Organisation
from datalab.server.api.endpoint import Call, Endpoint
from datalab.services.accounts import Colleague
from datalab.services.audit import AuditPage
from datalab.services.avatars import avatar
from datalab.services.registrations import LinkMade, LinkShown


class Role(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the person is an admin."""

    admin: bool


class Access(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the person is kept out."""

    disabled: bool


class Entries(Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries of a log: those with numbers below `before`."""

    before: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


async def organisation(call: Call[None]) -> Organisation:
    """The own organisation."""
    return await call.services.accounts.organisation(call.actor)


async def people(call: Call[None]) -> list[Colleague]:
    """The colleagues, and who of them is online."""
    return await call.services.accounts.colleagues(call.actor)


async def picture(call: Call[None]) -> web.Response:
    """A colleague's avatar, drawn from the user name."""
    user = await call.services.accounts.colleague(call.actor, call.name("username"))
    return web.Response(
        text=avatar(user), content_type="image/svg+xml", headers={"Cache-Control": "private, max-age=3600"}
    )


async def approve(call: Call[None]) -> None:
    """Let somebody in who asked to join (admins)."""
    await call.services.registrations.answer(call.actor, call.name("username"), approve=True)


async def refuse(call: Call[None]) -> None:
    """Refuse somebody who asked to join (admins)."""
    await call.services.registrations.answer(call.actor, call.name("username"), approve=False)


async def set_role(call: Call[Role]) -> None:
    """Make a colleague an admin, or no longer one (admins)."""
    await call.services.accounts.set_admin(call.actor, call.name("username"), admin=call.body.admin)


async def set_access(call: Call[Access]) -> None:
    """Keep a colleague out, or let the colleague in again (admins)."""
    await call.services.accounts.disable(call.actor, call.name("username"), disabled=call.body.disabled)


async def remove(call: Call[None]) -> None:
    """Remove a colleague's account; the admin takes over the apps (admins)."""
    await call.services.accounts.remove(call.actor, call.name("username"))


async def links(call: Call[None]) -> list[LinkShown]:
    """The join links that can still be used (admins)."""
    return await call.services.registrations.links(call.actor)


async def make_link(call: Call[None]) -> LinkMade:
    """Make a join link, for one person (admins)."""
    return await call.services.registrations.make_link(call.actor)


async def withdraw_link(call: Call[None]) -> None:
    """Withdraw a join link (admins)."""
    await call.services.registrations.withdraw_link(call.actor, call.name("link"))


async def audit(call: Call[None]) -> AuditPage:
    """Who did what in the organisation (admins)."""
    return await call.services.audit.of_organisation(call.actor, call.query.before, call.query.limit)


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/organisation", organisation, Organisation),
    Endpoint("GET", "/organisation/people", people, list[Colleague]),
    Endpoint("GET", "/organisation/people/{username}/avatar", picture, str, media="image/svg+xml"),
    Endpoint("POST", "/organisation/people/{username}/approve", approve),
    Endpoint("POST", "/organisation/people/{username}/refuse", refuse),
    Endpoint("PUT", "/organisation/people/{username}/role", set_role, body=Role),
    Endpoint("PUT", "/organisation/people/{username}/access", set_access, body=Access),
    Endpoint("DELETE", "/organisation/people/{username}", remove),
    Endpoint("GET", "/organisation/join-links", links, list[LinkShown]),
    Endpoint("POST", "/organisation/join-links", make_link, LinkMade, status=201),
    Endpoint("DELETE", "/organisation/join-links/{link}", withdraw_link),
    Endpoint("GET", "/organisation/audit", audit, AuditPage, query=Entries),
]
