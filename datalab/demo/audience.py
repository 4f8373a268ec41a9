"""Who visits the demo's sites: their browsers, their languages, where they come from and when."""

from typing import Literal

from msgspec import Struct


class Browser(Struct, frozen=True, kw_only=True):
    """A user agent string as the browser sends it; `weight` is its share among first visits."""

    device: Literal["desktop", "mobile", "tablet"]
    weight: float
    user_agent: str


class Source(Struct, frozen=True, kw_only=True):
    """Where a visit starts; `landings` are names of the site's places with their weights."""

    weight: float
    returning_weight: float
    referrer: str
    landings: dict[str, float]
    query: str = ""
    from_day: int = 0
    to_day: int = 1_000_000
    """Days of the history, half-open, in which visitors come from here; a campaign adds to the visits."""


BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X)"
IPAD = "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
ANDROID_TABLET = "Mozilla/5.0 (Linux; Android 14; SM-X710)"

BROWSERS = [
    Browser(
        device="desktop",
        weight=21,
        user_agent=f"{WINDOWS} {BLINK} Chrome/142.0.0.0 Safari/537.36",
    ),
    Browser(
        device="desktop",
        weight=8,
        user_agent=f"{MAC} {BLINK} Chrome/142.0.0.0 Safari/537.36",
    ),
    Browser(
        device="desktop",
        weight=8,
        user_agent=f"{MAC} {WEBKIT} Version/26.1 Safari/605.1.15",
    ),
    Browser(
        device="desktop",
        weight=7,
        user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    ),
    Browser(
        device="desktop",
        weight=3,
        user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    ),
    Browser(
        device="desktop",
        weight=6,
        user_agent=f"{WINDOWS} {BLINK} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    ),
    Browser(
        device="mobile",
        weight=19,
        user_agent=f"{IPHONE} {WEBKIT} Version/26.1 Mobile/15E148 Safari/604.1",
    ),
    Browser(
        device="mobile",
        weight=15,
        user_agent=f"{ANDROID} {BLINK} Chrome/142.0.0.0 Mobile Safari/537.36",
    ),
    Browser(
        device="mobile",
        weight=5,
        user_agent=f"{ANDROID} {BLINK} SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
    ),
    Browser(
        device="mobile",
        weight=3,
        user_agent="Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
    ),
    Browser(
        device="tablet",
        weight=4,
        user_agent=f"{IPAD} {WEBKIT} Version/17.7 Mobile/15E148 Safari/604.1",
    ),
    Browser(
        device="tablet",
        weight=1,
        user_agent=f"{ANDROID_TABLET} {BLINK} Chrome/142.0.0.0 Safari/537.36",
    ),
]

LANGUAGES: dict[str, float] = {
    "de-DE": 34,
    "en-GB": 17,
    "en-US": 16,
    "fr-FR": 9,
    "nl-NL": 7,
    "de-AT": 5,
    "it-IT": 4,
    "es-ES": 3,
    "pl-PL": 2,
    "ja-JP": 2,
    "sv-SE": 1,
}

ABROAD = 0.14
"""Chance that somebody is not in the country of their language."""
COUNTRIES_ABROAD: dict[str, float] = {
    "CH": 6,
    "DE": 5,
    "AT": 3,
    "BE": 3,
    "NL": 3,
    "GB": 2,
    "DK": 2,
    "IE": 2,
    "LU": 1,
    "US": 1,
    "": 2,
}
"""Where they are then; of some addresses no country is known."""

HOURS = [9, 5, 3, 2, 2, 4, 10, 20, 30, 37, 42, 46, 50, 46, 42, 41, 43, 50, 60, 72, 78, 66, 40, 19]
"""Weight of each hour of the day, UTC: a lunch break and a long evening."""

WEEKDAYS = [0.94, 0.9, 0.92, 1.0, 0.96, 1.12, 1.3]
"""Weight of each day, Monday first."""

GROWTH = 0.2
"""By how much the last day has more first visits than the first."""

SHOP_SOURCES = [
    Source(
        weight=22,
        returning_weight=62,
        referrer="",
        landings={"home": 6, "catalog": 2, "product": 2},
    ),
    Source(
        weight=24,
        returning_weight=12,
        referrer="https://www.google.com/",
        landings={"home": 3, "catalog": 2, "product": 3, "article": 2.5},
    ),
    Source(
        weight=5,
        returning_weight=3,
        referrer="https://duckduckgo.com/",
        landings={"home": 3, "catalog": 2, "product": 3, "article": 2},
    ),
    Source(
        weight=4,
        returning_weight=2,
        referrer="https://www.bing.com/",
        landings={"home": 4, "catalog": 2, "product": 3, "article": 1},
    ),
    Source(
        weight=9,
        returning_weight=3,
        referrer="https://www.instagram.com/",
        landings={"home": 2, "product": 5, "article": 2},
    ),
    Source(
        weight=5,
        returning_weight=2,
        referrer="https://www.pinterest.com/",
        landings={"product": 6, "article": 3},
    ),
    Source(
        weight=4,
        returning_weight=1,
        referrer="https://www.reddit.com/",
        landings={"article": 7, "home": 1, "product": 1},
    ),
    Source(
        weight=4,
        returning_weight=2,
        referrer="https://guide.teahouse.example/",
        landings={"catalog": 3, "product": 4},
    ),
    Source(
        weight=11,
        returning_weight=2,
        referrer="https://www.instagram.com/",
        landings={"catalog": 3, "product": 5},
        query="utm_source=instagram&utm_medium=social&utm_campaign=first-flush",
        from_day=18,
        to_day=40,
    ),
    Source(
        weight=13,
        returning_weight=4,
        referrer="https://www.google.com/",
        landings={"catalog": 6, "product": 3},
        query="utm_source=google&utm_medium=cpc&utm_campaign=gift-guide&utm_term=tea+gift",
        from_day=60,
    ),
    Source(
        weight=5,
        returning_weight=15,
        referrer="",
        landings={"home": 2, "catalog": 3, "article": 4, "product": 2},
        query="utm_source=newsletter&utm_medium=email&utm_campaign=studio-letter",
    ),
]

GUIDE_SOURCES = [
    Source(weight=50, returning_weight=25, referrer="https://www.google.com/", landings={"guide": 8, "contents": 1}),
    Source(weight=8, returning_weight=4, referrer="https://duckduckgo.com/", landings={"guide": 8, "contents": 1}),
    Source(
        weight=14,
        returning_weight=12,
        referrer="https://shop.teahouse.example/",
        landings={"guide": 3, "contents": 2},
    ),
    Source(weight=20, returning_weight=50, referrer="", landings={"contents": 4, "guide": 3}),
    Source(
        weight=8,
        returning_weight=14,
        referrer="",
        landings={"guide": 5, "contents": 1},
        query="utm_source=newsletter&utm_medium=email&utm_campaign=studio-letter",
    ),
]
SCREENS: dict[str, dict[str, float]] = {
    "desktop": {"1920x1080": 8, "1536x864": 4, "1440x900": 3, "2560x1440": 3, "1366x768": 2},
    "mobile": {"390x844": 6, "412x915": 5, "360x800": 4, "430x932": 2},
    "tablet": {"820x1180": 3, "768x1024": 2, "1280x800": 1},
}
"""Width and height in CSS pixels by device, with their weights."""
