"""The OpenAPI document: valid, complete, and true of a real server."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import pytest
import schemathesis
from aiohttp import ClientSession, DummyCookieJar
from hypothesis import HealthCheck, Phase, given, settings
from msgspec import Struct
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from datalab.resources import locate
from datalab.server.api.openapi import ENDPOINTS, document
from datalab.server.assets import Assets
from datalab.server.routes import routes
from tests.conftest import Server
from tests.server.api.place import ENVIRONMENT, Client, Place

OTHERS = {"/api/v1/hello", "/api/v1/events", "/api/v1/open", "/api/v1/live", "/api/v1/openapi.json"}
"""What the snippet and the dashboard's socket speak, written down elsewhere; and the document itself."""
EXAMPLES = 20
"""For each operation."""
ENDS_THE_LOG_IN = {"/logout", "/me/password", "/me/logins", "/me/logins/{login}", "/login", "/me/second-factor/remove"}
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


def operations() -> list[Any]:
    """All that is described, without the ways to prove who asks: these tests prove that themselves."""
    written = document()
    del written["components"]["securitySchemes"]
    for methods in written["paths"].values():
        for operation in methods.values():
            operation["security"] = []
    return [found.ok() for found in schemathesis.openapi.from_dict(written).get_all_operations()]


def test_the_document_is_valid() -> None:
    written = json.loads(json.dumps(document()))
    assert [str(error) for error in OpenAPIV31SpecValidator(written).iter_errors()] == []
    names = [operation["operationId"] for methods in written["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for methods in written["paths"].values() for operation in methods.values())


def test_the_document_has_every_route_of_the_api() -> None:
    table = routes(Assets.load(locate("web/dist"), locate("snippet/dist")))
    served = {
        (route.method, route.path) for route in table if route.path.startswith("/api/v1/") and route.path not in OTHERS
    }
    described = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert described == served
    assert served == {(endpoint.method, f"/api/v1{endpoint.path}") for endpoint in ENDPOINTS}


def structs(kind: Any) -> Iterator[type[Struct]]:
    """Those that a type is made of, without what they are made of in turn."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
    for part in get_args(kind):
        yield from structs(part)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_the_document_describes_what_an_endpoint_reads_and_answers(endpoint: Any) -> None:
    written = document()
    operation = written["paths"][f"/api/v1{endpoint.path}"][endpoint.method.lower()]
    in_path = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]
    in_query = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
    assert in_path == [part.strip("{}") for part in endpoint.path.split("/") if part.startswith("{")]
    assert in_query == set(endpoint.query.__struct_encode_fields__)
    assert ("requestBody" in operation) == (endpoint.body is not None)
    for kind in [*structs(endpoint.body), *structs(endpoint.answer)]:
        described = written["components"]["schemas"][kind.__name__]
        assert set(described["properties"]) == set(kind.__struct_encode_fields__)
    for kind in structs(endpoint.body):
        # What is refused when sent is not allowed by the document either.
        assert written["components"]["schemas"][kind.__name__].get("additionalProperties") is False


class City(NamedTuple):
    """A server with an organisation's admin, who owns an app of which somebody is a member."""

    server: Server
    ada: Client
    locked: str
    unlocked: str
    """Ids of apps."""
    segment: str

    def leaver(self) -> Client:
        """Somebody whose log-in may end."""

        async def again() -> Client:
            async with ClientSession(cookie_jar=DummyCookieJar()) as http:
                return await Place(self.server, http).log_in("cem.n")

        return asyncio.run(again())


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    async def arrive() -> City:
        async with ClientSession(cookie_jar=DummyCookieJar()) as http:
            place = Place(server, http)
            ada = await place.person("ada.l")
            await place.person("ben.m")
            await place.person("cem.n")
            locked, unlocked = await ada.app("Shop", private=True), await ada.app("Other")
            await ada.done("POST", f"/apps/{locked.id}/invitations", {"usernames": ["ben.m"]})
            await ada.done("POST", f"/apps/{locked.id}/token", {"confirm": locked.full_name})
            saved = await ada.done("POST", f"/apps/{locked.id}/segments", {"name": "New", "text": "visit is new"})
            return City(server, ada, locked.id, unlocked.id, json.loads(saved.body)["id"])

    server = Server(tmp_path_factory.mktemp("city") / "data", environment=ENVIRONMENT)
    yield asyncio.run(arrive())
    server.kill()


@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        (operation, mode)
        for operation in operations()
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or operation.body or operation.query
    ],
    ids=lambda value: value.value if isinstance(value, GenerationMode) else value.label,
)
def test_a_real_server_keeps_to_the_document(city: City, operation: Any, mode: GenerationMode) -> None:
    """What fits the document and what does not is answered as declared, and never by a failure."""
    client = city.leaver() if operation.path.removeprefix("/api/v1") in ENDS_THE_LOG_IN else city.ada
    app = city.unlocked if "/configuration" in operation.path else city.locked
    known = {"app": app, "username": "ben.m", "number": "1", "segment": city.segment}
    names = {name: known[name] for name in known if f"{{{name}}}" in operation.path}
    cases = operation.as_strategy(generation_mode=mode, path_parameters=names or None)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def tried(case: schemathesis.Case) -> None:
        response = case.call(base_url=city.server.url, headers=client.headers)
        case.validate_response(response, checks=list(CHECKS))
        assert response.status_code != 401 or operation.path == "/api/v1/login"

    tried()
