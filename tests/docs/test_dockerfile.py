"""The container is made by README's commands."""

import re

from helpers.paths import ROOT

README = (ROOT / "README.md").read_text()
STEPS = re.findall(r"^(?:[A-Z]+) .*$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def command_of(heading: str) -> str:
    """The first command below a heading of README."""
    block = re.search(rf"^## {heading}$.*?^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[1].strip()


def test_it_installs_as_readme_does_and_starts_the_same_program():
    venv, install, start = command_of("Get a front").split(" && ")
    (made,) = [step for step in STEPS if "venv" in step and step.startswith("RUN")]
    ours = made.removeprefix("RUN ").split(" && ")
    assert ours[0] == venv
    # The extra of README's placing, and no cache in the image.
    assert "macwright[fpga]" in README
    assert ours[1].replace(" --no-cache-dir", "").replace("'.[fpga]'", ".") == install
    program, _, command = start.partition(" ")
    folder = next(step.split()[1] for step in STEPS if step.startswith("WORKDIR"))
    assert f'ENTRYPOINT ["{folder}/{program}"]' in STEPS
    assert command == "dse"


def test_its_packages_are_those_of_readmes_tests():
    wanted = set(re.findall(r"install -y ([a-z0-9 -]+);", command_of("Run the tests"))[0].split())
    (step,) = [step for step in STEPS if "apt-get install" in step]
    listed = step.split("--no-install-recommends ")[1].split(" && ")[0].split()
    assert set(listed) == wanted


def test_nothing_of_another_machine_is_copied():
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert {".git", ".venv*", "out"} <= set(ignored)
