"""Coming in, and what a person does with the own account."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from datalab.model.accounts import Password, Profile, Registration
from datalab.model.notifications import Notification
from datalab.model.permissions import Actor
from datalab.model.trimming import Trimmed
from datalab.server.api.endpoint import Call, Endpoint, json
from datalab.server.context import clear_cookie, set_cookie
from datalab.services.accounts import Me
from datalab.services.api_keys import KeyMade, KeyShown, NewKey
from datalab.services.logins import LoginShown
from datalab.services.second_factor import Enrolment, RecoveryCodes

Secret = Annotated[str, Meta(max_length=256)]


class Registered(Struct, frozen=True):
    """A new account; a pending one waits for an admin of its organisation."""

    username: str
    organisation: str
    admin: bool
    pending: bool


class LogIn(Trimmed, frozen=True):
    """User name, password, and the second factor's code where there is one."""

    username: Annotated[str, Meta(max_length=64)]
    password: Secret
    code: Annotated[str, Meta(max_length=64)] = ""


class NewPassword(Trimmed, frozen=True):
    """The present password and the one from now on."""

    present: Secret
    new: Password


class Confirm(Trimmed, frozen=True):
    """The present password, to make sure who sits there."""

    password: Secret


class Code(Trimmed, frozen=True):
    """A code of the authenticator."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]


class Shown(Struct, frozen=True, forbid_unknown_fields=True):
    """Which notifications."""

    hidden: bool = False


async def register(call: Call[Registration]) -> Registered:
    """Register; the first person of an organisation becomes its admin."""
    user = await call.services.registrations.register(call.body, call.address)
    return Registered(user.username, user.organisation, user.admin, user.pending)


async def log_in(call: Call[LogIn]) -> web.Response:
    """Log in; the answer sets the cookie."""
    asked = call.body
    browser = call.request.headers.get("User-Agent", "")
    cookie = await call.services.logins.log_in(asked.username, asked.password, call.address, asked.code, browser)
    if call.cookie:
        await call.services.logins.log_out(call.cookie)
    user = await call.services.logins.person(cookie)
    response = json(call.services.accounts.me(Actor(user)))
    settings = call.settings
    set_cookie(response, cookie, days=settings.accounts.login_days, secure=settings.server.secure_cookies)
    return response


async def log_out(call: Call[None]) -> web.Response:
    """Log out."""
    await call.services.logins.log_out(call.cookie)
    response = web.Response(status=204)
    clear_cookie(response)
    return response


async def me(call: Call[None]) -> Me:
    """The own account."""
    return call.services.accounts.me(call.actor)


async def edit(call: Call[Profile]) -> Me:
    """Change names and position."""
    return await call.services.accounts.edit(call.actor, call.body)


async def change_password(call: Call[NewPassword]) -> None:
    """Change the password; all other log-ins end."""
    await call.services.logins.change_password(call.actor, call.body.present, call.body.new, call.cookie)


async def logins(call: Call[None]) -> list[LoginShown]:
    """The browsers that are logged in."""
    return await call.services.logins.all(call.actor, call.cookie)


async def end_login(call: Call[None]) -> None:
    """End one log-in."""
    await call.services.logins.end(call.actor, call.name("login"))


async def end_logins(call: Call[None]) -> None:
    """End all log-ins but this one."""
    await call.services.logins.end_others(call.actor, call.cookie)


async def begin_second_factor(call: Call[Confirm]) -> Enrolment:
    """Begin a second factor; it is in force once a first code was sent."""
    return await call.services.second_factors.begin(call.actor, call.body.password)


async def confirm_second_factor(call: Call[Code]) -> RecoveryCodes:
    """Put the second factor in force with a first code."""
    return await call.services.second_factors.confirm(call.actor, call.body.code)


async def remove_second_factor(call: Call[Confirm]) -> None:
    """Remove the second factor."""
    await call.services.second_factors.remove(call.actor, call.body.password)


async def keys(call: Call[None]) -> list[KeyShown]:
    """The own API keys."""
    return await call.services.api_keys.all(call.actor)


async def make_key(call: Call[NewKey]) -> KeyMade:
    """Make an API key; its text is shown this once."""
    return await call.services.api_keys.make(call.actor, call.body)


async def delete_key(call: Call[None]) -> None:
    """Delete an API key."""
    await call.services.api_keys.remove(call.actor, call.name("key"))


async def notifications(call: Call[None]) -> list[Notification]:
    """The own notifications, newest first."""
    return await call.services.notifications.all(call.actor, hidden=call.query.hidden)


async def read_notifications(call: Call[None]) -> None:
    """Mark all notifications as read."""
    await call.services.notifications.read_all(call.actor)


async def hide_notification(call: Call[None]) -> None:
    """Hide a notification."""
    await call.services.notifications.hide(call.actor, call.name("notification"))


async def delete_notification(call: Call[None]) -> None:
    """Delete a notification."""
    await call.services.notifications.delete(call.actor, call.name("notification"))


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/register", register, Registered, Registration, status=201, open=True),
    Endpoint("POST", "/login", log_in, Me, LogIn, open=True),
    Endpoint("POST", "/logout", log_out, open=True),
    Endpoint("GET", "/me", me, Me),
    Endpoint("PUT", "/me", edit, Me, Profile),
    Endpoint("PUT", "/me/password", change_password, body=NewPassword),
    Endpoint("GET", "/me/logins", logins, list[LoginShown]),
    Endpoint("DELETE", "/me/logins", end_logins),
    Endpoint("DELETE", "/me/logins/{login}", end_login),
    Endpoint("POST", "/me/second-factor", begin_second_factor, Enrolment, Confirm, status=201),
    Endpoint("POST", "/me/second-factor/confirm", confirm_second_factor, RecoveryCodes, Code),
    Endpoint("POST", "/me/second-factor/remove", remove_second_factor, body=Confirm),
    Endpoint("GET", "/me/keys", keys, list[KeyShown]),
    Endpoint("POST", "/me/keys", make_key, KeyMade, NewKey, status=201),
    Endpoint("DELETE", "/me/keys/{key}", delete_key),
    Endpoint("GET", "/me/notifications", notifications, list[Notification], query=Shown),
    Endpoint("POST", "/me/notifications/read", read_notifications),
    Endpoint("POST", "/me/notifications/{notification}/hide", hide_notification),
    Endpoint("DELETE", "/me/notifications/{notification}", delete_notification),
]
