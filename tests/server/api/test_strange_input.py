"""Strange names, paths and bodies: refused as documented, and no file outside of the data directory."""

import asyncio
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from datalab.server.api.endpoint import Endpoint
from datalab.server.api.openapi import ENDPOINTS
from tests.server.api.place import Client, Place
from tests.server.api.shared import Shared
from tests.server.client import PASSWORD

WITH_NAMES = [endpoint for endpoint in ENDPOINTS if "{" in endpoint.path]
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]
PATHS = [
    "%2e%2e",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fkeys%2ftokens.key",
    "..%5c..%5ckeys",
    "%252e%252e%252f",
    "%00",
    "ada.l%00",
    "%0d%0aSet-Cookie:%20a=b",
    "%ED%A0%80",
    "%ff%fe",
    "%E2%80%AEada.l",
    "%E2%80%8B",
    "%D0%B0da.l",
    "%EF%BD%81da.l",
    "%20",
    "-1",
    "1e3",
    "0x1",
    "%D9%A1",
    "9" * 190,
    "0" * 20 + "9" * 160,
    "a" * 201,
    "a" * 6000,
    "$ne",
    "{}",
    "organisation:shop.example",
]
"""Of nothing that exists, percent-encoded."""
INVISIBLE = [
    "\u202e",
    "\u200f",
    "\u200e",
    "\u200b",
    "\ufeff",
    "\u2066",
    "\u2028",
    "\u0085",
    "\x7f",
    "\x00",
    "\n",
    "\x1b",
]
"""Marks of writing direction, zero-width blanks, line ends and control characters."""
DEEP = b"[" * 50_000 + b"]" * 50_000
HUGE = b"9" * 5000


def endpoint_id(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


class MyApp(Struct):
    """An app's address."""

    id: str


async def app_of(client: Client) -> str:
    """The id of a person's app, made when it is first needed."""
    apps = (await client.done("GET", "/apps")).read(list[MyApp])
    return apps[0].id if apps else (await client.app("Shop")).id


@pytest.mark.parametrize("endpoint", WITH_NAMES, ids=endpoint_id)
async def test_strange_names_in_paths_are_of_nothing(endpoint: Endpoint, shared: Shared) -> None:
    ada = await shared.known("ada.l")
    outside = files_outside(shared)
    app = await app_of(ada)
    names = re.findall(r"{(\w+)}", endpoint.path)
    answers = {}
    for strange in PATHS:
        for name in names:
            filled = {other: app if other == "app" else "1" for other in names} | {name: strange}
            path = re.sub(r"{(\w+)}", lambda found, filled=filled: filled[found[1]], endpoint.path)
            query = (
                {"confirm": "shop.example/Shop"}
                if endpoint.method == "DELETE" and endpoint.query.__struct_fields__
                else None
            )
            answer = await ada.request(endpoint.method, path, {} if endpoint.body else None, query)
            answers[name, strange] = answer.status
            assert "a=b" not in answer.headers.get("Set-Cookie", "")
            assert len(answer.body) < 1500
    assert {key: status for key, status in answers.items() if status not in (404, 422)} == {}
    assert files_outside(shared) == outside


def files_outside(place: Place) -> set[Path]:
    """Everything beside the data directory."""
    data = place.server.data
    return {path for path in data.parent.rglob("*") if data not in path.parents}


@pytest.mark.parametrize("mark", INVISIBLE, ids=ascii)
async def test_names_have_no_invisible_characters(mark: str, shared: Shared) -> None:
    """Else two things that look the same are not, and a name that is typed to confirm cannot be typed."""
    ada = await shared.known("ada.l")
    app = await app_of(ada)
    new = {"name": "New", "urls": ["http://a.example"], "tags": ["a"]}
    person = {"first_name": "N", "last_name": "N", "password": PASSWORD}
    element = {"revision": 0, "value": [{"name": f"a{mark}b", "selector": "#buy"}]}
    tries: dict[str, tuple[str, str, Any]] = {
        "app": ("POST", "/apps", {**new, "name": f"Sh{mark}op"}),
        "tag": ("POST", "/apps", {**new, "tags": [f"a{mark}b"]}),
        "url": ("POST", "/apps", {**new, "urls": [f"http://a{mark}b.example"]}),
        "first name": ("PUT", "/me", {"first_name": f"a{mark}b", "last_name": "N"}),
        "last name": ("PUT", "/me", {"first_name": "N", "last_name": f"a{mark}b"}),
        "position": ("PUT", "/me", {"first_name": "N", "last_name": "N", "position": f"a{mark}b"}),
        "key": ("POST", "/me/keys", {"name": f"a{mark}b"}),
        "element": ("PUT", f"/apps/{app}/configuration/elements", element),
        "segment": ("POST", f"/apps/{app}/segments", {"name": f"a{mark}b", "text": "visit is new"}),
        "organisation": ("POST", "/register", {**person, "username": "new.o", "organisation": f"a{mark}b.example"}),
        "user name": ("POST", "/register", {**person, "username": f"new{mark}x", "organisation": "a.example"}),
    }
    statuses = {name: (await ada.request(*request)).status for name, request in tries.items()}
    assert {name: status for name, status in statuses.items() if status != 422} == {}


@pytest.mark.parametrize("name", ["..", ".", "../x", "a/b", "..\\x", "%2e%2e%2fx", "CON", "a" * 61, "", " ", "\ud800"])
async def test_the_name_of_an_app_is_no_path(name: str, shared: Shared) -> None:
    ada = await shared.known("ada.l")
    outside = files_outside(shared)
    answer = await ada.request("POST", "/apps", {"name": name, "urls": ["http://a.example"], "tags": ["a"]})
    if "/" in name or not name.strip() or len(name) > 60 or name == "\ud800":
        assert answer.refusal == (422, "invalid")
        return
    assert answer.status == 201
    made = json.loads(answer.body)
    full_name = f"shop.example/{name}"
    assert made["full_name"] == full_name
    await ada.done("POST", f"/apps/{made['id']}/token", {"confirm": full_name})
    await ada.done("POST", f"/apps/{made['id']}/unlock", {"confirm": full_name})
    await ada.done("DELETE", f"/apps/{made['id']}", query={"confirm": full_name})
    assert files_outside(shared) == outside


LOOK_ALIKE = ["ѕhop.example", "shop.examp1e", "shop.example.", "ｓhop.example", "shop.exampIe"]


@pytest.mark.parametrize("organisation", LOOK_ALIKE, ids=ascii)
async def test_an_organisation_that_looks_like_another_opens_nothing_of_it(organisation: str, shared: Shared) -> None:
    ada = await shared.known("ada.l")
    app = await app_of(ada)
    name = shared.fresh("eve.")
    new = {"username": name, "organisation": organisation, "first_name": "E", "last_name": "E", "password": PASSWORD}
    answer = await shared.nobody.request("POST", "/register", new)
    if answer.status != 201:
        assert answer.refusal == (422, "invalid")
        return
    eve = await shared.log_in(name)
    assert (await eve.request("GET", f"/apps/{app}")).refusal == (404, "missing")
    assert (await eve.done("GET", "/apps")).body == b"[]"
    assert b"ada.l" not in (await eve.done("GET", "/organisation/people")).body


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=endpoint_id)
async def test_bodies_that_are_none_are_refused(endpoint: Endpoint, shared: Shared) -> None:
    ada = await shared.known("ada.l")
    names = {"app": await app_of(ada), "username": "nobody.o", "segment": "none"}
    path = re.sub(r"{(\w+)}", lambda found: names[found[1]], endpoint.path)
    fields = list(endpoint.body.__struct_fields__) if isinstance(endpoint.body, type) else []
    bodies = {
        "empty": b"",
        "no JSON": b"first_name=Ada",
        "cut off": b'{"a": ',
        "after it": b"{} {}",
        "not UTF-8": b'{"a": "\xff"}',
        "half a pair": b'{"a": "\\ud800"}',
        "deep lists": DEEP,
        "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "huge number": HUGE,
        "huge exponent": b'{"a": 1e999999}',
        "list": b"[]",
        "null": b"null",
        "number": b"1",
        "text": b'"text"',
        "unknown member": json.dumps(dict.fromkeys(fields, "x") | {"surplus": True}).encode(),
        **{f"deep {field}": b'{"%s": %s}' % (field.encode(), DEEP) for field in fields},
        **{f"huge {field}": b'{"%s": %s}' % (field.encode(), HUGE) for field in fields},
        **{f"endless {field}": json.dumps({field: "x" * 600_000}).encode() for field in fields},
        **{f"null {field}": json.dumps({field: {"a": None}}).encode() for field in fields},
    }
    answers = {name: await ada.request(endpoint.method, path, body) for name, body in bodies.items()}
    assert {name: answer.status for name, answer in answers.items() if answer.status != 422} == {}
    for answer in answers.values():
        assert answer.refusal == (422, "invalid")
        assert len(answer.body) < 1500


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=endpoint_id)
async def test_only_json_of_a_megabyte_at_most_is_read(endpoint: Endpoint, shared: Shared) -> None:
    ada = await shared.known("ada.l")
    names = {"app": await app_of(ada), "username": "nobody.o", "segment": "none"}
    path = re.sub(r"{(\w+)}", lambda found: names[found[1]], endpoint.path)
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
    ):
        answer = await ada.request(endpoint.method, path, b"{}", None, {"Content-Type": kind})
        assert answer.refusal == (422, "invalid"), kind
    assert (await ada.request(endpoint.method, path, b'"' + b"a" * 1024 * 1024 + b'"')).refusal == (413, "too-large")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_compressed_body_is_refused_or_read_within_the_bound(coding: str, shared: Shared) -> None:
    ada = await shared.known("ada.l")
    for body in (b"nothing compressed", zlib.compress(b'"' + b"a" * 50_000_000 + b'"')):
        answer = await ada.request("PUT", "/me", body, None, {"Content-Encoding": coding})
        assert 400 <= answer.status < 500, answer
    assert (await ada.request("GET", "/me")).status == 200


@pytest.mark.parametrize("agent", [b"\xff\xfe", b"a" * 4000, "\u202e".encode(), b"<script>"], ids=repr)
async def test_any_browser_can_log_in(agent: bytes, shared: Shared) -> None:
    await shared.known("ada.l")
    body = json.dumps({"username": "ada.l", "password": PASSWORD}).encode()
    head = f"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    # By hand, since clients send no such header.
    reader, writer = await asyncio.open_connection("127.0.0.1", shared.server.port)
    writer.write(head.encode() + b"Content-Type: application/json\r\nUser-Agent: " + agent + b"\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
