"""Who may send events: hello, socket and posted events, checked against the app as it is now."""

import asyncio
from weakref import WeakSet

from datalab.clock import Clock
from datalab.errors import Missing, SessionRefused, TokenRefused, Unavailable
from datalab.ingest.gate import Stream
from datalab.ingest.hello import Reception, SessionClaims, Sessions, Streams, Visit, stream_of
from datalab.ingest.intake import Intake
from datalab.ingest.tickets import Tickets
from datalab.keys import Key
from datalab.model.apps import App
from datalab.model.wire import Hello, PostedEvents, Welcome
from datalab.services.directory import Directory
from datalab.services.partitions import Partitions, key_of
from datalab.services.tokens import Tokens, check, check_origin
from datalab.settings import Ingest as IngestSettings
from datalab.workers.aggregation import Aggregation


class Posted:
    """Waits for the disk on behalf of a request."""

    def __init__(self) -> None:
        self._done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def stored(self, sequence: int) -> None:
        """Everything posted is on disk."""
        if not self._done.done():
            self._done.set_result(sequence)

    async def later(self, refusal: Unavailable) -> None:
        """The disk refuses."""
        if not self._done.done():
            self._done.set_exception(refusal)

    async def wait(self) -> int:
        """The highest sequence number on disk. Raises Unavailable."""
        return await self._done


class Ingest:
    """The way in for events."""

    def __init__(
        self,
        directory: Directory,
        tokens: Tokens,
        partitions: Partitions,
        aggregation: Aggregation,
        key: Key,
        settings: IngestSettings,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._partitions = partitions
        self._aggregation = aggregation
        self._clock = clock
        self._sessions = Sessions(key)
        self._streams = Streams()
        self._visits: dict[tuple[str, int], WeakSet[Visit]] = {}
        """By app and generation of the token, since these are no longer valid together."""
        self._tickets: Tickets[Visit] = Tickets(settings.ticket_seconds * 1000)
        self._reception = Reception(self._sessions, self._tickets, clock)

    async def hello(self, token: str, origin: str | None, user_agent: str, hello: Hello, country: str = "") -> Welcome:
        """Raises TokenRefused, WrongOrigin, SessionRefused, TooMany, Unavailable."""
        claims = self._tokens.read(token)
        app = self._app(claims.app)
        check(app, claims.generation, self._clock())
        check_origin(app, origin)
        intake = await self._partitions.intake(app)
        if hello.session is None:
            opened = await self._reception.open(app, hello, user_agent, country, intake)
            stream, stored = self._streams.keep(opened), 0
        else:
            session = self._sessions.read(hello.session)
            if session.app != app.id or session.partition != app.partition:
                raise SessionRefused("the session belongs to another app or an earlier partition; say hello again")
            stream = await self._stream(session, app)
            stored = await self._stored(stream, intake)
        return self._reception.welcome(app, claims.generation, stream, intake, stored)

    async def _stored(self, stream: Stream, intake: Intake) -> int:
        """The stream's highest sequence number, once it is on disk. Raises Unavailable."""
        highest = stream.seen.high
        receiver = Posted()
        intake.take(stream, [], receiver)
        await receiver.wait()
        return highest

    def open(self, ticket: str, origin: str | None) -> Visit:
        """What a ticket opens. Raises TicketRefused, TokenRefused, WrongOrigin."""
        visit = self._tickets.redeem(ticket, self._clock())
        app = self._app(visit.app)
        check(app, visit.generation, self._clock())
        check_origin(app, origin)
        self._visits.setdefault((visit.app, visit.generation), WeakSet()).add(visit)
        return visit

    async def recheck(self, old: App | None = None, new: App | None = None) -> None:
        """Mark the visits whose token is no longer valid, after a change of an app and as time goes by."""
        now = self._clock()
        for (id, generation), visits in list(self._visits.items()):
            try:
                check(self._app(id), generation, now)
            except TokenRefused as refusal:
                for visit in list(visits):
                    visit.refusal = refusal
            if not visits:
                del self._visits[id, generation]

    async def post(self, origin: str | None, posted: PostedEvents) -> int:
        """Store events that came in a request; the highest sequence number on disk.

        Raises SessionRefused, TokenRefused, WrongOrigin, Unavailable.
        """
        session = self._sessions.read(posted.session)
        app = self._app(session.app)
        check(app, session.generation, self._clock())
        check_origin(app, origin)
        if session.partition != app.partition:
            raise SessionRefused("the session belongs to an earlier partition; say hello again")
        stream = await self._stream(session, app)
        intake = await self._partitions.intake(app)
        await intake.room()
        receiver = Posted()
        intake.take(stream, posted.events, receiver)
        return await receiver.wait()

    async def _stream(self, session: SessionClaims, app: App) -> Stream:
        stream = self._streams.get(session)
        if stream is None:
            seen = await self._aggregation.seen(key_of(app), session.stream)
            if seen is None:
                raise SessionRefused("the session is not known any more; say hello again")
            stream = self._streams.keep(stream_of(session, seen))
        return stream

    def _app(self, id: str) -> App:
        try:
            return self._directory.get(id)
        except Missing:
            raise TokenRefused("the app of this token does not exist any more") from None
