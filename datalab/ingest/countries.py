"""The country of an address, from a file in MaxMind's format. The address itself is stored and logged nowhere."""

import logging
import os
import re
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Self

import maxminddb

from datalab.resources import ResourceMissing, locate

log = logging.getLogger(__name__)

OFF = "off"
FILE = "countries.mmdb"
ATTRIBUTION = "Countries: ip-location-db, with data of the Number Resource Organization (nro.net), CC BY 4.0"
"""Of the file that comes with datalab; its licences want it shown."""
MAX_ATTRIBUTION = 500
CODE = re.compile(r"[A-Za-z]{2}")
NO_COUNTRIES = frozenset({"AP", "EU", "XX", "ZZ"})
"""What files say of regions and of what they do not know."""


class Countries:
    """Asks the file; one that is missing or broken is logged once, and what it cannot say is no country.

    Read with pread, never mapped: a file that is overwritten meanwhile, or a bad sector, would end the process by a
    signal; and pages of a map would count as the appliance's memory.
    """

    def __init__(self, path: Path | None, attribution: str | None = None) -> None:
        """`attribution` is by default what the file says of itself."""
        self.attribution = ""
        """Whom to name where countries are shown; empty where there are none or nobody asks for it."""
        self._path = path
        self._warned = False
        self._reader: maxminddb.Reader | None = None
        self._versions: tuple[int, ...] = ()
        if path is None:
            return
        try:
            self._reader = open_database(path)
            metadata = self._reader.metadata()
            self._versions = (4, 6) if metadata.ip_version == 6 else (4,)
            self.attribution = description(metadata) if attribution is None else attribution
        except Exception as error:  # whatever reading a stranger's bytes may raise
            self._warn(str(error))
            self.close()

    @classmethod
    def chosen(cls, setting: str) -> Self:
        """The file that the setting `figures.country_database` means."""
        if setting == OFF:
            return cls(None)
        if setting:
            return cls(Path(setting))
        try:
            return cls(locate("countries/dist") / FILE, ATTRIBUTION)
        except ResourceMissing as missing:
            log.warning("visitors have no countries: %s", missing)
            return cls(None)

    def of(self, address: str | None) -> str:
        """Two letters of ISO 3166-1; empty where the country is not known, so for private and local addresses."""
        if self._reader is None or not address:
            return ""
        try:
            found = ip_address(address)
        except ValueError:
            return ""
        if isinstance(found, IPv6Address):
            found = found.ipv4_mapped or found
        # Files tell countries of private networks too.
        if not found.is_global or found.version not in self._versions:
            return ""
        try:
            return code_of(self._reader.get(found))
        except Exception as error:
            # The error's text may hold the address.
            self._warn(f"it is damaged ({type(error).__name__})")
            return ""

    def close(self) -> None:
        """Close the file."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _warn(self, reason: str) -> None:
        if not self._warned:
            log.warning("visitors have no countries, or some have none: %s: %s", self._path, printable(reason))
            self._warned = True


def open_database(path: Path) -> maxminddb.Reader:
    """A reader. Raises whatever a file that is none of this format may raise."""
    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    with path.open("rb") as file:
        # Into the kernel's cache, so that the first visitors need not wait for the disk.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
    return maxminddb.open_database(path, maxminddb.MODE_FILE)


def description(metadata: maxminddb.reader.Metadata) -> str:
    """What the file says of itself, in English where it does."""
    texts = metadata.description
    if not texts:
        return ""
    return printable(str(texts.get("en") or next(iter(texts.values()))))[:MAX_ATTRIBUTION]


def code_of(record: object) -> str:
    """The country in a record: `country_code`, or `country` as a code or with an `iso_code`, as files have it."""
    if not isinstance(record, dict):
        return ""
    country = record.get("country_code") or record.get("country")
    if isinstance(country, dict):
        country = country.get("iso_code")
    code = country.upper() if isinstance(country, str) and CODE.fullmatch(country) else ""
    return code if code not in NO_COUNTRIES else ""


def printable(text: str) -> str:
    """On one line, without control characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
