import pytest

from datalab.model.configuration import Campaign
from datalab.model.tags import FIELDS, MAX_LENGTH, MAX_PARAMETERS, UNTAGGED, read_tags

CAMPAIGNS = [
    Campaign(name="Spring", parameter="ad", value="s24"),
    Campaign(name="Any", parameter="utm_source", value="x"),
]
URL = "https://shop.example/a"


def tags(query: str) -> dict[str, str]:
    found = read_tags(URL + query, CAMPAIGNS)
    return {name: value for name, value in zip(FIELDS, found, strict=True) if value}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {}),
        ("?", {}),
        ("?a=1&b", {}),
        ("?utm_source=news&utm_medium=mail", {"utm_source": "news", "utm_medium": "mail"}),
        ("?utm_term=a+b&utm_content=%C3%A4%20c", {"utm_term": "a b", "utm_content": "ä c"}),
        ("?utm_source=&utm_source=second", {"utm_source": "second"}),
        ("?utm_source=first&utm_source=second", {"utm_source": "first"}),
        ("?ad=s24", {"campaign": "Spring"}),
        ("?ad=s25", {}),
        ("?ad=s24&utm_source=x", {"utm_source": "x", "campaign": "Spring"}),
        ("?utm_source=x", {"utm_source": "x", "campaign": "Any"}),
        ("?utm_campaign=%ff", {"utm_campaign": "\ufffd"}),
        ("?UTM_SOURCE=x", {}),
        ("?a=1#utm_source=x", {}),
        ("#?utm_source=x", {}),
    ],
)
def test_tags_of_a_query(query: str, found: dict[str, str]) -> None:
    assert tags(query) == found


def test_long_values_are_cut_and_long_queries_end() -> None:
    assert tags(f"?utm_source={'x' * (MAX_LENGTH + 1)}") == {"utm_source": "x" * MAX_LENGTH}
    assert tags("?" + "a=1&" * (MAX_PARAMETERS - 1) + "utm_source=y") == {"utm_source": "y"}
    assert tags("?" + "a=1&" * MAX_PARAMETERS + "utm_source=y") == {}


@pytest.mark.parametrize("url", ["", "?", "http://[broken?utm_source=x", "no url at all"])
def test_what_is_no_url_has_no_tags(url: str) -> None:
    assert read_tags(url, CAMPAIGNS) == UNTAGGED
