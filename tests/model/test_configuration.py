import pytest

from datalab.errors import Invalid
from datalab.model.configuration import Configuration, Funnel, Stage, read_configuration

WHOLE = """
hash_routing = true
routes = ["/products/:id", "/:language/:page"]

[[funnel]]
name = "Purchase"
window = "14d"
  [[funnel.stage]]
  name = "Catalog"
  url = "/catalog"
  [[funnel.stage]]
  name = "Product"
  glob = "/products/*"
  [[funnel.stage]]
  name = "Cart"
  regex = "^/cart$"
  [[funnel.stage]]
  name = "Bought"
  click = "#buy"

[[funnel]]
name = "Second"
  [[funnel.stage]]
  name = "Catalog"
  url = "/catalog"

[[element]]
name = "Buy button"
selector = "#buy"

[[campaign]]
name = "Spring"
parameter = "utm_campaign"
value = "spring-26"
"""


def funnel(stage: str, more: str = "") -> str:
    return f'[[funnel]]\nname = "f"\n{more}\n[[funnel.stage]]\nname = "s"\n{stage}\n'


def test_whole_configuration() -> None:
    found = read_configuration(WHOLE)
    assert found.hash_routing
    assert found.headline is not None
    assert found.headline.name == "Purchase"
    assert found.headline.window_ms == 14 * 86_400_000
    assert [stage.name for stage in found.headline.stage] == ["Catalog", "Product", "Cart", "Bought"]
    assert found.funnel[1].window_ms is None
    assert found.element[0].selector == "#buy"
    assert found.campaign[0].value == "spring-26"


def test_nothing_is_a_configuration() -> None:
    assert read_configuration("") == Configuration()
    assert Configuration().headline is None


@pytest.mark.parametrize(
    ("window", "milliseconds"),
    [("1s", 1000), ("90m", 5_400_000), ("2h", 7_200_000), ("999999w", 999_999 * 604_800_000)],
)
def test_window(window: str, milliseconds: int) -> None:
    assert Funnel(name="f", window=window, stage=[Stage(name="s", url="/")]).window_ms == milliseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("routes = [", "configuration:"),
        ("routes = " + "[" * 5000, "brackets within each other"),
        ("hash_routing = 1", "hash_routing"),
        ("hash = true", "unknown field `hash`"),
        ('routes = ["products"]', "does not start with /"),
        ('routes = [""]', r"routes\[0\]"),
        (f'routes = ["/{"a" * 400}"]', r"routes\[0\]"),
        ('routes = ["/a\\n"]', r"routes\[0\]"),
        ('routes = ["/:a:b"]', "two parameters between two slashes"),
        (f"routes = {['/a'] * 201}", "routes"),
        ('[[funnel]]\nname = "f"\nstage = []', "stage"),
        (funnel("") + '[[funnel.stage]]\nname = "t"\nurl = "/"', "exactly one of url, glob, regex, click; it has 0"),
        (funnel('url = "/"\nclick = "#a"'), "exactly one of url, glob, regex, click; it has 2"),
        (funnel('url = ""'), "url"),
        (funnel('xpath = "/"'), "unknown field `xpath`"),
        (funnel(f'click = "{"a" * 401}"'), "click"),
        (funnel('click = "a\\u001fb"'), "click"),
        (funnel('click = "#buy\\n"'), "click"),
        (funnel('url = "/"\n[[funnel.stage]]\nname = "s"\nurl = "/b"'), "two stages named 's'"),
        (funnel('url = "/"' + "".join(f'\n[[funnel.stage]]\nname = "{k}"\nurl = "/"' for k in range(20))), "stage"),
        (funnel('url = "/"') * 2, "two funnels are named 'f'"),
        (funnel('url = "/"').replace('"f"', '""'), "name"),
        (funnel('url = "/"').replace('"f"', f'"{"f" * 81}"'), "name"),
        (funnel('url = "/"').replace('"f"', '"f\\n"'), "name"),
        *(
            (funnel('url = "/"', f'window = "{window}"'), "is not a number with s, m, h, d or w")
            for window in ("14", "0d", "d", "1.5d", "14 d", "1000000s", "-1d", "14d\\n", "14D")
        ),
        ('[[element]]\nname = "a"\nselector = "#a"\n' * 2, "two elements are named 'a'"),
        ('[[element]]\nname = "a"', "selector"),
        ('[[element]]\nname = "a"\nselector = ""', "selector"),
        ('[[campaign]]\nname = "a"\nparameter = "p"\nvalue = "v"\n' * 2, "two campaigns are named 'a'"),
        ('[[campaign]]\nname = "a"\nparameter = "p"', "value"),
        ("".join(funnel('url = "/"').replace('"f"', f'"{k}"') for k in range(21)), "funnel"),
        ("".join(f'[[element]]\nname = "{k}"\nselector = "a"\n' for k in range(201)), "element"),
        ("".join(f'[[campaign]]\nname = "{k}"\nparameter = "a"\nvalue = "v"\n' for k in range(201)), "campaign"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        read_configuration(text)
