import pytest

from datalab.model.agents import Agent, agent, audience, language, own_hosts, referrer_host, screen_class
from datalab.model.events import Context

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "found"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/126.0.0.0 Safari/537.36",
            Agent("Chrome", "Chrome 126", "Windows", "desktop"),
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
            Agent("Edge", "Edge 126", "Windows", "desktop"),
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
            "Safari/605.1.15",
            Agent("Safari", "Safari 17", "Mac OS X", "desktop"),
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            Agent("Firefox", "Firefox 127", "Ubuntu", "desktop"),
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/126.0.0.0 Safari/537.36",
            Agent("Chrome", "Chrome 126", "Chrome OS", "desktop"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.5 Mobile/15E148 Safari/604.1",
            Agent("Mobile Safari", "Mobile Safari 17", "iOS", "mobile"),
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 "
            "Mobile/15E148 Safari/604.1",
            Agent("Mobile Safari", "Mobile Safari 16", "iOS", "tablet"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36",
            Agent("Chrome Mobile", "Chrome Mobile 126", "Android", "mobile"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; SM-X710) {WEBKIT} Chrome/126.0.0.0 Safari/537.36",
            Agent("Chrome", "Chrome 126", "Android", "tablet"),
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
            Agent("Firefox Mobile", "Firefox Mobile 127", "Android", "mobile"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 13; SM-S901B) {WEBKIT} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile "
            "Safari/537.36",
            Agent("Samsung Internet", "Samsung Internet 25", "Android", "mobile"),
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; .NET4.0E; Tablet PC 2.0; rv:11.0) like Gecko",
            Agent("IE", "IE 11", "Windows", "desktop"),
        ),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            Agent("Googlebot", "Googlebot 2", "(unknown)", "(unknown)"),
        ),
        ("something else", Agent("(unknown)", "(unknown)", "(unknown)", "(unknown)")),
        ("", Agent("(unknown)", "(unknown)", "(unknown)", "(unknown)")),
        ("(" * 512, Agent("(unknown)", "(unknown)", "(unknown)", "(unknown)")),
    ],
)
def test_agent(user_agent: str, found: Agent) -> None:
    assert agent(user_agent) == found


@pytest.mark.parametrize(
    ("tag", "found"),
    [("de", "de"), ("de-AT,en;q=0.8", "de"), ("EN_us", "en"), (" fr ;q=1", "fr"), ("zh-Hant-TW", "zh")]
    + [(tag, "(unknown)") for tag in ("", "*", "1", "-", "toolongalanguage", "<b>")],
)
def test_language(tag: str, found: str) -> None:
    assert language(tag) == found


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://www.search.example/?q=shop", "search.example"),
        ("https://Search.Example:8080/", "search.example"),
        ("https://user:secret@news.example/a", "news.example"),
        ("android-app://com.mail.example/", "com.mail.example"),
        ("https://shop.example/cart", "(direct)"),
        ("https://www.shop.example:8443/cart", "(direct)"),
        ("https://blog.shop.example/", "blog.shop.example"),
        ("", "(direct)"),
        ("search.example", "(direct)"),
        ("about:blank", "(direct)"),
        ("http://[broken", "(direct)"),
    ],
)
def test_referrer_host(referrer: str, host: str) -> None:
    assert referrer_host(referrer, own_hosts(["https://www.shop.example", "http://localhost:3000"])) == host


def test_own_hosts() -> None:
    assert own_hosts(["https://www.Shop.example:8443", "http://shop.example", "http://127.0.0.1:80"]) == {
        "shop.example",
        "127.0.0.1",
    }


def test_an_empty_context_is_unknown_and_direct() -> None:
    assert audience(Context(), frozenset()) == (*(["(unknown)"] * 7), "(direct)")


@pytest.mark.parametrize(
    ("screen", "found"),
    [
        ("390x844", "small"),
        ("575x1", "small"),
        ("576x1024", "medium"),
        ("991x1", "medium"),
        ("992x768", "large"),
        ("1399x1", "large"),
        ("1400x900", "wide"),
        ("3840x2160", "wide"),
        ("1000", "large"),
    ]
    + [(screen, "(unknown)") for screen in ("", "x", "0x0", "-5x7", "wide", "1e3x2", "²x1")],
)
def test_screen_class(screen: str, found: str) -> None:
    assert screen_class(screen) == found


def test_a_context_says_all_it_knows() -> None:
    context = Context(
        user_agent="Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        language="de-AT",
        referrer="https://www.search.example/?q=a",
        screen="1280x800",
        country="AT",
    )
    assert audience(context, frozenset()) == (
        "Firefox", "Firefox 127", "Ubuntu", "desktop", "de", "large", "AT", "search.example"
    )  # fmt: skip
