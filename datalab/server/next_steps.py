"""What a page says where there is nothing to show yet: why, and the step that leads on."""

import re

from msgspec import Struct

from datalab.model.accounts import User
from datalab.model.apps import App
from datalab.model.figures import Live


class NextStep(Struct, frozen=True):
    """Shown where there is nothing to show: why, and what to do about it."""

    title: str
    text: str
    commands: list[str] = []
    link: str = ""
    link_text: str = ""


def first_app(person: User) -> NextStep:
    """How to get an app."""
    return NextStep(
        "No app yet",
        "An app is a site whose use is measured. Create the first one on the appliance.",
        commands=[f"datalab app create {person.organisation}/NAME --owner {person.username} --url https://your.site"],
    )


def waiting(app: App, live: Live | None) -> str:
    """The next step of an app that has seen no event."""
    if live is None or live.events:
        return ""
    return "Waiting for the first event" if app.token else "Next: issue a token and paste the snippet"


def first_visit(app: App, live: Live, address: str) -> NextStep:
    """Why there is no figure, and the way to the first one."""
    if live.events:
        return NextStep(
            "No visits in this range",
            "Choose a longer range, or look at everything that was recorded.",
            link=f"/apps/{app.id}?range=all",
            link_text="Show everything",
        )
    if app.token is None and app.locked and not address:
        return NextStep("No visits", "No event was recorded in this partition.")
    if app.token is None:
        return NextStep(
            "No visits yet",
            "Issue a token for the app on the appliance, then paste the snippet it prints into every page of the site.",
            commands=[f"datalab token issue {shell(app)}", f"datalab token snippet {shell(app)}"],
        )
    if not address:
        return NextStep(
            "Waiting for the first event",
            f"{app.owner} owns the app and pastes its snippet into the site. This page fills by itself.",
        )
    return NextStep(
        "Waiting for the first event",
        "Paste this line into every page of the site, then open the site. This page fills by itself.",
        commands=[f'<script async src="{address}/datalab.js" data-token="{app.token.text}"></script>'],
    )


def first_funnel(app: App) -> NextStep:
    """How to get a funnel."""
    return NextStep(
        "No funnel yet",
        "Describe the stages on the way to your goal in a file, and set it on the appliance.",
        commands=[f"datalab app config {shell(app)} --set funnel.toml"],
    )


def shell(app: App) -> str:
    """`organisation/name` as one word of a command line."""
    name = app.full_name
    return name if re.fullmatch(r"[\w./@-]+", name) else "'" + name.replace("'", "'\\''") + "'"


def nobody_in_segment() -> NextStep:
    """Where nothing was counted under a segment."""
    return NextStep("Nobody", "No visit in this range fits the segment. Choose a longer range, or take a filter out.")
