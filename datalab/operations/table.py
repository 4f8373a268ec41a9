"""The table of operations, and how one is performed."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from datalab.errors import Invalid, Missing
from datalab.model.apps import App, IssuedToken
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
from datalab.model.jobs import Job
from datalab.model.trimming import readable
from datalab.operations.apps import (
    Configure,
    CreateApp,
    DeleteApp,
    DeletePartition,
    IssueToken,
    ListApps,
    ListPartitions,
    OneApp,
    RenewToken,
    RevokeToken,
    RotateToken,
    UnlockApp,
    configure,
    create_app,
    delete_app,
    delete_partition,
    issue_token,
    list_apps,
    list_partitions,
    renew_token,
    revoke_token,
    rotate_token,
    show_app,
    unlock_app,
)
from datalab.operations.history import (
    BeginImport,
    EndImport,
    ExportChunk,
    ImportRecords,
    begin_import,
    end_import,
    export_chunk,
    import_records,
)
from datalab.operations.jobs import (
    AskWhatIf,
    CancelJob,
    ListJobs,
    ShowJob,
    WhatIfAnswer,
    ask_what_if,
    cancel_job,
    list_jobs,
    show_job,
)
from datalab.operations.people import (
    AddUser,
    DisableUser,
    ListUsers,
    MakeKey,
    PersonShown,
    RemoveUser,
    SetPassword,
    add_user,
    disable_user,
    list_users,
    make_key,
    remove_user,
    set_password,
)
from datalab.operations.reports import (
    ReportAudience,
    ReportCampaigns,
    ReportElements,
    ReportFunnel,
    ReportJourney,
    ReportLive,
    ReportOverview,
    ReportPages,
    ReportRetention,
    ReportSurroundings,
    report_audience,
    report_campaigns,
    report_elements,
    report_funnel,
    report_journey,
    report_live,
    report_overview,
    report_pages,
    report_retention,
    report_surroundings,
)
from datalab.operations.segments import (
    DeleteSegment,
    ListSegments,
    OneSegment,
    SetSegment,
    delete_segment,
    list_segments,
    set_segment,
    show_segment,
)
from datalab.services.api_keys import KeyMade
from datalab.services.archive import PartitionShown
from datalab.services.export import Exported
from datalab.services.history import Imported
from datalab.services.segments import SegmentShown
from datalab.services.services import Services

A = TypeVar("A", bound=Struct)
R = TypeVar("R")


class Operation(Generic[A, R]):
    """An entry of the table: what is asked, what is answered, and by whom."""

    def __init__(self, asked: type[A], answered: Any, run: Callable[[Services, A], Awaitable[R]]) -> None:
        self.asked = asked
        self.answered = answered
        self.run = run


OPERATIONS: dict[str, Operation[Any, Any]] = {
    operation.asked.__name__: operation
    for operation in (
        Operation(AddUser, PersonShown, add_user),
        Operation(ListUsers, list[PersonShown], list_users),
        Operation(SetPassword, None, set_password),
        Operation(DisableUser, PersonShown, disable_user),
        Operation(RemoveUser, PersonShown, remove_user),
        Operation(MakeKey, KeyMade, make_key),
        Operation(CreateApp, App, create_app),
        Operation(ListApps, list[App], list_apps),
        Operation(OneApp, App, show_app),
        Operation(Configure, App, configure),
        Operation(DeleteApp, None, delete_app),
        Operation(UnlockApp, App, unlock_app),
        Operation(ListPartitions, list[PartitionShown], list_partitions),
        Operation(DeletePartition, None, delete_partition),
        Operation(IssueToken, IssuedToken, issue_token),
        Operation(RenewToken, IssuedToken, renew_token),
        Operation(RotateToken, IssuedToken, rotate_token),
        Operation(RevokeToken, App, revoke_token),
        Operation(ListSegments, list[SegmentShown], list_segments),
        Operation(OneSegment, SegmentShown, show_segment),
        Operation(SetSegment, SegmentShown, set_segment),
        Operation(DeleteSegment, None, delete_segment),
        Operation(BeginImport, str, begin_import),
        Operation(ImportRecords, Imported, import_records),
        Operation(EndImport, None, end_import),
        Operation(ExportChunk, Exported, export_chunk),
        Operation(ReportOverview, Overview, report_overview),
        Operation(ReportPages, Pages, report_pages),
        Operation(ReportAudience, Audience, report_audience),
        Operation(ReportCampaigns, Campaigns, report_campaigns),
        Operation(ReportElements, Elements, report_elements),
        Operation(ReportFunnel, FunnelFigures, report_funnel),
        Operation(ReportJourney, Journey, report_journey),
        Operation(ReportSurroundings, Surroundings, report_surroundings),
        Operation(ReportRetention, Retention, report_retention),
        Operation(ReportLive, LiveFigures, report_live),
        Operation(AskWhatIf, WhatIfAnswer, ask_what_if),
        Operation(ListJobs, list[Job], list_jobs),
        Operation(ShowJob, Job, show_job),
        Operation(CancelJob, Job, cancel_job),
    )
}


async def perform(services: Services, name: str, body: bytes) -> bytes:
    """Do what was asked, both ways in msgpack; raises Refusal."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise Missing(f"there is no operation {name[:80]!r}; client and server are of different versions")
    try:
        asked = msgspec.msgpack.decode(body, type=operation.asked)
    except msgspec.DecodeError as error:
        raise Invalid(readable(operation.asked, error)) from None
    return msgspec.msgpack.encode(await operation.run(services, asked))
