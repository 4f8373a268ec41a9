"""The OpenAPI 3.1 document, made from the table of endpoints and the types that validate their requests."""

import re
from typing import Any

import msgspec
from aiohttp import web

from datalab import __version__
from datalab.server.api import account, apps, insights, jobs, members, organisation, segments, tokens, what_if
from datalab.server.api.endpoint import Endpoint, Nothing
from datalab.server.middleware import Problem

ENDPOINTS: list[Endpoint] = [
    *account.ENDPOINTS,
    *organisation.ENDPOINTS,
    *apps.ENDPOINTS,
    *tokens.ENDPOINTS,
    *members.ENDPOINTS,
    *segments.ENDPOINTS,
    *insights.ENDPOINTS,
    *what_if.ENDPOINTS,
    *jobs.ENDPOINTS,
]
REFERENCE = "#/components/schemas/{name}"
PROBLEM = {
    "description": "Refused; `code` is stable, `detail` says what was wrong and what to do",
    "content": {"application/problem+json": {"schema": {"$ref": REFERENCE.format(name="Problem")}}},
}


def document() -> dict[str, Any]:
    """The document, as plain values ready for JSON."""
    kinds = ((endpoint.body, endpoint.answer, endpoint.later) for endpoint in ENDPOINTS)
    types = [kind for kinds_of_one in kinds for kind in kinds_of_one if kind is not None]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=REFERENCE)
    schema_of = dict(zip(map(repr, [*types, Problem]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(f"/api/v1{endpoint.path}", {})[endpoint.method.lower()] = operation(endpoint, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "datalab", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "login": {"type": "apiKey", "in": "cookie", "name": "datalab_login"},
                "key": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def operation(endpoint: Endpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    """One method of one path."""
    described: dict[str, Any] = {
        "operationId": f"{endpoint.run.__module__.rpartition('.')[2]}-{endpoint.method.lower()}-"
        + re.sub(r"[^a-z0-9]+", "-", endpoint.path.lower()).strip("-"),
        "summary": endpoint.summary,
        "tags": [endpoint.run.__module__.rpartition(".")[2]],
        "security": [] if endpoint.open else [{"login": []}, {"key": []}],
        "parameters": parameters(endpoint),
        "responses": {"default": PROBLEM},
    }
    if endpoint.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[repr(endpoint.body)]}},
        }
    if endpoint.answer is None:
        described["responses"]["204"] = {"description": "Done"}
    else:
        schema = schema_of[repr(endpoint.answer)]
        described["responses"][str(endpoint.status)] = {
            "description": endpoint.summary,
            "content": {endpoint.media: {"schema": schema}},
        }
    if endpoint.later is not None:
        described["responses"]["202"] = {
            "description": "It takes a while; ask for the job",
            "content": {"application/json": {"schema": schema_of[repr(endpoint.later)]}},
        }
    return described


def parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Of path and query."""
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 200}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    if endpoint.query is not Nothing:
        (_,), components = msgspec.json.schema_components([endpoint.query])
        schema = components[endpoint.query.__name__]
        required = schema.get("required", [])
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": kind}
            for name, kind in schema["properties"].items()
        ]
    return found


async def openapi(request: web.Request) -> web.Response:
    """`GET /api/v1/openapi.json`."""
    return web.Response(
        body=msgspec.json.encode(document()), content_type="application/json", headers={"Cache-Control": "no-cache"}
    )
