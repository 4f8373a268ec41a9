"""The country of an address: from files as their makers write them, broken ones, and the one that comes along."""

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from datalab.ingest import countries as countries_module
from datalab.ingest.countries import ATTRIBUTION, FILE, Countries
from datalab.resources import ResourceMissing, locate
from tests.ingest.mmdb import mmdb

SWISS = "129.132.0.0/16"
HERE = {
    SWISS: {"country_code": "CH"},
    "130.225.0.0/16": {"country_code": "DK"},
    "192.168.0.0/16": {"country_code": "AU"},
    "127.0.0.0/8": {"country_code": "AU"},
    "2001:620::/32": {"country_code": "CH"},
    "2001:db8::/32": {"country_code": "JP"},
    "fe80::/10": {"country_code": "JP"},
}


Make = Callable[..., Countries]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "any.mmdb"


@pytest.fixture
def made(file: Path) -> Iterator[Make]:
    """Writes a file and opens it."""
    opened: list[Countries] = []

    def make(data: bytes, attribution: str | None = None) -> Countries:
        file.write_bytes(data)
        opened.append(Countries(file, attribution))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def faults(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]


@pytest.fixture
def here(made: Make) -> Countries:
    return made(mmdb(HERE))


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("129.132.19.216", "CH"),
        ("129.132.0.0", "CH"),
        ("129.132.255.255", "CH"),
        ("129.133.0.0", ""),
        ("130.225.1.1", "DK"),
        ("::ffff:130.225.1.1", "DK"),
        ("2001:620::1", "CH"),
        ("2001:620:ffff:ffff:ffff:ffff:ffff:ffff", "CH"),
        ("2001:621::", ""),
        ("8.8.8.8", ""),
        ("192.168.0.1", ""),
        ("127.0.0.1", ""),
        ("::ffff:192.168.0.1", ""),
        ("::1", ""),
        ("::", ""),
        ("0.0.0.0", ""),
        ("2001:db8::1", ""),
        ("fe80::1", ""),
        ("fe80::1%eth0", ""),
        ("", ""),
        (None, ""),
        ("shop.example", ""),
        ("129.132.19", ""),
        ("129.132.19.216:80", ""),
        ("129.132.19.216\n", ""),
    ],
)
def test_the_country_of_an_address(
    here: Countries, address: str | None, country: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert here.of(address) == country
    assert faults(caplog) == []


@pytest.mark.parametrize(
    ("record", "country"),
    [
        ({"country_code": "CH"}, "CH"),
        ({"country_code": "ch", "country": "Switzerland"}, "CH"),
        ({"country": "CH", "country_name": "Switzerland"}, "CH"),
        ({"continent": {"code": "EU"}, "country": {"iso_code": "CH", "geoname_id": 2658434}}, "CH"),
        ({"country": {"geoname_id": 2658434}}, ""),
        ({"registered_country": {"iso_code": "US"}}, ""),
        ({"country": "Switzerland"}, ""),
        ({"country_code": "EU"}, ""),
        ({"country_code": "ZZ"}, ""),
        ({"country_code": ""}, ""),
        ({"country_code": "C"}, ""),
        ({"country_code": "C1"}, ""),
        ({"country_code": "CH\n"}, ""),
        ({"country_code": "ÄÖ"}, ""),
        ({"country_code": "ß"}, ""),
        ({"country_code": 756}, ""),
        ({"country_code": ["CH"]}, ""),
        ({}, ""),
        ("CH", ""),
        (["CH"], ""),
    ],
)
def test_records_in_the_forms_that_files_have(record: Any, country: str, made: Make) -> None:
    assert made(mmdb({SWISS: record})).of("129.132.19.216") == country


def test_a_file_of_ipv4_alone_knows_no_others(made: Make, caplog: pytest.LogCaptureFixture) -> None:
    narrow = made(mmdb({SWISS: {"country_code": "CH"}}, version=4))
    assert [narrow.of(address) for address in ("129.132.1.1", "::ffff:129.132.1.1", "2001:620::1")] == ["CH", "CH", ""]
    assert faults(caplog) == []


@pytest.mark.parametrize(
    ("description", "attribution"),
    [
        ({}, ""),
        ({"en": "Countries by Somebody, CC BY 4.0"}, "Countries by Somebody, CC BY 4.0"),
        ({"de": "Länder", "en": "Countries"}, "Countries"),
        ({"de": "Länder"}, "Länder"),
        ({"en": "a\n b\x00\x1b[31mc\u202e"}, "a b [31mc"),
        ({"en": "x" * 2000}, "x" * 500),
    ],
)
def test_whom_to_name_is_said_by_the_file(description: dict[str, str], attribution: str, made: Make) -> None:
    data = mmdb(HERE, description=description)
    assert made(data).attribution == attribution
    assert made(data, "Somebody").attribution == "Somebody"


def test_none_and_off_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    for none in (Countries(None), Countries.chosen("off")):
        assert (none.of("129.132.19.216"), none.attribution) == ("", "")
        none.close()
    assert faults(caplog) == []


@pytest.mark.parametrize(
    "data", [None, b"", b"\0", b"no database", b"\xab\xcd\xefMaxMind.com", mmdb(HERE)[:-9], "folder"]
)
def test_a_missing_or_broken_file_is_one_line_in_the_log(
    data: bytes | str | None, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(data, bytes):
        file.write_bytes(data)
    elif data == "folder":
        file.mkdir()
    broken = Countries.chosen(str(file))
    assert [broken.of("129.132.19.216") for _ in range(3)] == [""] * 3
    assert broken.attribution == ""
    (line,) = faults(caplog)
    assert line.startswith(f"visitors have no countries, or some have none: {file}: ")
    assert "\n" not in line


def test_names_that_no_file_can_have(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a\0b", "x" * 4096):
        assert Countries.chosen(name).of("129.132.19.216") == ""
    assert len(faults(caplog)) == 2


@pytest.mark.parametrize("left", [0, 1, 100, mmdb(HERE).index(b"country_code")])
def test_a_file_that_is_cut_off_while_it_is_open_ends_nothing(
    left: int, file: Path, made: Make, caplog: pytest.LogCaptureFixture
) -> None:
    cut = made(mmdb(HERE))
    assert cut.of("129.132.19.216") == "CH"
    file.write_bytes(file.read_bytes()[:left])
    assert [cut.of(address) for address in ("129.132.19.216", "130.225.1.1", "2001:620::1")] == [""] * 3
    assert len(faults(caplog)) <= 1
    assert not any("129.132" in line for line in faults(caplog))


def test_a_file_that_is_replaced_while_it_is_open_is_read_on(file: Path, made: Make) -> None:
    found = made(mmdb(HERE))
    file.unlink()
    file.write_bytes(b"another")
    assert found.of("129.132.19.216") == "CH"


def test_whatever_is_in_a_file_the_answer_is_a_country_or_none(made: Make, caplog: pytest.LogCaptureFixture) -> None:
    chance, good = random.Random(20261125), mmdb(HERE, description={"en": "Countries"})
    for _ in range(500):
        data = bytearray(good)
        for _ in range(chance.choice([1, 1, 3, 30])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        caplog.clear()
        broken = made(bytes(data))
        for address in ("129.132.19.216", "130.225.1.1", "2001:620::1", "8.8.8.8"):
            found = broken.of(address)
            assert found == "" or (len(found) == 2 and found.isascii() and found.isupper())
        broken.close()
        assert len(faults(caplog)) <= 1
        assert not any(word in line for line in faults(caplog) for word in ("129.132.19", "130.225", "8.8.8"))


def test_closing_twice_and_asking_afterwards(here: Countries) -> None:
    here.close()
    here.close()
    assert here.of("129.132.19.216") == ""


def test_where_nothing_was_built_there_are_no_countries(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nowhere(name: str) -> Path:
        raise ResourceMissing(f"{name} is missing: build it")

    monkeypatch.setattr(countries_module, "locate", nowhere)
    none = Countries.chosen("")
    assert (none.of("129.132.19.216"), none.attribution) == ("", "")
    assert faults(caplog) == ["visitors have no countries: countries/dist is missing: build it"]


@pytest.fixture(scope="module")
def packaged() -> Iterator[Countries]:
    try:
        path = locate("countries/dist") / FILE
    except ResourceMissing as missing:
        pytest.skip(str(missing))
    assert path.is_file()
    with closing(Countries.chosen("")) as found:
        yield found


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("129.132.19.216", "CH"),  # ETH Zürich
        ("141.20.1.1", "DE"),  # Humboldt-Universität zu Berlin
        ("193.0.6.139", "NL"),  # RIPE NCC
        ("200.160.2.3", "BR"),  # NIC.br
        ("2001:67c:2e8:22::c100:68b", "NL"),
        ("::ffff:129.132.19.216", "CH"),
        ("192.168.0.1", ""),
        ("172.16.0.1", ""),
        ("127.0.0.1", ""),
        ("203.0.113.7", ""),
        ("2001:db8::1", ""),
    ],
)
def test_the_file_that_comes_along(
    packaged: Countries, address: str, country: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert packaged.of(address) == country
    assert faults(caplog) == []


def test_its_makers_are_named_as_their_licences_want(packaged: Countries) -> None:
    assert packaged.attribution == ATTRIBUTION
    licence = (locate("countries/dist") / "NRO_LICENSE").read_text()
    assert "Creative Commons Attribution 4.0" in licence
    assert "nro.net" in licence
    assert "CC BY 4.0" in ATTRIBUTION
    assert "nro.net" in ATTRIBUTION
