"""Campaign tags of a page's URL (SEMANTICS, campaign)."""

from urllib.parse import parse_qsl, urlsplit

from datalab.model.configuration import Campaign

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
FIELDS = (*UTM, "campaign")
"""The five of the query, and the name of the configured campaign."""
UNTAGGED = ("",) * len(FIELDS)
MAX_LENGTH = 200
"""Of a value; longer ones are cut."""
MAX_PARAMETERS = 100
"""Of a query that are looked at."""


def read_tags(url: str, campaigns: list[Campaign]) -> tuple[str, ...]:
    """The values of FIELDS, empty where there is none; UNTAGGED for a URL without any.

    Of a parameter that stands there twice the first one counts; of several configured campaigns the first that fits.
    """
    if "?" not in url:
        return UNTAGGED
    try:
        query = urlsplit(url).query
    except ValueError:
        return UNTAGGED
    parameters: dict[str, str] = {}
    for name, value in parse_qsl("&".join(query.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]), errors="replace"):
        parameters.setdefault(name, value)
    matched = next((each.name for each in campaigns if parameters.get(each.parameter) == each.value), "")
    return (*(parameters.get(name, "")[:MAX_LENGTH] for name in UTM), matched)
