"""A plan that touches a hundred applications over a hundred thousand users and a million enrollments.

Every permission changes, so nothing can be passed over; the views of what is applied are made, as
they are where it is served.
"""

import asyncio
import json
import time
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from rosterd import configs, loading, plans, previewing, rosters, worlds
from rosterd.plans import rendering
from rosterd.plans.rendering import markdown
from tests.bench import test_views as district
from tests.unit import districts

APPLICATIONS = 100
_HEAD: dict[str, Any] = {"apiVersion": "rosterd/v1"}


def config(seed: int) -> configs.Config:
    """A hundred applications; the permissions of another seed are others, every one of them."""
    dice = Random(seed)
    files: dict[str, dict[str, Any]] = {
        "rosterd.yaml": {**_HEAD, "kind": "Repository", "name": "rosterd", "title": "D", "timezone": "UTC"}
    }  # fmt: skip
    for number in range(APPLICATIONS):
        name = f"vendor-{number:03d}"
        application = {"kind": "Application", "name": name, "title": name, "enabled": True}
        files[f"applications/{name}.yaml"] = _HEAD | application
        rules: dict[str, Any] = district._rules(number + seed % 2, dice)
        rules = {key: value for key, value in rules.items() if value is not False}
        rules["fields"] = {"withhold": ["users.phone" if seed % 2 else "users.sms"]}
        permission = {"kind": "Permission", "name": name, "application": name}
        files[f"permissions/{name}.yaml"] = _HEAD | permission | rules
    given = {path: json.dumps(values).encode() for path, values in files.items()}
    made, problems = configs.check(loading.load(given))
    assert made is not None, problems
    return made


@pytest.fixture(scope="module")
def backing() -> district.Arrays:
    return district.Arrays()


@pytest.mark.bench
def test_a_plan_over_a_hundred_applications_takes_three_seconds(
    backing: district.Arrays,
) -> None:
    pages: Any = SimpleNamespace(number=1, roster=rosters.Roster(backing))
    world = worlds.World(config=config(2), generation=pages, today=districts.TODAY)
    world.warm()
    after = config(3)

    started = time.process_time()
    plan = asyncio.run(previewing.plan(world, after))
    planned = time.process_time() - started
    texts = [plan.digest, rendering.text(plan), markdown.page(plan), str(plans.as_json(plan))]
    told = time.process_time() - started - planned

    assert plan.exposure is not None
    print(
        f"\nplan of {len(plan.exposure)} applications: {planned:.2f} s of processor time,"
        f" {told:.2f} s to tell it ({sum(map(len, texts)):,} characters)"
    )
    assert len(plan.exposure) > APPLICATIONS * 8 // 10
    assert planned + told <= 3.0
