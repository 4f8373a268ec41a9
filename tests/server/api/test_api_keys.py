"""API keys: a program with its person's rights, or with those to read only."""

import asyncio
from collections.abc import Callable

from aiohttp import ClientSession

from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, Client, Place
from tests.server.api.shared import Shared, audit, plain

MINUTE_MS = 60_000


async def make(client: Client, name: str, scope: str | None = None) -> dict[str, str]:
    body = {"name": name} | ({"scope": scope} if scope else {})
    made: dict[str, str] = plain(await client.done("POST", "/me/keys", body))
    return made


def by(client: Client, key: str) -> Client:
    return Client(client.http, client.url, client.username, key=key)


async def test_a_key_is_shown_once_and_says_when_it_was_used(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    made = await make(ben, "  nightly report ", "read")
    assert made["key"].startswith("dlk_")
    assert (made["name"], made["scope"]) == ("nightly report", "read")

    async def listed() -> dict[str, object]:
        answer = await ben.done("GET", "/me/keys")
        assert made["key"].encode() not in answer.body
        found: dict[str, object] = next(one for one in plain(answer) if one["id"] == made["id"])
        return found

    before = await listed()
    assert before["last_used"] is None
    program = by(ben, made["key"])
    answer = await program.request("GET", "/me")
    assert answer.status == 200
    assert plain(answer)["username"] == "ben.m"
    used = (await listed())["last_used"]
    assert isinstance(used, int)
    assert isinstance(before["created"], int)
    assert used % MINUTE_MS == 0
    assert 0 <= before["created"] - used < MINUTE_MS or used > before["created"]
    assert (await make(ben, "without a scope"))["scope"] == "read"


async def test_a_key_may_at_most_what_its_scope_says(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    app = await shared.app(ben)
    reader, writer = await ben.key("read"), await ben.key("write")
    new = {"name": shared.fresh("Shop "), "urls": ["https://a.example"], "tags": ["a"]}
    writes = [
        ("POST", "/apps", new, None),
        ("PATCH", f"/apps/{app.id}", {"description": "by a program"}, None),
        ("PUT", f"/apps/{app.id}/configuration/routes", {"revision": 0, "value": {"routes": ["/a"]}}, None),
        ("POST", f"/apps/{app.id}/token", {"confirm": app.full_name}, None),
        ("POST", f"/apps/{app.id}/token/renew", None, None),
        ("POST", f"/apps/{app.id}/token/rotate", {}, None),
        ("DELETE", f"/apps/{app.id}/token", None, None),
        ("POST", f"/apps/{app.id}/unlock", {"confirm": app.full_name}, None),
        ("DELETE", f"/apps/{app.id}/partitions/1", None, {"confirm": app.full_name}),
        ("PUT", "/me", {"first_name": "Ben", "last_name": "M"}, None),
        ("POST", "/me/notifications/read", None, None),
        ("DELETE", f"/apps/{app.id}", None, {"confirm": app.full_name}),
    ]
    reads = ["/me", "/apps", f"/apps/{app.id}", f"/apps/{app.id}/configuration", f"/apps/{app.id}/audit"]
    reads += [f"/apps/{app.id}/insights/overview", "/organisation/people", "/me/notifications"]
    for path in reads:
        assert (await reader.request("GET", path)).status == 200
        assert (await writer.request("GET", path)).status == 200
    for method, path, body, query in writes:
        refused = await reader.request(method, path, body, query)
        assert refused.refusal == (403, "forbidden"), path
        assert "may only read" in plain(refused)["detail"]
    assert plain(await ben.done("GET", f"/apps/{app.id}"))["description"] == ""
    for method, path, body, query in writes:
        answer = await writer.request(method, path, body, query)
        assert 200 <= answer.status < 300, (path, answer)


async def test_what_only_a_person_does_no_key_does(shared: Shared) -> None:
    ben = await shared.known("ben.m")
    writer = await ben.key("write")
    for method, path, body in [
        ("POST", "/me/keys", {"name": "another", "scope": "write"}),
        ("GET", "/me/keys", None),
        ("DELETE", "/me/keys/0", None),
        ("PUT", "/me/password", {"present": "correct horse battery", "new": "another long password"}),
        ("GET", "/me/logins", None),
        ("DELETE", "/me/logins", None),
        ("DELETE", "/me/logins/0", None),
        ("POST", "/me/second-factor", {"password": "correct horse battery"}),
        ("POST", "/me/second-factor/confirm", {"code": "123456"}),
        ("POST", "/me/second-factor/remove", {"password": "correct horse battery"}),
    ]:
        refused = await writer.request(method, path, body)
        assert refused.refusal == (403, "forbidden"), path


async def test_a_key_counts_where_no_cookie_is_sent_only(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    key = (await make(ben, "beside a cookie", "write"))["key"]
    both = Client(shared.http, shared.server.url, cookie=cem.cookie, key=key)
    assert plain(await both.done("GET", "/me"))["username"] == "cem.n"
    ended = Client(shared.http, shared.server.url, cookie="ended", key=key)
    assert (await ended.request("GET", "/me")).refusal == (401, "unauthenticated")
    for headers in ({"Authorization": f"bearer  {key}"}, {"Authorization": f"BEARER {key}"}):
        assert (await shared.nobody.request("GET", "/me", headers=headers)).status == 200
    for value in (key, f"Basic {key}", "Bearer", "Bearer ", "Bearer dlk_", f"Bearer {key}x", f"Bearer {key[:-1]}"):
        refused = await shared.nobody.request("GET", "/me", headers={"Authorization": value})
        assert refused.refusal == (401, "unauthenticated")


async def test_a_deleted_key_ends_at_once_and_nobody_deletes_anothers(shared: Shared) -> None:
    ben, cem = await shared.known("ben.m"), await shared.known("cem.n")
    made = await make(ben, "to delete", "write")
    program = by(ben, made["key"])
    assert made["id"] not in str(plain(await cem.done("GET", "/me/keys")))
    assert (await cem.request("DELETE", f"/me/keys/{made['id']}")).refusal == (404, "missing")
    assert (await program.request("GET", "/me")).status == 200
    await ben.done("DELETE", f"/me/keys/{made['id']}")
    assert (await program.request("GET", "/me")).refusal == (401, "unauthenticated")
    assert (await ben.request("DELETE", f"/me/keys/{made['id']}")).refusal == (404, "missing")
    admin = await shared.known("ada.l")
    lines = [line for entry in (await audit(admin, "/organisation")).entries for line in entry.details]
    assert "'to delete' of ben.m, scope write" in lines
    assert "'to delete' of ben.m deleted" in lines
    assert made["key"] not in str(lines)


async def test_keys_have_names_and_a_number(shared: Shared) -> None:
    fay = await shared.person(shared.fresh("fay.x"))
    for body in (
        {"name": ""},
        {"name": "  "},
        {"name": "a" * 61},
        {"name": "a\nb"},
        {"name": "a", "scope": "admin"},
        {},
    ):
        assert (await fay.request("POST", "/me/keys", body)).refusal == (422, "invalid")
    answers = await asyncio.gather(*(fay.request("POST", "/me/keys", {"name": f"{n}"}) for n in range(51)))
    assert sorted(answer.status for answer in answers) == [201] * 50 + [429]
    assert len(plain(await fay.done("GET", "/me/keys"))) == 50


async def test_keys_end_with_the_account_and_are_stored_hashed(
    place: Place, start_server: Callable[..., Server], http: ClientSession
) -> None:
    ada, ben = await place.person("ada.l"), await place.person("ben.m")
    texts = [(await make(one, "kept", "write"))["key"] for one in (ada, ben)]
    program = by(ben, texts[1])
    assert (await program.request("GET", "/me")).status == 200
    await ada.done("PUT", "/organisation/people/ben.m/access", {"disabled": True})
    assert (await program.request("GET", "/me")).refusal == (401, "unauthenticated")
    place.server.kill()
    stored = b"".join(file.read_bytes() for file in place.server.data.rglob("documents*") if file.is_file())
    assert b"kept" in stored
    assert not any(text.encode() in stored or text.removeprefix("dlk_").encode() in stored for text in texts)
    server = await asyncio.to_thread(start_server, environment=ENVIRONMENT)
    after = Client(http, server.url, key=texts[0])
    assert (await after.request("GET", "/me")).status == 200, "a key outlives a restart"
