"""Import and export of history."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from datalab.model.events import Position
from datalab.model.records import Record
from datalab.operations.apps import FullName
from datalab.services.export import Exported
from datalab.services.history import Imported
from datalab.services.services import Services


class BeginImport(Struct, frozen=True, tag=True):
    """Start an import of history."""

    app: FullName
    size: Annotated[int, Meta(ge=0)] | None = None
    """Bytes of the file, where that is known."""


async def begin_import(services: Services, asked: BeginImport) -> str:
    return await services.history.begin(services.directory.named(asked.app), asked.size)


class ImportRecords(Struct, frozen=True, tag=True):
    """A chunk of an import, in file order."""

    run: str
    records: msgspec.Raw
    """Msgpack of some (see `packed`): only the process that needs them takes them apart."""
    read: Annotated[int, Meta(ge=0)] = 0
    """Bytes of the file behind which they end."""


def packed(records: list[Record]) -> msgspec.Raw:
    """Records on their way."""
    return msgspec.Raw(msgspec.msgpack.encode(records))


async def import_records(services: Services, asked: ImportRecords) -> Imported:
    return await services.history.add(asked.run, asked.records, asked.read)


class EndImport(Struct, frozen=True, tag=True):
    """The end of an import; returns when it is in the figures."""

    run: str
    whole: bool = True
    """False where not all of the file was sent."""


async def end_import(services: Services, asked: EndImport) -> None:
    await services.history.end(asked.run, whole=asked.whole)


class ExportChunk(Struct, frozen=True, tag=True):
    """A part of a partition's events, from a position on."""

    app: FullName
    partition: int | None
    position: Position


async def export_chunk(services: Services, asked: ExportChunk) -> Exported:
    key = await services.export.find(services.directory.named(asked.app), asked.partition)
    return await services.export.chunk(key, asked.position)
