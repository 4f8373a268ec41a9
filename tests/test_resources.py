from pathlib import Path

import pytest

from datalab.resources import ResourceMissing, locate


def checkout(root: Path) -> Path:
    """A checkout's package folder, with templates and settings beside it and nothing built."""
    for folder in ("datalab", "web/templates", "snippet/src", "systemd"):
        (root / folder).mkdir(parents=True)
    (root / "datalab.toml").touch()
    return root / "datalab"


def installed(root: Path) -> Path:
    """An installed package's folder."""
    package = root / "site-packages/datalab"
    for folder in ("web/templates", "web/dist", "snippet/dist", "systemd"):
        (package / folder).mkdir(parents=True)
    return package


def test_in_a_checkout_resources_lie_beside_the_package(tmp_path: Path) -> None:
    package = checkout(tmp_path)
    assert locate("web/templates", package) == tmp_path / "web/templates"
    assert locate("datalab.toml", package) == tmp_path / "datalab.toml"


def test_in_an_installation_they_lie_in_the_package_and_nowhere_else(tmp_path: Path) -> None:
    package = installed(tmp_path)
    (package.parent / "datalab.toml").touch()
    assert locate("snippet/dist", package) == package / "snippet/dist"
    with pytest.raises(ResourceMissing, match="reinstall"):
        locate("datalab.toml", package)


def test_what_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(ResourceMissing, match=r"snippet/dist is missing.*python scripts/build_assets\.py"):
        locate("snippet/dist", checkout(tmp_path))


def test_what_the_checkout_lost_says_how_to_get_it_back(tmp_path: Path) -> None:
    package = checkout(tmp_path)
    (tmp_path / "datalab.toml").unlink()
    with pytest.raises(ResourceMissing, match=r"git checkout -- datalab\.toml"):
        locate("datalab.toml", package)


def test_the_package_of_these_tests_finds_its_own() -> None:
    assert (locate("snippet/PROTOCOL.md")).read_text().startswith("# The protocol")
