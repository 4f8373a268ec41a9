"""What lets somebody in stays secret, and ends with the right of whoever made it."""

import re
from hashlib import sha256

import pyotp
import pytest
from msgspec import Struct

from datalab.server.api.openapi import ENDPOINTS
from tests.server.api.place import Place
from tests.server.client import PASSWORD, Answer, Page


class Link(Struct):
    """A join link."""

    join: str


class Secret(Struct):
    """A second factor that was begun."""

    secret: str


class Codes(Struct):
    """Recovery codes."""

    codes: list[str]


async def test_no_answer_carries_a_secret(place: Place) -> None:
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    app = await ada.app("Shop", private=True)
    await ada.done("POST", f"/apps/{app.id}/invitations", {"usernames": ["ben.m"]})
    await ben.done("POST", f"/apps/{app.id}/invitation/accept")
    await Page(place.http, place.server.url, await ada.token(app)).hello()
    key, link = await ada.key("write"), (await ada.done("POST", "/organisation/join-links")).read(Link)
    begun = (await ada.done("POST", "/me/second-factor", {"password": PASSWORD})).read(Secret)
    confirmed = {"code": pyotp.TOTP(begun.secret).now()}
    codes = (await ada.done("POST", "/me/second-factor/confirm", confirmed)).read(Codes).codes
    await ada.done("PUT", "/me", {"first_name": "Ada", "last_name": "L"})
    names = {"app": app.id, "number": "1", "username": "ben.m", "job": "0" * 16}
    paths = [re.sub(r"{(\w+)}", lambda found: names[found[1]], one.path) for one in ENDPOINTS if one.method == "GET"]
    pages = ["/", "/login", f"/apps/{app.id}", "/apps/nothing", "/healthz", "/readyz", "/metrics"]
    answers = []
    for client in (ada, ben, key, place.nobody):
        answers += [await client.request("GET", path) for path in [*paths, "/openapi.json"]]
        for page in pages:
            async with place.http.get(place.server.url + page, headers=client.headers, allow_redirects=False) as sent:
                answers.append(Answer(sent.status, sent.headers, await sent.read()))
    place.server.stop()
    kept = (place.server.data / "documents.sqlite").read_bytes()
    hashes = set(re.findall(rb"\$argon2id\$[^\0]+", kept))
    keys = {path.read_bytes() for path in (place.server.data / "keys").glob("*.key")}
    assert len(hashes) >= 2
    assert len(keys) >= 2
    texts = [PASSWORD, begun.secret, *codes, ada.cookie, ben.cookie, key.bearer, link.join]
    hidden = (
        hashes
        | keys
        | {text.encode() for text in texts}
        | {sha256(code.encode()).hexdigest().encode() for code in codes}
    )
    assert sum(answer.status == 200 for answer in answers) > 60
    said = [answer.body + repr(dict(answer.headers)).encode() for answer in answers] + [place.server.log.read_bytes()]
    assert [secret for secret in hidden for text in said if secret in text] == []
    # Nor is any of what lets somebody in on the disk as it is.
    for secret in (PASSWORD, *codes, ada.cookie, key.bearer, link.join):
        assert secret.encode() not in kept
    assert {path.stat().st_mode & 0o077 for path in place.server.data.rglob("*")} == {0}


@pytest.mark.parametrize("what", ["demoted", "disabled", "removed"])
async def test_a_join_link_ends_with_the_right_of_whoever_made_it(place: Place, what: str) -> None:
    """Else an admin who has to go keeps a way back in."""
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    await ada.done("PUT", "/organisation/people/ben.m/role", {"admin": True})
    link = (await ben.done("POST", "/organisation/join-links")).read(Link)
    match what:
        case "demoted":
            await ada.done("PUT", "/organisation/people/ben.m/role", {"admin": False})
        case "disabled":
            await ada.done("PUT", "/organisation/people/ben.m/access", {"disabled": True})
        case "removed":
            await ada.done("DELETE", "/organisation/people/ben.m")
    new = {"username": "ben.again", "organisation": "shop.example", "password": PASSWORD, "join": link.join}
    answer = await place.nobody.request("POST", "/register", {"first_name": "B", "last_name": "M", **new})
    assert answer.refusal == (403, "forbidden")
    assert b"ben.again" not in (await ada.done("GET", "/organisation/people")).body
