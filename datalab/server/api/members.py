"""Members of apps: invitations and what becomes of them, removal, transfer."""

from typing import Annotated

from msgspec import Meta

from datalab.model.trimming import Trimmed
from datalab.server.api.apps import AppShown, shown
from datalab.server.api.endpoint import Call, Endpoint
from datalab.services.members import Member

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class Invited(Trimmed, frozen=True):
    """Colleagues, by user name."""

    usernames: Annotated[list[Name], Meta(min_length=1, max_length=50, description="1 to 50 user names")]


class Heir(Trimmed, frozen=True):
    """The colleague who gets the app."""

    username: Name


async def all_members(call: Call[None]) -> list[Member]:
    """The owner, and whoever was invited."""
    return call.services.members.all(call.app())


async def invite(call: Call[Invited]) -> list[Member]:
    """Invite colleagues to a private app, all or none (owner)."""
    members = call.services.members
    return members.all(await members.invite(call.actor, call.name("app"), call.body.usernames))


async def remind(call: Call[None]) -> None:
    """Remind somebody who has not answered, at most once an hour (owner)."""
    await call.services.members.remind(call.actor, call.name("app"), call.name("username"))


async def cancel(call: Call[None]) -> None:
    """Take back an invitation that was not answered (owner)."""
    await call.services.members.cancel(call.actor, call.name("app"), call.name("username"))


async def accept(call: Call[None]) -> AppShown:
    """Accept the own invitation."""
    return shown(call, await call.services.members.answer(call.actor, call.name("app"), accept=True))


async def decline(call: Call[None]) -> None:
    """Decline the own invitation."""
    await call.services.members.answer(call.actor, call.name("app"), accept=False)


async def remove(call: Call[None]) -> None:
    """Remove a member (owner), or leave (the member)."""
    await call.services.members.remove(call.actor, call.name("app"), call.name("username"))


async def transfer(call: Call[Heir]) -> AppShown:
    """Give the app to a colleague (owner)."""
    return shown(call, await call.services.members.transfer(call.actor, call.name("app"), call.body.username))


ENDPOINTS: list[Endpoint] = [
    Endpoint("GET", "/apps/{app}/members", all_members, list[Member]),
    Endpoint("DELETE", "/apps/{app}/members/{username}", remove),
    Endpoint("POST", "/apps/{app}/invitations", invite, list[Member], Invited, status=201),
    Endpoint("DELETE", "/apps/{app}/invitations/{username}", cancel),
    Endpoint("POST", "/apps/{app}/invitations/{username}/remind", remind),
    Endpoint("POST", "/apps/{app}/invitation/accept", accept, AppShown),
    Endpoint("POST", "/apps/{app}/invitation/decline", decline),
    Endpoint("POST", "/apps/{app}/transfer", transfer, AppShown, Heir),
]
