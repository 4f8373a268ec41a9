"""Where the files beside the code are: inside the package of an installed wheel, beside it in a checkout."""

from pathlib import Path
from typing import Literal

Resource = Literal[
    "web/templates",
    "web/dist",
    "snippet/dist",
    "snippet/PROTOCOL.md",
    "countries/dist",
    "systemd",
    "datalab.toml",
]

PACKAGE = Path(__file__).resolve().parent


class ResourceMissing(Exception):
    """A file or folder that the appliance needs is not there; the message says what to run."""


def locate(name: Resource, package: Path = PACKAGE) -> Path:
    """Path of a resource of the package; raises ResourceMissing."""
    # Inside the package first: what lies beside an installed package belongs to somebody else.
    installed = (package / "web").is_dir()
    path = (package if installed else package.parent) / name
    if path.exists():
        return path
    if installed:
        raise ResourceMissing(
            f"{path} is missing: this installation is damaged; run: pip install --force-reinstall datalab"
        )
    if name.endswith("dist"):
        raise ResourceMissing(f"{path} is missing: build it with: python scripts/build_assets.py")
    raise ResourceMissing(f"{path} is missing from the checkout; run: git checkout -- {name}")
