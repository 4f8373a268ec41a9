"""Every address of the appliance, in one table."""

from aiohttp import web

from datalab.server import health, ingest, jobs, live, pages, registration_pages
from datalab.server.api.openapi import ENDPOINTS, openapi
from datalab.server.assets import Assets


def routes(assets: Assets) -> list[web.RouteDef]:
    """The table."""
    return [
        web.get("/", pages.apps_page),
        web.get("/login", pages.login_page),
        web.post("/login", pages.log_in),
        web.post("/logout", pages.log_out),
        web.get("/register", registration_pages.register_page),
        web.post("/register", registration_pages.register),
        web.get("/apps/{app}", pages.app_page),
        web.get("/apps/{app}/{section}", pages.section_page),
        web.post("/apps/{app}/jobs/{job}/cancel", jobs.cancel),
        web.get("/assets/{name}", assets.serve),
        web.get("/datalab.js", assets.serve_snippet),
        web.options("/api/v1/hello", ingest.preflight),
        web.post("/api/v1/hello", ingest.hello),
        web.options("/api/v1/events", ingest.preflight),
        web.post("/api/v1/events", ingest.events),
        web.get("/api/v1/open", ingest.open_socket),
        web.get("/api/v1/live", live.live),
        web.get("/api/v1/openapi.json", openapi),
        *(endpoint.route() for endpoint in ENDPOINTS),
        web.get("/healthz", health.healthz),
        web.get("/readyz", health.readyz),
        web.get("/metrics", health.metrics),
    ]
