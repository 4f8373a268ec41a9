"""All services, as handlers and operations see them."""

from dataclasses import dataclass

from datalab.clock import Clock
from datalab.ingest.presence import Presence
from datalab.services.accounts import Accounts
from datalab.services.apps import Apps
from datalab.services.history import History
from datalab.services.ingest import Ingest
from datalab.services.insights import Insights
from datalab.services.partitions import Partitions
from datalab.services.tokens import Tokens


@dataclass(frozen=True)
class Services:
    """Made once, by the appliance."""

    accounts: Accounts
    apps: Apps
    tokens: Tokens
    partitions: Partitions
    presence: Presence
    ingest: Ingest
    insights: Insights
    history: History
    clock: Clock
