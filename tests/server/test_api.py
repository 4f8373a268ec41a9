"""The JSON API and the login form, with what browsers and others may send them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientSession

from datalab.model.figures import (
    Audience,
    Campaigns,
    Elements,
    FunnelFigures,
    Journey,
    LiveFigures,
    Overview,
    Pages,
    Retention,
    Surroundings,
)
from datalab.server.api.insights import ENDPOINTS
from tests.cli.history import APP, CONFIGURATION, PASSWORD, VISITS, add_app, add_user, good, good_json, ndjson
from tests.conftest import Server
from tests.server.client import Answer

TYPES = {
    "overview": Overview,
    "pages": Pages,
    "audience": Audience,
    "campaigns": Campaigns,
    "elements": Elements,
    "funnel": FunnelFigures,
    "journey": Journey,
    "surroundings": Surroundings,
    "retention": Retention,
    "live": LiveFigures,
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Place(NamedTuple):
    """A server with ada's public and private app, ben of the same organisation, and eve of another one."""

    server: Server
    public: str
    private: str
    http: ClientSession

    async def get(self, path: str, cookie: str | None = None, **headers: str) -> Answer:
        if cookie is not None:
            headers["Cookie"] = f"datalab_login={cookie}"
        async with self.http.get(self.server.url + path, headers=headers, allow_redirects=False) as response:
            return Answer(response.status, response.headers, await response.read())

    async def post(self, path: str, body: bytes, **headers: str) -> Answer:
        async with self.http.post(
            self.server.url + path, data=body, headers={**FORM, **headers}, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def log_in(self, username: str) -> str:
        answer = await self.post("/login", f"username={username}&password={PASSWORD.replace(' ', '+')}".encode())
        assert answer.status == 303
        return answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


class Prepared(NamedTuple):
    """A data directory to copy, and the ids of its apps."""

    data: Path
    public: str
    private: str


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    data = tmp_path_factory.mktemp("api") / "data"
    configuration = data.parent / "shop.toml"
    configuration.write_text(CONFIGURATION)
    add_app(data)
    add_user(data, "ben.m")
    add_user(data, "eve.o", "other.example")
    good("app", "config", APP, "--set", str(configuration), data=data)
    good("import", APP, "-", data=data, text=ndjson(VISITS))
    create = ("app", "create", "shop.example/private", "--private", "--owner", "ada.l", "--url", "http://b.example")
    return Prepared(data, good_json("app", "show", APP, data=data)["id"], good_json(*create, data=data)["id"])


@pytest.fixture
async def place(
    stored: Prepared, tmp_path: Path, start_server: Callable[..., Server], http: ClientSession
) -> AsyncIterator[Place]:
    shutil.copytree(stored.data, tmp_path / "data")
    server = await asyncio.to_thread(start_server, environment={"DATALAB_ACCOUNTS_LOGIN_ATTEMPTS": "3"})
    yield Place(server, stored.public, stored.private, http)


async def test_members_get_the_figures_others_learn_nothing(place: Place) -> None:
    cookies = {name: await place.log_in(name) for name in ("ada.l", "ben.m", "eve.o")}
    for what, kind in TYPES.items():
        path = f"/api/v1/apps/{place.public}/insights/{what}" + ("?route=/" if what == "surroundings" else "")
        answer = await place.get(path, cookies["ben.m"])
        assert answer.status == 200
        assert answer.read(kind).app == APP
        assert "no-store" in answer.headers["Cache-Control"]
        assert (await place.get(path)).refusal == (401, "unauthenticated")
        hidden = await place.get(path, cookies["eve.o"])
        unknown = await place.get(path.replace(place.public, "0" * 16), cookies["eve.o"])
        assert hidden.refusal == (404, "missing")
        assert hidden.body == unknown.body
    assert set(TYPES) == {endpoint.path.rpartition("/")[2] for endpoint in ENDPOINTS}
    seen = {
        name: [(await place.get(f"/apps/{app}", cookies[name])).status for app in (place.public, place.private)]
        for name in cookies
    }
    assert seen == {"ada.l": [200, 200], "ben.m": [200, 404], "eve.o": [404, 404]}
    assert place.private.encode() not in (await place.get("/", cookies["ben.m"])).body
    assert b"shop.example" not in (await place.get("/", cookies["eve.o"])).body


@pytest.mark.parametrize(
    ("what", "query", "status", "code"),
    [
        ("overview", "from=yesterday", 422, "invalid"),
        ("overview", "from=2026-09-22&to=2026-09-22", 422, "invalid"),
        ("overview", "to=" + "9" * 5000, 422, "invalid"),
        ("overview", "from=0001-01-01&to=9999-12-31", 422, "invalid"),
        ("pages", "from=2026-13-01", 422, "invalid"),
        ("funnel", "unit=clicks", 422, "invalid"),
        ("funnel", "order=backwards", 422, "invalid"),
        ("funnel", "funnel=Nobodys", 404, "missing"),
        ("funnel", "funnel=" + "x" * 5000, 422, "invalid"),
        ("funnel", "colour=red", 422, "invalid"),
        ("overview", "unit=visitors", 422, "invalid"),
        ("overview", "partition=7", 404, "missing"),
        ("overview", "partition=x", 422, "invalid"),
        ("pages", "from=2026-09-22&from=2026-09-23", 422, "invalid"),
        ("nothing", "", 404, "missing"),
    ],
)
async def test_bad_questions_are_refused(place: Place, what: str, query: str, status: int, code: str) -> None:
    cookie = await place.log_in("ada.l")
    answer = await place.get(f"/api/v1/apps/{place.public}/insights/{what}?{query}", cookie)
    assert answer.refusal == (status, code)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert len(answer.body) < 600


@pytest.mark.parametrize("cookie", ["", "x", "\udcff\udcfe", "a" * 4000, "%00"])
async def test_any_cookie_but_the_right_one_is_nobodys(place: Place, cookie: str) -> None:
    answer = await place.get(f"/api/v1/apps/{place.public}/insights/overview", cookie)
    assert answer.refusal == (401, "unauthenticated")
    assert (await place.get("/", cookie)).headers["Location"] == "/login"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 401),
        (b"username=ada.l", "application/x-www-form-urlencoded", 401),
        (b"username=ada.l%00&password=x", "application/x-www-form-urlencoded", 401),
        (b"username=%ff&password=%fe", "application/x-www-form-urlencoded", 401),
        (b"username=\xff&password=\xfe", "application/x-www-form-urlencoded", 422),
        (b"username=a&password=b", "application/x-www-form-urlencoded; charset=nonsense", 422),
        (b"username=" + b"a" * 65 + b"&password=b", "application/x-www-form-urlencoded", 422),
        (b"username=a&password=" + b"b" * 257, "application/x-www-form-urlencoded", 422),
        (b"x" * 20_000, "application/x-www-form-urlencoded", 422),
        (b'{"username": "a"}', "application/json", 422),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 422),
    ],
)
async def test_bad_forms_are_refused_with_a_page(place: Place, body: bytes, kind: str, status: int) -> None:
    answer = await place.post("/login", body, **{"Content-Type": kind})
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Set-Cookie" not in answer.headers
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]


async def test_one_answer_for_wrong_pairs_and_a_limit(place: Place) -> None:
    pages = []
    for username in ("ada.l", "nobody"):
        answer = await place.post("/login", f"username={username}&password=wrong".encode())
        assert answer.status == 401
        pages.append(answer.body.replace(username.encode(), b""))
    assert pages[0] == pages[1]
    await place.post("/login", b"username=ben.m&password=wrong")
    answer = await place.post("/login", f"username=ada.l&password={PASSWORD.replace(' ', '+')}".encode())
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({}, 303),
    ],
)
async def test_forms_of_other_sites_do_nothing(place: Place, headers: dict[str, str], status: int) -> None:
    cookie = await place.log_in("ada.l")
    answer = await place.post("/logout", b"", Cookie=f"datalab_login={cookie}", **headers)
    assert answer.status == status
    assert (await place.get("/", cookie)).status == (200 if status == 403 else 303)


async def test_the_cookie_follows_the_settings(
    tmp_path: Path, start_server: Callable[..., Server], http: ClientSession
) -> None:
    # The command line runs an event loop of its own, so on a thread.
    await asyncio.to_thread(add_user, tmp_path / "data")
    environment = {"DATALAB_SERVER_SECURE_COOKIES": "true", "DATALAB_ACCOUNTS_LOGIN_DAYS": "3"}
    server = await asyncio.to_thread(start_server, environment=environment)
    answer = await Place(server, "", "", http).post("/login", b"username=ada.l&password=correct+horse")
    cookie = answer.headers["Set-Cookie"]
    assert "; Secure" in cookie
    assert "; HttpOnly" in cookie
    assert "; Max-Age=259200" in cookie
    assert "; SameSite=Lax" in cookie
