"""A program in the hands of each tool, and the edges of their templates: what is written, told and printed."""

import json

import pytest
from update_goldens import FIXTURES, deployed, deployed_cases, kept, migrated, printed, printed_cases

from statelift.model import Options, Tier
from statelift.planning import make_plan

CASES = deployed_cases()
REMEMBERED = {"app.py", "src/app.py"}
# The programs whose templates are not to be touched.
UNTOUCHED = {name for name in CASES if "/refused" in name or name.endswith(("no_template", "source_file"))}


@pytest.mark.parametrize("name", CASES)
def test_template_and_code_become_what_a_person_has_read(name):
    program, golden = CASES[name]
    expected, found = kept(golden), deployed(program)
    assert sorted(found) == sorted(expected), "run `make fixtures` and read the difference"
    for path, data in found.items():
        assert data.decode() == expected[path].decode(), f"{path}: run `make fixtures` and read the difference"


@pytest.mark.parametrize("name", CASES)
def test_how_safe_it_is_and_why(name):
    program, golden = CASES[name]
    wanted = json.loads(golden.with_name("expected.json").read_text())["findings"]
    told = {each.symbol: each for each in make_plan([program], Options()).findings}
    assert {symbol: each.tier.word for symbol, each in told.items()} == {
        each["symbol"]: each["tier"] for each in wanted
    }
    for each in wanted:
        assert any(each["reason"] in reason for reason in told[each["symbol"]].reasons), told


@pytest.mark.parametrize("name", CASES)
def test_code_and_template_are_one_change_or_the_template_stays(name):
    program, golden = CASES[name]
    files = {path for path in kept(golden) if not path.endswith("statelift_state.py")}
    plan = make_plan([program], Options())
    if name in UNTOUCHED:
        assert files <= REMEMBERED
        return
    assert files > files & REMEMBERED
    for change in plan.changes:
        assert change.tier is not Tier.MANUAL
        assert {op.template for op in change.ops if hasattr(op, "template")} <= files


@pytest.mark.parametrize("name", CASES)
def test_a_second_run_has_nothing_to_add(name, tmp_path):
    program, _ = CASES[name]
    for path, data in (kept(program) | migrated(program)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    assert make_plan([tmp_path], Options()).changes == ()


@pytest.mark.parametrize("case", printed_cases())
def test_what_is_printed_where_the_template_stays(case):
    program, target, golden = printed_cases()[case]
    assert printed(program, target) == golden.read_text(), "run `make fixtures` and read the difference"


def test_the_names_say_what_they_show():
    tools = {"cdk", "chalice", "cloudformation", "no", "sam", "serverless", "terraform"}
    edges = {"crlf", "packaged", "refused"}
    folders = [folder.name for folder in (FIXTURES / "deployments").iterdir()]
    assert {name.partition("_")[0] for name in folders} == tools | edges
