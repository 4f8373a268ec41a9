"""Hello: a page introduces itself with its app token and gets a stream, a ticket for the socket, and what to watch."""

import secrets

import msgspec

from datalab.clock import Clock
from datalab.errors import Refusal, SessionRefused
from datalab.ingest.gate import Stream
from datalab.ingest.intake import Intake
from datalab.ingest.tickets import Tickets
from datalab.keys import Key
from datalab.model.apps import App
from datalab.model.events import Context, Opening
from datalab.model.sequences import Seen
from datalab.model.wire import Hello, Watch, Welcome


class SessionClaims(msgspec.Struct, frozen=True, array_like=True):
    """What the opaque session string of the wire says."""

    app: str
    partition: int
    stream: int
    visitor: bytes
    started: int
    offset: int


class Visit(msgspec.Struct, eq=False, weakref=True):
    """What a ticket opens: a stream of an app, under the token of a generation."""

    app: str
    generation: int
    stream: Stream
    intake: Intake
    refusal: Refusal | None = None
    """Why nothing more is taken: the token was revoked, replaced or has expired."""


class Sessions:
    """Makes and reads session strings."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def write(self, stream: Stream) -> str:
        """The stream's session string."""
        claims = SessionClaims(
            stream.app, stream.partition, stream.number, bytes.fromhex(stream.visitor), stream.started, stream.offset
        )
        return self._key.sign(msgspec.msgpack.encode(claims))

    def read(self, text: str) -> SessionClaims:
        """Raises SessionRefused where this appliance did not sign it."""
        payload = self._key.read(text)
        if payload is None:
            raise SessionRefused("the session string was not made by this appliance; say hello again")
        try:
            return msgspec.msgpack.decode(payload, type=SessionClaims)
        except msgspec.DecodeError:
            raise SessionRefused("the session string is of a kind this appliance does not know") from None


class Streams:
    """The streams that are or were lately in use: one object each, so that all ways in share what was seen.

    Bounded by forgetting the longest unused; what was seen of those is asked of the figures again.
    """

    MAX = 50_000

    def __init__(self) -> None:
        self._streams: dict[tuple[str, int, int], Stream] = {}

    def get(self, claims: SessionClaims) -> Stream | None:
        """The stream, now the most recently used."""
        key = (claims.app, claims.partition, claims.stream)
        stream = self._streams.pop(key, None)
        if stream is not None:
            self._streams[key] = stream
        return stream

    def keep(self, stream: Stream) -> Stream:
        """Remember a stream; the one already known under its name wins."""
        kept = self._streams.setdefault((stream.app, stream.partition, stream.number), stream)
        if len(self._streams) > self.MAX:
            del self._streams[next(iter(self._streams))]
        return kept


def stream_of(claims: SessionClaims, seen: Seen) -> Stream:
    """A stream from its session string."""
    return Stream(
        app=claims.app,
        partition=claims.partition,
        number=claims.stream,
        visitor=claims.visitor.hex(),
        started=claims.started,
        offset=claims.offset,
        seen=seen,
    )


class Reception:
    """Answers hellos that were let in (token and origin are checked before)."""

    def __init__(self, sessions: Sessions, tickets: Tickets[Visit], clock: Clock) -> None:
        self._sessions = sessions
        self._tickets = tickets
        self._clock = clock

    async def open(self, app: App, hello: Hello, user_agent: str, intake: Intake) -> Stream:
        """A new stream, on disk. Raises Unavailable."""
        now = self._clock()
        visitor = hello.visitor or secrets.token_hex(16)
        opening = Opening(
            visitor=bytes.fromhex(visitor),
            started=now,
            context=Context(
                user_agent=user_agent, language=hello.language, referrer=hello.referrer, screen=hello.screen
            ),
        )
        number = await intake.open_stream(opening)
        return Stream(
            app=app.id,
            partition=intake.partition.number,
            number=number,
            visitor=visitor,
            started=now,
            offset=now - hello.session_start,
            seen=Seen(),
        )

    def welcome(self, app: App, generation: int, stream: Stream, intake: Intake) -> Welcome:
        """The answer, with a ticket for the stream's socket."""
        now = self._clock()
        configuration = app.configuration
        clicks = {stage.click for funnel in configuration.funnel for stage in funnel.stage if stage.click}
        elements = {element.selector for element in configuration.element}
        return Welcome(
            ticket=self._tickets.issue(Visit(app.id, generation, stream, intake), now),
            visitor=stream.visitor,
            session=self._sessions.write(stream),
            sequence=stream.seen.high,
            server_time=now,
            hash_routing=configuration.hash_routing,
            watch=Watch(clicks=sorted(clicks | elements), hovers=sorted(elements)),
        )
