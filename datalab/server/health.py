"""For operators: liveness, readiness, counters."""

from aiohttp import web

from datalab.server.context import SERVICES, SOCKETS


async def healthz(request: web.Request) -> web.Response:
    """Answers while the event loop turns."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """503 while an app's partition could not be opened or its disk refuses; which and why is told by the log."""
    troubled = len(request.app[SERVICES].partitions.troubles())
    return web.Response(
        text=f"{troubled} of the apps take no events; the log says which and why\n" if troubled else "ready\n",
        status=503 if troubled else 200,
    )


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    services = request.app[SERVICES]
    gate = services.partitions.gate
    lines = [
        "# HELP datalab_events_accepted_total Events let through the gate.",
        "# TYPE datalab_events_accepted_total counter",
        f"datalab_events_accepted_total {gate.accepted}",
        "# HELP datalab_dropped_total Events and messages dropped, by reason.",
        "# TYPE datalab_dropped_total counter",
        *(f'datalab_dropped_total{{reason="{reason}"}} {count}' for reason, count in sorted(gate.dropped.items())),
        "# HELP datalab_sockets Open websockets.",
        "# TYPE datalab_sockets gauge",
        f"datalab_sockets {len(request.app[SOCKETS])}",
        "# HELP datalab_partition_events Events in the figures of all open partitions.",
        "# TYPE datalab_partition_events gauge",
        f"datalab_partition_events {sum(services.insights.now(app).events for app in services.directory.all())}",
    ]
    return web.Response(text="\n".join(lines) + "\n", content_type="text/plain", charset="utf-8")
