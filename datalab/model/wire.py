"""Every message between snippet and server.

`snippet/PROTOCOL.md` shows an example of each; `snippet/src/wire.ts` mirrors it.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024
MAX_EVENTS_IN_MESSAGE = 1000

Sequence = Annotated[int, Meta(ge=1, le=2**32 - 2)]
Millis = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""The client's clock, milliseconds since the epoch; any value is accepted here and clamped by the gate."""
Text = Annotated[str, Meta(max_length=512, pattern=r"^[^\x00-\x1f]*(?!\n)$")]
Url = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^[^\x00-\x1f]*(?!\n)$")]
Pixels = Annotated[int, Meta(ge=0, le=65535)]
Elapsed = Annotated[int, Meta(ge=0, le=86_400_000)]
VisitorId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}(?!\n)$")]
PropertyValue = str | int | float | bool | None


class UrlChange(Struct, frozen=True, array_like=True, gc=False, tag="URLCHANGE"):
    """`["URLCHANGE", 1, 1764000000000, "https://shop.example/cart"]`: a page view."""

    sequence: Sequence
    time: Millis
    url: Url


class MouseClick(Struct, frozen=True, array_like=True, gc=False, tag="MOUSECLICK"):
    """`["MOUSECLICK", 2, 1764000000500, "main>button#buy", ["#buy"], 12, 8]`: target path, watched selectors that it
    or a parent matches, x, y in the element."""

    sequence: Sequence
    time: Millis
    target: Text
    matched: Annotated[list[Text], Meta(max_length=32)] = []
    x: Pixels = 0
    y: Pixels = 0


class MouseHover(Struct, frozen=True, array_like=True, gc=False, tag="MOUSEHOVER"):
    """`["MOUSEHOVER", 3, 1764000001000, "#buy", "hover-leave", 740]`: watched selector, how the episode ended,
    milliseconds it lasted."""

    sequence: Sequence
    time: Millis
    target: Text
    action: Literal["hover-click", "hover-leave"]
    elapsed: Elapsed


class MouseMove(Struct, frozen=True, array_like=True, gc=False, tag="MOUSEMOVE"):
    """`["MOUSEMOVE", 4, 1764000001500, 310, 220]`: page coordinates in CSS pixels."""

    sequence: Sequence
    time: Millis
    x: Pixels
    y: Pixels


class Custom(Struct, frozen=True, array_like=True, gc=False, tag="CUSTOM"):
    """`["CUSTOM", 5, 1764000002000, "signup", {"plan": "pro"}]`: name and flat properties."""

    sequence: Sequence
    time: Millis
    name: Text
    properties: Annotated[dict[Text, PropertyValue], Meta(max_length=32)] = {}


Event = UrlChange | MouseClick | MouseHover | MouseMove | Custom
EventList = Annotated[list[Event], Meta(max_length=MAX_EVENTS_IN_MESSAGE)]


class Hello(Struct, frozen=True, kw_only=True):
    """Body of `POST /api/v1/hello`; the app token travels in the header `x-datalab-token`."""

    version: Annotated[int, Meta(ge=1)] = VERSION
    session_start: Millis
    """The client's clock now; the server measures the clock offset with it."""
    page: Url
    referrer: Annotated[str, Meta(max_length=2048, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    language: Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f]*(?!\n)$")] = ""
    screen: Annotated[str, Meta(pattern=r"^([0-9]{1,5}x[0-9]{1,5})?(?!\n)$")] = ""
    visitor: VisitorId | None = None
    session: Annotated[str, Meta(max_length=256)] | None = None
    """The session string of an earlier welcome, to go on with its sequence numbers."""


class Watch(Struct, frozen=True, kw_only=True):
    """Selectors (CSS, or XPath starting with `/`) the snippet looks for."""

    clicks: list[str]
    hovers: list[str]


class Welcome(Struct, frozen=True, kw_only=True):
    """Answer to `hello`."""

    version: int = VERSION
    ticket: str
    """Opens the socket once, within 10 s: `GET /api/v1/open?ticket=...`."""
    visitor: str
    session: str
    """Opaque; identifies the stream of this page load, clock offset included, in `POST /api/v1/events` and in a later
    `hello`."""
    sequence: int
    """Highest sequence number of this session that is safely on disk; the next event's is one more at least."""
    server_time: int
    hash_routing: bool
    watch: Watch


class EventsMessage(Struct, frozen=True, tag_field="type", tag="events"):
    """`{"type": "events", "events": [...]}` on the socket, sequence numbers rising."""

    events: EventList


class Goodbye(Struct, frozen=True, tag_field="type", tag="goodbye"):
    """`{"type": "goodbye"}`: the page ends; presence ends with it."""


ClientMessage = EventsMessage | Goodbye


class PostedEvents(Struct, frozen=True, kw_only=True):
    """Body of `POST /api/v1/events`, sent as text/plain so that `sendBeacon` needs no preflight."""

    session: Annotated[str, Meta(max_length=256)]
    events: EventList


class Acknowledgement(Struct, frozen=True, tag_field="type", tag="ack"):
    """`{"type": "ack", "sequence": 17}`: everything up to 17 is on disk."""

    sequence: int


class Later(Struct, frozen=True, tag_field="type", tag="later"):
    """`{"type": "later", "code": "unavailable", "detail": "...", "retry_after": 5.0}`: events were not stored; keep
    them and try again."""

    code: str
    detail: str
    retry_after: float


class Rejected(Struct, frozen=True, tag_field="type", tag="rejected"):
    """`{"type": "rejected", "message": 3, "code": "malformed", "detail": "..."}`: the third message of this socket
    was dropped; do not send it again."""

    message: int
    """Counts the messages of this socket from 1."""
    code: str
    detail: str


class Stop(Struct, frozen=True, tag_field="type", tag="stop"):
    """`{"type": "stop", "code": "token-refused", "detail": "..."}`: send nothing more from this page."""

    code: str
    detail: str


ServerMessage = Acknowledgement | Later | Rejected | Stop

decode_client_message = msgspec.json.Decoder(ClientMessage).decode
decode_posted_events = msgspec.json.Decoder(PostedEvents).decode
decode_hello = msgspec.json.Decoder(Hello).decode
encode = msgspec.json.Encoder().encode
