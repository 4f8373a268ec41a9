"""The pages on which people register: the first of an organisation, or with a join link, or to wait for approval."""

from aiohttp import web
from msgspec import Struct

from datalab.errors import Forbidden, Invalid, Refusal, Taken, TooMany, Unavailable
from datalab.model.accounts import Registration
from datalab.model.trimming import read_fields
from datalab.server.context import PERSON, SERVICES
from datalab.server.pages import field, page, posted_form, see_other, with_retry
from datalab.services.registrations import BAD_LINK

MAX_FIELD = 256
FIELDS = ("username", "first_name", "last_name", "organisation", "position", "password", "join")


class RegisterPage(Struct, frozen=True):
    """The form, filled with what was sent before; `message` says why that was refused."""

    username: str = ""
    first_name: str = ""
    last_name: str = ""
    organisation: str = ""
    position: str = ""
    join: str = ""
    message: str = ""
    closed: str = ""
    """Why nobody can register, empty where the form is shown."""
    done: str = ""
    """What happens next, once the registration was taken."""


async def register_page(request: web.Request) -> web.Response:
    """`GET /register?join=...`; somebody logged in goes to the apps."""
    if request[PERSON] is not None:
        return see_other("/")
    join = request.query.get("join", "")[:MAX_FIELD]
    organisation = await request.app[SERVICES].registrations.organisation_of(join) if join else ""
    view = RegisterPage(organisation=organisation, join=join, closed=closed(request, join, organisation))
    return page(request, "register.html", view, status=403 if view.closed else 200)


async def register(request: web.Request) -> web.Response:
    """`POST /register`; a refused registration shows the form again, with its status."""
    form = await posted_form(request)
    texts = {name: field(form, name, MAX_FIELD) for name in FIELDS}
    fields = {name: text for name, text in texts.items() if name != "join" or text}
    try:
        asked = read_fields(Registration, fields)
        user = await request.app[SERVICES].registrations.register(asked, request.remote or "")
    except (Invalid, Taken, Forbidden, TooMany, Unavailable) as refusal:
        return refused(request, texts, refusal)
    done = (
        f"An admin of {user.organisation} has been told and lets you in; then you can log in as {user.username}."
        if user.pending
        else f"You can log in as {user.username} now."
    )
    return page(request, "register.html", RegisterPage(done=done), status=201)


def refused(request: web.Request, texts: dict[str, str], refusal: Refusal) -> web.Response:
    """The form again, without the password."""
    kept = {name: text for name, text in texts.items() if name != "password"}
    return with_retry(
        page(request, "register.html", RegisterPage(**kept, message=refusal.detail), status=refusal.status), refusal
    )


def closed(request: web.Request, join: str, organisation: str) -> str:
    """Why the form is not shown, empty where it is."""
    why = request.app[SERVICES].registrations.closed(join)
    if not why and join and not organisation:
        why = BAD_LINK
    return f"{why[:1].upper()}{why[1:]}." if why else ""
