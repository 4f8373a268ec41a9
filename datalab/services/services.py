"""All services, as handlers and operations see them."""

from dataclasses import dataclass

from datalab.clock import Clock
from datalab.ingest.countries import Countries
from datalab.ingest.presence import Presence
from datalab.services.accounts import Accounts
from datalab.services.api_keys import ApiKeys
from datalab.services.apps import Apps
from datalab.services.archive import Archive
from datalab.services.audit import Audit
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
from datalab.services.registrations import Registrations
from datalab.services.second_factor import SecondFactors
from datalab.services.segments import Segments
from datalab.services.tabs import Tabs
from datalab.services.what_if import WhatIfs


@dataclass(frozen=True)
class Services:
    """Made once, by the appliance."""

    accounts: Accounts
    logins: Logins
    registrations: Registrations
    second_factors: SecondFactors
    api_keys: ApiKeys
    notifications: Notifications
    audit: Audit
    tabs: Tabs
    directory: Directory
    apps: Apps
    configurations: Configurations
    segments: Segments
    locks: Locks
    members: Members
    archive: Archive
    partitions: Partitions
    presence: Presence
    countries: Countries
    ingest: Ingest
    insights: Insights
    jobs: Jobs
    what_ifs: WhatIfs
    history: History
    export: Export
    clock: Clock
