"""The appliance: the one place where settings, stores, services, workers and server are wired together."""

import fcntl
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from aiohttp import web

from datalab.clock import Clock, system_clock
from datalab.errors import InUse, Occupied, Refusal
from datalab.ingest.countries import Countries
from datalab.ingest.presence import Presence
from datalab.keys import Keys
from datalab.server.application import web_application
from datalab.server.control import control_application
from datalab.server.request_log import request_log
from datalab.services.accounts import Accounts
from datalab.services.api_keys import ApiKeys
from datalab.services.apps import Apps
from datalab.services.archive import Archive
from datalab.services.audit import Audit
from datalab.services.changes import Changes
from datalab.services.configurations import Configurations
from datalab.services.directory import Directory
from datalab.services.export import Export
from datalab.services.history import History
from datalab.services.ingest import Ingest
from datalab.services.insights import Insights
from datalab.services.jobs import Jobs
from datalab.services.locks import Locks
from datalab.services.logins import Logins
from datalab.services.members import Members
from datalab.services.notifications import Notifications
from datalab.services.partitions import Partitions
from datalab.services.passwords import Passwords
from datalab.services.registrations import Registrations
from datalab.services.replays import Replays
from datalab.services.second_factor import SecondFactors
from datalab.services.segments import Segments
from datalab.services.services import Services
from datalab.services.tabs import Tabs
from datalab.services.tokens import Tokens
from datalab.services.what_if import WhatIfs
from datalab.settings import Settings
from datalab.stores.embedded.documents import EmbeddedDocuments
from datalab.stores.embedded.journal import EmbeddedJournal
from datalab.workers.aggregation import Aggregation
from datalab.workers.expressions import check_expressions
from datalab.workers.processes import Processes
from datalab.workers.runner import Runner

CONTROL_SOCKET = "control.sock"
MAX_LINE_BYTES = 32 * 1024
"""Of a request's first line: a segment of 2,000 characters takes 24,000 where each is written as twelve."""
SHUTDOWN_SECONDS = 5.0
LOCK = "lock"
RETRY_SECONDS = 10.0
"""How often what the disk refused is tried again."""
WARNING_SECONDS = 10.0
"""How often tokens that end soon are looked for."""
IMPORTS_SECONDS = 60.0
"""How often imports whose clients are gone are looked for."""
MAX_SOCKET_PATH = 107
"""Bytes that Linux allows for the path of a socket file."""


@asynccontextmanager
async def opened(data: Path, settings: Settings, clock: Clock = system_clock) -> AsyncIterator[Services]:
    """All services on a data directory that no other process works on. Raises InUse, Unavailable."""
    os.umask(0o077)  # whatever is written from here on is for the data's owner only
    async with AsyncExitStack() as stack:
        stack.callback(os.close, take_lock(data))
        keys = load_keys(data / "keys")
        documents = await EmbeddedDocuments.open(data / "documents.sqlite")
        stack.push_async_callback(documents.close)
        journal = EmbeddedJournal(data)
        stack.push_async_callback(journal.close)
        aggregation = Aggregation(journal, data / "snapshots")
        stack.push_async_callback(aggregation.close)
        countries = Countries.chosen(settings.figures.country_database)
        stack.callback(countries.close)
        runner = Runner()
        stack.push_async_callback(runner.stop)
        directory, tabs, tokens = Directory(documents), Tabs(), Tokens(keys.tokens, settings.tokens)
        await directory.load()
        processes, jobs = Processes(), Jobs(tabs, clock)
        stack.push_async_callback(processes.close)
        stack.push_async_callback(jobs.close)
        directory.watch(jobs.follow)
        replays = Replays(data, data / "snapshots", processes, jobs, clock)
        partitions = Partitions(documents, directory, journal, aggregation, runner, settings, clock, replays)
        stack.push_async_callback(partitions.close)
        await partitions.open_all()
        runner.start("partitions", partial(runner.every, RETRY_SECONDS, partitions.carry_out_left))
        runner.start("snapshots", partial(runner.every, settings.figures.snapshot_minutes * 60, aggregation.save))
        changes = Changes(documents, directory, tabs, clock)
        passwords, presence = Passwords(), Presence()
        logins = Logins(changes, passwords, settings.accounts, clock)
        locks = Locks(changes, directory, tokens, partitions, settings.tokens, clock)
        ingest = Ingest(directory, tokens, partitions, aggregation, keys.sessions, settings.ingest, clock)
        directory.watch(ingest.recheck)
        configurations = Configurations(changes, directory, partitions, check_expressions)
        history = History(data, directory, locks, partitions, jobs, clock)
        stack.push_async_callback(history.close)
        runner.start("imports", partial(runner.every, IMPORTS_SECONDS, history.forget_abandoned))
        runner.start("token expiry", partial(runner.every, 1.0, ingest.recheck))
        runner.start("token warnings", partial(runner.every, WARNING_SECONDS, locks.warn))
        yield Services(
            accounts=Accounts(changes, tabs),
            logins=logins,
            registrations=Registrations(changes, passwords, settings.accounts, clock),
            second_factors=SecondFactors(changes, logins),
            api_keys=ApiKeys(changes, clock),
            notifications=Notifications(changes),
            audit=Audit(changes),
            tabs=tabs,
            directory=directory,
            apps=Apps(changes, partitions),
            configurations=configurations,
            segments=Segments(changes),
            locks=locks,
            members=Members(changes),
            archive=Archive(changes, partitions),
            partitions=partitions,
            presence=presence,
            countries=countries,
            ingest=ingest,
            insights=Insights(partitions, aggregation, presence, countries.attribution, clock),
            jobs=jobs,
            what_ifs=WhatIfs(data, configurations, partitions, aggregation, processes, jobs),
            history=history,
            export=Export(journal, data, clock),
            clock=clock,
        )


def load_keys(folder: Path) -> Keys:
    """Raises Refusal."""
    try:
        return Keys(folder)
    except (OSError, ValueError) as error:
        raise Refusal(f"the appliance's keys cannot be used: {error}") from None


def take_lock(data: Path) -> int:
    """The lock's file descriptor; it is let go when that is closed, also by a crash. Raises InUse, Refusal."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refusal(f"the data directory {data} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise InUse(f"another datalab works on {data}") from None
    return handle


@asynccontextmanager
async def serving(
    services: Services, settings: Settings, data: Path, more: dict[int, web.Application] | None = None
) -> AsyncIterator[int]:
    """Answer requests while the context lasts; the port. `more` are further sites by port."""
    async with AsyncExitStack() as stack:
        control = await started(stack, control_application(services))
        path = data / CONTROL_SOCKET
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            raise Refusal(
                f"the path {data} is too long for the socket file in it; choose a data directory with a shorter"
            )
        path.unlink(missing_ok=True)
        await web.UnixSite(control, str(path)).start()
        path.chmod(0o600)
        stack.callback(path.unlink, missing_ok=True)
        site = await started(stack, web_application(services, settings))
        port = await listen(site, settings.server.host, settings.server.port)
        for number, application in (more or {}).items():
            await listen(await started(stack, application), settings.server.host, number)
        yield port


async def started(stack: AsyncExitStack, application: web.Application) -> web.AppRunner:
    """A runner that stops with the stack."""
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=request_log(),
        shutdown_timeout=SHUTDOWN_SECONDS,
        auto_decompress=False,
        max_line_size=MAX_LINE_BYTES,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Start answering; the port, which is chosen where 0 was asked for. Raises Occupied."""
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        raise Occupied(f"cannot answer on {host} port {port}: {error.strerror}; choose another with --port") from None
    found: int = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    return found


def lan_addresses() -> list[str]:
    """Names and addresses under which this machine may be reached, best for people first."""
    found = ["localhost", "127.0.0.1", socket.gethostname(), f"{socket.gethostname()}.local"]
    with suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    # No packet is sent: connecting a datagram socket only asks the kernel which address it would use.
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found.append(probe.getsockname()[0])
    return list(dict.fromkeys(found))
