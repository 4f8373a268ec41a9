"""The second factor through the API: begun, confirmed, asked for, recovered, removed."""

import time

import pyotp

from tests.server.api.place import Client, Place, cookie_of
from tests.server.api.shared import Shared, audit, plain
from tests.server.client import PASSWORD, Answer


async def begin(client: Client) -> pyotp.TOTP:
    made = plain(await client.done("POST", "/me/second-factor", {"password": PASSWORD}))
    assert made["uri"].startswith("otpauth://totp/datalab:")
    assert client.username in made["uri"]
    assert f"secret={made['secret']}" in made["uri"]
    return pyotp.TOTP(made["secret"])


def code(totp: pyotp.TOTP, steps: int = 0) -> str:
    """The code that an authenticator shows so many half minutes from now. The next one counts already, and will do so
    however slow the test is; the one before might have gone."""
    return totp.at(int(time.time()) + 30 * steps)


async def in_force(client: Client) -> tuple[pyotp.TOTP, list[str]]:
    """A second factor whose next code still counts, and its recovery codes."""
    totp = await begin(client)
    answer = await client.done("POST", "/me/second-factor/confirm", {"code": code(totp)})
    return totp, list(plain(answer)["codes"])


async def log_in(place: Place, client: Client, *, password: str = PASSWORD, **more: str) -> Answer:
    return await place.nobody.request("POST", "/login", {"username": client.username, "password": password, **more})


async def test_a_factor_is_asked_for_once_it_was_confirmed(shared: Shared) -> None:
    ben = await shared.person(shared.fresh("ben.m"))
    wrong = await ben.request("POST", "/me/second-factor", {"password": "wrong password"})
    assert wrong.refusal == (403, "forbidden")
    early = await ben.request("POST", "/me/second-factor/confirm", {"code": "123456"})
    assert early.refusal == (422, "invalid")
    first = await begin(ben)
    totp = await begin(ben)
    assert totp.secret != first.secret, "beginning again starts over"
    for bad in (code(first), "000000" if code(totp) != "000000" else "111111", "x", code(totp, 5)):
        refused = await ben.request("POST", "/me/second-factor/confirm", {"code": bad})
        assert refused.refusal == (422, "invalid")
    assert plain(await ben.done("GET", "/me"))["second_factor"] is False
    assert (await log_in(shared, ben)).status == 200, "not asked for before it is confirmed"
    codes = plain(await ben.done("POST", "/me/second-factor/confirm", {"code": code(totp)}))["codes"]
    assert len(set(codes)) == 10
    shown = plain(await ben.done("GET", "/me"))
    assert (shown["second_factor"], shown["recovery_codes"]) == (True, 10)
    assert (await ben.request("POST", "/me/second-factor/confirm", {"code": code(totp, 1)})).refusal == (422, "invalid")
    assert (await ben.request("POST", "/me/second-factor", {"password": PASSWORD})).refusal == (409, "taken")
    needed = await log_in(shared, ben)
    assert needed.refusal == (401, "second-factor")
    assert "Set-Cookie" not in needed.headers
    assert (await log_in(shared, ben, code="000000")).refusal == (401, "second-factor")
    wrong = await log_in(shared, ben, password="wrong password", code=code(totp, 1))
    assert wrong.refusal == (401, "unauthenticated")
    answer = await log_in(shared, ben, code=f" {code(totp, 1)} ")
    assert answer.status == 200
    client = Client(shared.http, shared.server.url, ben.username, cookie_of(answer))
    assert (await client.request("GET", "/me")).status == 200


async def test_a_code_counts_once(shared: Shared) -> None:
    ben = await shared.person(shared.fresh("ben.m"))
    totp, _ = await in_force(ben)
    ahead = code(totp, 1)
    assert (await log_in(shared, ben, code=ahead)).status == 200
    assert (await log_in(shared, ben, code=ahead)).refusal == (401, "second-factor")
    assert (await log_in(shared, ben, code=code(totp))).refusal == (401, "second-factor"), "an earlier one is past too"


async def test_a_recovery_code_logs_in_once(shared: Shared) -> None:
    ben = await shared.person(shared.fresh("ben.m"))
    totp, codes = await in_force(ben)
    assert (await log_in(shared, ben, code=codes[3])).status == 200
    assert plain(await ben.done("GET", "/me"))["recovery_codes"] == 9
    assert (await log_in(shared, ben, code=codes[3])).refusal == (401, "second-factor")
    assert (await log_in(shared, ben, code=f" {codes[4][:8]} {codes[4][8:].upper()} ")).status == 200
    assert (await log_in(shared, ben, code=codes[5][:-1])).refusal == (401, "second-factor")
    assert (await log_in(shared, ben, code=code(totp, 1))).status == 200


async def test_a_code_may_be_typed_in_two_groups_everywhere(shared: Shared) -> None:
    ben = await shared.person(shared.fresh("ben.m"))
    totp = await begin(ben)
    shown = code(totp)
    await ben.done("POST", "/me/second-factor/confirm", {"code": f"{shown[:3]} {shown[3:]}"})
    shown = code(totp, 1)
    assert (await log_in(shared, ben, code=f"{shown[:3]} {shown[3:]}")).status == 200


async def test_a_factor_is_removed_with_the_password(shared: Shared) -> None:
    admin = await shared.known("ada.l")
    ben = await shared.person(shared.fresh("ben.m"))
    _, codes = await in_force(ben)
    refused = await ben.request("POST", "/me/second-factor/remove", {"password": "wrong password"})
    assert refused.refusal == (403, "forbidden")
    assert (await log_in(shared, ben)).refusal == (401, "second-factor")
    await ben.done("POST", "/me/second-factor/remove", {"password": PASSWORD})
    assert (await log_in(shared, ben)).status == 200
    await begin(ben)
    assert (await log_in(shared, ben)).status == 200
    lines = [line for entry in (await audit(admin, "/organisation")).entries for line in entry.details]
    assert f"{ben.username} put it in force" in lines
    assert f"{ben.username} removed it" in lines
    assert not any(code in str(lines) for code in codes)


async def test_secrets_are_shown_once_and_recovery_codes_stored_hashed(place: Place) -> None:
    ada = await place.person("ada.l")
    totp, codes = await in_force(ada)
    shown = [await ada.done("GET", path) for path in ("/me", "/organisation/people", "/organisation/audit")]
    assert not any(secret.encode() in answer.body for answer in shown for secret in (totp.secret, *codes))
    place.server.kill()
    stored = b"".join(file.read_bytes() for file in place.server.data.rglob("documents*") if file.is_file())
    assert ada.username.encode() in stored
    assert not any(secret.encode() in stored for secret in codes)
