"""The files browsers load, held in memory: the dashboard's under hashed names for ever, the snippet for minutes."""

import hashlib
from pathlib import Path
from typing import Final, Self

import msgspec
from aiohttp import hdrs, web

from datalab.resources import ResourceMissing

FOREVER: Final = "public, max-age=31536000, immutable"
MINUTES: Final = "public, max-age=300"
MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
"""Content codings in order of preference, with the ending of the file that holds each."""


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its plain content and what was compressed at build time, by content coding."""

    media_type: str
    plain: bytes
    encoded: dict[str, bytes]
    version: str
    """SHA-256 of the plain content, hex."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file and its compressed forms; raises ResourceMissing."""
        try:
            plain = path.read_bytes()
        except OSError as error:
            raise ResourceMissing(
                f"{path} cannot be read ({error.strerror}): run python scripts/build_assets.py"
            ) from None
        compressed = {coding: Path(f"{path}{ending}") for coding, ending in ENCODINGS.items()}
        return cls(
            media_type=MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
            plain=plain,
            encoded={coding: file.read_bytes() for coding, file in compressed.items() if file.is_file()},
            version=hashlib.sha256(plain).hexdigest(),
        )

    def respond(self, request: web.Request, headers: dict[str, str]) -> web.Response:
        """The content in the best coding that the client takes."""
        accepted = accepted_codings(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
        coding = next((coding for coding in self.encoded if coding in accepted), None)
        headers = headers | {
            hdrs.CONTENT_TYPE: self.media_type,
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
            "X-Content-Type-Options": "nosniff",
        }
        if coding is None:
            return web.Response(body=self.plain, headers=headers)
        return web.Response(body=self.encoded[coding], headers=headers | {hdrs.CONTENT_ENCODING: coding})


def accepted_codings(header: str) -> set[str]:
    """The codings an `Accept-Encoding` header names without forbidding them."""
    accepted = set()
    for part in header.lower().split(","):
        coding, *parameters = (word.strip().replace(" ", "") for word in part.split(";"))
        if not any(word.startswith("q=") and word[2:].strip("0.") == "" for word in parameters):
            accepted.add(coding)
    return accepted


class Assets:
    """All files, by the name in their address; what is not in the table is not found, whatever lies on the disk."""

    def __init__(self, files: dict[str, Asset], names: dict[str, str], snippet: Asset) -> None:
        self._files = files
        self._names = names
        self._snippet = snippet

    @classmethod
    def load(cls, web_dist: Path, snippet_dist: Path) -> Self:
        """Read everything the build made; raises ResourceMissing where it made nothing."""
        manifest = web_dist / "manifest.json"
        try:
            names = msgspec.json.decode(manifest.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError) as error:
            raise ResourceMissing(f"{manifest} is not usable ({error}): run python scripts/build_assets.py") from None
        files = {hashed: Asset.read(web_dist / hashed) for hashed in names.values()}
        return cls(files, names, Asset.read(snippet_dist / "datalab.js"))

    def url(self, name: str) -> str:
        """Address of an asset by its plain name, such as `app.css`; raises KeyError for one that was not built."""
        return f"/assets/{self._names[name]}"

    async def serve(self, request: web.Request) -> web.Response:
        """`GET /assets/{name}`: the name carries the content's hash, so the answer never changes."""
        asset = self._files.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound(text="There is no asset of this name.")
        return asset.respond(request, {hdrs.CACHE_CONTROL: FOREVER})

    async def serve_snippet(self, request: web.Request) -> web.Response:
        """`GET /datalab.js`, for pages of any origin."""
        version = self._snippet.version[:32]
        headers = {
            hdrs.CACHE_CONTROL: MINUTES,
            # Weak, because the compressed forms are the same script in other bytes.
            hdrs.ETAG: f'W/"{version}"',
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if any(tag.value in {version, "*"} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers | {hdrs.VARY: hdrs.ACCEPT_ENCODING})
        return self._snippet.respond(request, headers)
