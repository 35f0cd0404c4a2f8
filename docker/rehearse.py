#!/usr/bin/env python3
"""Run the steps of docker/Dockerfile in a root file system, where no container engine runs.

    debootstrap --include=python3,python3-venv,python3-pip,ca-certificates bookworm ROOTFS
    docker/rehearse.py ROOTFS [--arg COMMIT=...] [--bind FOLDER] [--user UID] -- COMMAND...

Needs root, for chroot. FROM is skipped: ROOTFS takes the place of the base image. COPY takes the
files of the checkout that git knows, without those that .dockerignore names. At the end COMMAND
runs in the working directory of the image, as its user or as UID. Lines that are of use to an
engine only (LABEL, VOLUME) are printed.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FALLBACK_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def instructions(text: str) -> list[tuple[str, str]]:
    """Names and arguments of a Dockerfile's instructions, in order."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(name, argument) for name, argument in pairs]


class Image:
    """The state that instructions leave behind.

    Attributes:
        rootfs: of the image.
        env: variables, arguments included.
        folder: WORKDIR.
        user: numeric user and group of later commands.
    """

    def __init__(self, rootfs: Path, given: dict[str, str], inherited: dict[str, str]) -> None:
        self.rootfs, self.given, self.folder, self.user = rootfs, given, "/", "0:0"
        self.env = {"PATH": FALLBACK_PATH, **inherited}

    def run(self, command: str) -> int:
        """Run a shell command inside."""
        shell = f"cd {shlex.quote(self.folder)} && {command}"
        chroot = ["chroot", f"--userspec={self.user}", str(self.rootfs), "/bin/sh", "-c", shell]
        return subprocess.run(chroot, env=self.env, check=False).returncode

    def step(self, name: str, argument: str) -> None:
        """Do one instruction; ends the program if it fails."""
        print(f"{name} {' '.join(argument.split())}", flush=True)
        if name == "RUN" and self.run(argument):
            sys.exit("this step failed")
        elif name == "COPY":
            self.copy(*argument.split())
        elif name == "ARG":
            key, _, default = argument.partition("=")
            self.env[key] = self.given.get(key, default.strip('"'))
        elif name == "ENV":
            for word in shlex.split(argument):
                key, _, value = word.partition("=")
                self.env[key] = self.env.get(value[1:], "") if value.startswith("$") else value
        elif name == "WORKDIR":
            self.folder = argument
            (self.rootfs / argument.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name == "USER":
            self.user = argument

    def copy(self, source: str, target: str) -> None:
        """Copy what git knows of the checkout."""
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            + [source],
            capture_output=True,
            check=True,
        ).stdout
        names = [n for n in listed.decode().split("\0") if n and not n.startswith("output/")]
        place = self.rootfs / self.folder.lstrip("/")
        pack = ["tar", "-C", str(ROOT), "--null", "-T", "-", "-c"]
        packed = subprocess.run(pack, input="\0".join(names).encode(), capture_output=True)
        subprocess.run(["tar", "-C", str(place), "-x"], input=packed.stdout, check=True)


def main() -> int:
    """Run all steps and the command."""
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rootfs", type=Path)
    parser.add_argument("--arg", action="append", default=[], help="NAME=VALUE, as --build-arg")
    parser.add_argument("--bind", action="append", default=[], help="a folder to mount inside")
    parser.add_argument("--user", help="run COMMAND as this user; default: the image's")
    options = parser.parse_args(given[:end])
    inherited = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_"))}
    image = Image(options.rootfs, dict(a.split("=", 1) for a in options.arg), inherited)
    mounts = [(f, options.rootfs / f.lstrip("/")) for f in ["/proc", "/dev", *options.bind]]
    for source, target in mounts:
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", source, str(target)], check=True)
    try:
        for name, argument in instructions((ROOT / "docker" / "Dockerfile").read_text()):
            image.step(name, argument)
        if options.user:
            image.user = f"{options.user}:{options.user}"
        return image.run(shlex.join(given[end + 1 :])) if given[end + 1 :] else 0
    finally:
        for _, target in reversed(mounts):
            subprocess.run(["umount", str(target)], check=True)


if __name__ == "__main__":
    sys.exit(main())
