"""A real click stream through `datalab import` and `datalab report`, against plain Python over the same file."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from tests.cli.history import APP, add_app, good, good_json
from tests.clickstream import Click, read_clickstream

STAGES = ["product_view", "add_to_cart", "shipping_details", "payment_details", "purchase"]


def configuration(stages: list[str]) -> str:
    """A funnel of page views."""
    parts = [f"[[funnel.stage]]\nname = '{stage}'\nurl = '/{stage}'\n" for stage in stages]
    return "[[funnel]]\nname = 'Purchase'\n" + "".join(parts)


def reached_in_order(clicks: list[Click]) -> list[int]:
    """Visitors that reached each stage after all earlier ones; ties stand in file order."""
    furthest: dict[str, int] = defaultdict(int)
    for click in sorted(clicks, key=lambda click: click.time):
        if furthest[click.user] < len(STAGES) and STAGES[furthest[click.user]] == click.event:
            furthest[click.user] += 1
    return [sum(1 for count in furthest.values() if count > stage) for stage in range(len(STAGES))]


def reached_at_all(clicks: list[Click]) -> list[int]:
    """Visitors with at least one event of each stage."""
    return [len({click.user for click in clicks if click.event == stage}) for stage in STAGES]


def test_the_funnel_of_a_real_click_stream(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    clicks = read_clickstream(pytestconfig)
    data = tmp_path / "data"
    add_app(data)
    lines = [
        json.dumps({"visitor": click.user, "time": click.time, "kind": "urlchange", "url": f"/{click.event}"})
        for click in clicks
    ]
    file = tmp_path / "ecom.ndjson"
    file.write_text("\n".join(lines))
    (tmp_path / "funnel.toml").write_text(configuration(STAGES))
    (tmp_path / "other.toml").write_text(configuration(STAGES[::-1]))
    good("app", "config", APP, "--set", str(tmp_path / "other.toml"), data=data)
    assert good_json("import", APP, str(file), data=data) == {"added": 31_106, "repeated": 0, "bad_lines": 0}

    def reached(*options: str) -> list[int]:
        funnel = good_json("report", APP, "funnel", *options, data=data)
        assert (len(clicks), funnel["visitors"]) == (31_106, 600)
        return [stage["reached"] for stage in funnel["stages"]]

    assert reached("--order", "any") == reached_at_all(clicks)[::-1]
    # The figures are made anew from the journal.
    good("app", "config", APP, "--set", str(tmp_path / "funnel.toml"), data=data)
    for _ in range(2):
        assert reached() == reached_in_order(clicks) == [598, 517, 401, 281, 146]
        assert reached("--order", "any") == reached_at_all(clicks) == [598, 522, 441, 390, 328]
        assert good_json("import", APP, str(file), data=data) == {"added": 0, "repeated": 31_106, "bad_lines": 0}
