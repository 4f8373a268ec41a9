"""Hello: a page introduces itself with its app token and gets a stream, a ticket for the socket, and what to watch."""

import secrets
from weakref import WeakValueDictionary

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
    generation: int
    """Of the token that the page said hello with."""


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

    def write(self, stream: Stream, generation: int) -> str:
        """The stream's session string, under the token of a generation."""
        claims = SessionClaims(
            stream.app,
            stream.partition,
            stream.number,
            bytes.fromhex(stream.visitor),
            stream.started,
            stream.offset,
            generation,
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
    """The streams in use: one object each, so that all ways in share what was seen.

    Those of open sockets are known as long as they last; of the others the latest MAX. What was seen of one that was
    forgotten is asked of the figures again.
    """

    MAX = 20_000

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[str, int, int], Stream] = WeakValueDictionary()
        self._latest: dict[tuple[str, int, int], Stream] = {}

    def get(self, claims: SessionClaims) -> Stream | None:
        """The stream, if it is known."""
        stream = self._known.get((claims.app, claims.partition, claims.stream))
        return self.keep(stream) if stream is not None else None

    def keep(self, stream: Stream) -> Stream:
        """Remember a stream as the latest one used; the object already known under its name wins."""
        key = (stream.app, stream.partition, stream.number)
        stream = self._known.setdefault(key, stream)
        self._latest.pop(key, None)
        self._latest[key] = stream
        if len(self._latest) > self.MAX:
            del self._latest[next(iter(self._latest))]
        return stream


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

    async def open(self, app: App, hello: Hello, user_agent: str, country: str, intake: Intake) -> Stream:
        """A new stream, on disk. Raises Unavailable."""
        now = self._clock()
        visitor = hello.visitor or secrets.token_hex(16)
        opening = Opening(
            visitor=bytes.fromhex(visitor),
            started=now,
            context=Context(
                user_agent=user_agent,
                language=hello.language,
                referrer=hello.referrer,
                screen=hello.screen,
                country=country,
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

    def welcome(self, app: App, generation: int, stream: Stream, intake: Intake, stored: int) -> Welcome:
        """The answer, with a ticket for the stream's socket; `stored` is the highest sequence number on disk."""
        now = self._clock()
        configuration = app.configuration
        clicks = {stage.click for funnel in configuration.funnel for stage in funnel.stage if stage.click}
        elements = {element.selector for element in configuration.element}
        return Welcome(
            ticket=self._tickets.issue(Visit(app.id, generation, stream, intake), now),
            visitor=stream.visitor,
            session=self._sessions.write(stream, generation),
            sequence=stored,
            server_time=now,
            hash_routing=configuration.hash_routing,
            watch=Watch(clicks=sorted(clicks | elements), hovers=sorted(elements)),
        )
