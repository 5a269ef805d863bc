"""Every fixture program gets the verdicts that were written by hand before the tool existed."""

import json
from functools import cache
from pathlib import Path

import pytest

from statelift.model import Options, Plan
from statelift.planning import make_plan

FIXTURES = Path(__file__).parents[1] / "fixtures"
SEEDS = {path.parent.name: (path.parent / "before", path) for path in FIXTURES.glob("seeds/*/expected.json")}
PROJECTS = {
    path.name.split(".")[0]: (path.parent / path.name.split(".")[0], path)
    for path in FIXTURES.glob("projects/*.expected.json")
}
CASES = {
    **{f"seeds/{name}": case for name, case in SEEDS.items()},
    **{f"projects/{n}": c for n, c in PROJECTS.items()},
}


@cache
def plan_of(name: str) -> Plan:
    return make_plan([CASES[name][0]], Options())


def expected(name: str) -> dict[str, list[dict[str, str]]]:
    return json.loads(CASES[name][1].read_text())


@pytest.mark.parametrize("name", sorted(CASES))
def test_findings_are_exactly_the_expected_ones(name: str) -> None:
    plan = plan_of(name)
    told = {
        (f.place.path, f.symbol, f.family, str(f.verdict), f.tier.word) for f in plan.findings if f.tier is not None
    }
    wanted = {(w["path"], w["symbol"], w["family"], w["verdict"], w["tier"]) for w in expected(name)["findings"]}
    assert told == wanted


@pytest.mark.parametrize("name", sorted(CASES))
def test_suspects_are_left_alone_for_the_expected_reason(name: str) -> None:
    plan = plan_of(name)
    alone = {(f.place.path, f.symbol): str(f.verdict) for f in plan.left_alone}
    for suspect in expected(name)["left_alone"]:
        if suspect["verdict"] not in ("constant", "not-reachable") and "*" not in suspect["symbol"]:
            assert alone.get((suspect["path"], suspect["symbol"])) == suspect["verdict"], suspect


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_error_is_expected(name: str) -> None:
    assert plan_of(name).errors == ()
