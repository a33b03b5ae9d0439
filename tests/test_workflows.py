"""What runs elsewhere: commands that a person can run here, fixed actions, few rights."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parent.parent
GITHUB = CHECKOUT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
MAY_WRITE = {("book", "publish"): {"pages", "id-token"}, ("whole", "tell"): {"issues"}}
TARGETS = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text("utf-8"), re.M))

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text("utf-8"))["jobs"]


@pytest.mark.parametrize(
    ("schema", "paths"),
    [("github-workflows", WORKFLOWS), ("dependabot", [GITHUB / "dependabot.yml"])],
)
def test_they_are_as_the_service_takes_them(schema, paths):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@each_workflow
def test_every_action_is_named_by_its_hash_and_its_version(path):
    used = re.findall(r"uses: (\S+)(.*)", path.read_text("utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


@each_workflow
def test_a_job_may_read_and_little_else(path):
    assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {}
    for name, job in jobs(path).items():
        allowed = MAY_WRITE.get((path.stem, name), set())
        wanted = {right for right, what in job["permissions"].items() if what != "read"}
        assert wanted == allowed, name
        assert job["timeout-minutes"] <= 120
        # what may write runs nothing of the checkout
        assert not (allowed and any("checkout" in step.get("uses", "") for step in job["steps"]))


@each_workflow
def test_the_commands_are_those_of_the_makefile(path):
    asked = set()
    for job in jobs(path).values():
        for step in job["steps"]:
            asked |= set(re.findall(r"\bmake ([a-z-]+)", step.get("run", "")))
            if "run" in step:
                assert re.search(r"\b(make [a-z-]+|bash \.ci/run|gh issue create)", step["run"])
    assert asked <= TARGETS


def test_nothing_of_a_pull_request_is_put_into_a_command():
    for path in WORKFLOWS:
        for job in jobs(path).values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")


def test_the_pythons_are_those_that_the_package_takes():
    lowest = re.search(r'requires-python = ">=(\S+)"', (CHECKOUT / "pyproject.toml").read_text())
    tried = jobs(GITHUB / "workflows" / "tests.yml")["tests"]["strategy"]["matrix"]["python"]
    assert tried[0] == lowest[1]
    assert tried == sorted(tried, key=lambda version: int(version.partition(".")[2]))
