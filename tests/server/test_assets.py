import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, request, web
from aiohttp.test_utils import TestServer
from yarl import URL

from datalab.resources import ResourceMissing
from datalab.server.assets import Assets, accepted_codings

STYLE = b"body{margin:0}" * 40
SCRIPT = b"console.log(1);" * 40


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build leaves, with something beside it that nobody may read."""
    (tmp_path / "web").mkdir()
    (tmp_path / "snippet").mkdir()
    (tmp_path / "secret.js").write_text("secret")
    (tmp_path / "web/unlisted.js").write_text("secret")
    (tmp_path / "web/manifest.json").write_text('{"app.css": "app-1a2b.css", "icon.png": "icon-3c4d.png"}')
    for path, content in (("web/app-1a2b.css", STYLE), ("snippet/datalab.js", SCRIPT)):
        (tmp_path / path).write_bytes(content)
        (tmp_path / f"{path}.gz").write_bytes(gzip.compress(content))
        (tmp_path / f"{path}.br").write_bytes(b"brotli of " + content)
    (tmp_path / "web/icon-3c4d.png").write_bytes(b"\x89PNG")
    return tmp_path


@pytest.fixture
def assets(built: Path) -> Assets:
    return Assets.load(built / "web", built / "snippet")


@pytest.fixture
async def address(assets: Assets) -> AsyncIterator[URL]:
    app = web.Application()
    app.router.add_get("/assets/{name}", assets.serve)
    app.router.add_get("/datalab.js", assets.serve_snippet)
    async with TestServer(app) as server:
        yield server.make_url("")


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session:
        yield session


def test_an_asset_is_named_by_its_plain_name(assets: Assets) -> None:
    assert assets.url("app.css") == "/assets/app-1a2b.css"
    with pytest.raises(KeyError):
        assets.url("app.js")


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [
        ("gzip, deflate, br", "br", b"brotli of " + STYLE),
        ("gzip", "gzip", gzip.compress(STYLE, mtime=0)),
        ("br;q=0, gzip;q=0.5", "gzip", gzip.compress(STYLE, mtime=0)),
        ("identity", None, STYLE),
        ("", None, STYLE),
        ("brx, ;;,=", None, STYLE),
    ],
)
async def test_an_asset_comes_in_the_coding_the_client_takes(
    client: ClientSession, address: URL, assets: Assets, accepted: str, coding: str | None, body: bytes
) -> None:
    async with client.get(address / assets.url("app.css")[1:], headers={"Accept-Encoding": accepted}) as answer:
        received = await answer.read()
        assert answer.status == 200
        assert answer.headers.get("Content-Encoding") == coding
        assert (gzip.decompress(received) if coding == "gzip" else received) == (
            gzip.decompress(body) if coding == "gzip" else body
        )
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_does_not_compress_comes_as_it_is(client: ClientSession, address: URL) -> None:
    async with client.get(address / "assets/icon-3c4d.png", headers={"Accept-Encoding": "br"}) as answer:
        assert await answer.read() == b"\x89PNG"
        assert answer.headers["Content-Type"] == "image/png"
        assert "Content-Encoding" not in answer.headers


async def test_head_answers_without_a_body(client: ClientSession, address: URL) -> None:
    async with client.head(address / "assets/app-1a2b.css") as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(STYLE)))
        assert await answer.read() == b""


@pytest.mark.parametrize(
    "path",
    [
        "/assets/app.css",
        "/assets/unlisted.js",
        "/assets/manifest.json",
        "/assets/app-1a2b.css.br",
        "/assets/../secret.js",
        "/assets/..%2fsecret.js",
        "/assets/%2e%2e%2fsecret.js",
        "/assets/..%5csecret.js",
        "/assets//etc/passwd",
        "/assets/%2fetc%2fpasswd",
        "/assets/app-1a2b.css%00",
    ],
)
async def test_what_is_not_in_the_table_is_not_found(client: ClientSession, address: URL, path: str) -> None:
    async with client.get(URL(f"{str(address).rstrip('/')}{path}", encoded=True)) as answer:
        assert answer.status == 404
        assert b"secret" not in await answer.read()


async def test_the_snippet_is_for_every_origin_and_for_minutes(client: ClientSession, address: URL) -> None:
    async with client.get(address / "datalab.js", headers={"Accept-Encoding": "br"}) as answer:
        assert await answer.read() == b"brotli of " + SCRIPT
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_snippet_that_is_known_is_not_sent_again(client: ClientSession, address: URL) -> None:
    async with client.get(address / "datalab.js") as answer:
        tag = answer.headers["ETag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        async with client.get(address / "datalab.js", headers={"If-None-Match": known}) as answer:
            assert (answer.status, await answer.read()) == (304, b""), known
            assert answer.headers["ETag"] == tag
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Cache-Control"] == "public, max-age=300"
    async with client.get(address / "datalab.js", headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200


async def test_another_snippet_has_another_tag(built: Path) -> None:
    tags = set()
    for content in ("one", "two"):
        (built / "snippet/datalab.js").write_text(content)
        app = web.Application()
        app.router.add_get("/datalab.js", Assets.load(built / "web", built / "snippet").serve_snippet)
        async with TestServer(app) as server, request("GET", server.make_url("/datalab.js")) as answer:
            tags.add(answer.headers["ETag"])
    assert len(tags) == 2


@pytest.mark.parametrize("lost", ["web/manifest.json", "web/app-1a2b.css", "snippet/datalab.js"])
def test_what_was_not_built_is_named_with_what_to_do(built: Path, lost: str) -> None:
    (built / lost).unlink()
    with pytest.raises(ResourceMissing, match=rf"{Path(lost).name}.*run python scripts/build_assets\.py"):
        Assets.load(built / "web", built / "snippet")


def test_a_manifest_that_is_none_is_named(built: Path) -> None:
    (built / "web/manifest.json").write_text('{"app.css": 1}')
    with pytest.raises(ResourceMissing, match=r"manifest\.json is not usable"):
        Assets.load(built / "web", built / "snippet")


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, br", {"gzip", "br"}),
        ("GZIP;q=1.0, br; q = 0.000", {"gzip"}),
        ("br;q=0.01", {"br"}),
        ("br;q=", set()),
    ],
)
def test_accepted_codings(header: str, accepted: set[str]) -> None:
    assert accepted_codings(header) == accepted
