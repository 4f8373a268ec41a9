"""From a page's context to the audience's dimensions."""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct
from ua_parser import parse

from datalab.model.events import Context

UNKNOWN = "(unknown)"
DIRECT = "(direct)"
TABLETS = ("ipad", "tablet", "kindle", "silk/", "playbook")
PHONES = ("iphone", "ipod", "mobile", "windows phone", "opera mini")
COMPUTER_SYSTEMS = frozenset(
    {
        "Windows",
        "Mac OS X",
        "Linux",
        "Ubuntu",
        "Debian",
        "Fedora",
        "Chrome OS",
        "FreeBSD",
        "OpenBSD",
        "NetBSD",
        "Solaris",
    }
)


SCREENS = ((576, "small"), (992, "medium"), (1400, "large"))
"""Classes by width in CSS pixels, each up to (not including) its limit; wider ones are `wide`."""


class Audience(NamedTuple):
    """What a context says of a session, one value each."""

    browser: str
    version: str
    system: str
    device: str
    language: str
    screen: str
    country: str
    referrer: str


class Agent(Struct, frozen=True):
    """Families; `(unknown)` where the user agent does not tell."""

    browser: str
    version: str
    """Browser and major version, `Firefox 128`."""
    system: str
    device: str
    """`desktop`, `mobile`, `tablet` or `(unknown)`."""


@lru_cache(maxsize=4096)
def agent(user_agent: str) -> Agent:
    """What a user agent string says, by the ua-parser project's rules."""
    if not user_agent:
        return Agent(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    result = parse(user_agent)
    browser = result.user_agent.family if result.user_agent else UNKNOWN
    system = result.os.family if result.os else UNKNOWN
    major = result.user_agent.major if result.user_agent else None
    version = f"{browser} {major}" if major else browser
    return Agent(browser, version, system, device_type(user_agent.lower(), system))


def device_type(user_agent: str, system: str) -> str:
    """The parser knows a device's make, not its type; what browsers say of themselves decides."""
    # Internet Explorer says so on desktops that could draw.
    user_agent = user_agent.replace("tablet pc", "")
    if any(word in user_agent for word in TABLETS) or (system == "Android" and "mobile" not in user_agent):
        return "tablet"
    if any(word in user_agent for word in PHONES):
        return "mobile"
    return "desktop" if system in COMPUTER_SYSTEMS else UNKNOWN


@lru_cache(maxsize=1024)
def language(tag: str) -> str:
    """`de` of `de-AT,en;q=0.8`: the first language, without its region."""
    first = tag.partition(",")[0].partition(";")[0].strip().partition("-")[0].partition("_")[0].lower()
    return first if first.isalpha() and len(first) <= 8 else UNKNOWN


@lru_cache(maxsize=8192)
def referrer_host(referrer: str, own_hosts: frozenset[str]) -> str:
    """The referring site without `www.`, `(direct)` for none and for the app's own hosts."""
    try:
        host = (urlsplit(referrer).hostname or "").removeprefix("www.")
    except ValueError:
        return DIRECT
    return host if host and host not in own_hosts else DIRECT


def own_hosts(origins: list[str]) -> frozenset[str]:
    """The hosts of an app's origins, as `referrer_host` compares them."""
    return frozenset((urlsplit(origin).hostname or "").removeprefix("www.") for origin in origins)


@lru_cache(maxsize=4096)
def screen_class(screen: str) -> str:
    """`small` of `390x844`: one of SCREENS by width."""
    width = screen.partition("x")[0]
    if not width.isdecimal() or int(width) == 0:
        return UNKNOWN
    return next((name for limit, name in SCREENS if int(width) < limit), "wide")


def audience(context: Context, hosts: frozenset[str]) -> Audience:
    """All of a context."""
    found = agent(context.user_agent)
    return Audience(
        browser=found.browser,
        version=found.version,
        system=found.system,
        device=found.device,
        language=language(context.language) if context.language else UNKNOWN,
        screen=screen_class(context.screen),
        country=context.country or UNKNOWN,
        referrer=referrer_host(context.referrer, hosts),
    )
