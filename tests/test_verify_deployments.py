"""A migrated handler answers as before with the rights that its patched template gives it, and with none fewer."""

import json
import re
from dataclasses import replace

import pytest
from deployments import CLOUDFORMATION, EVENTS, PROGRAM, PROJECTS, SAM, SERVICE, Deploying, deploying
from repositories import written

from statelift.model import EnsureGrant
from statelift.verify.deployment.reading import variables_of
from statelift.verify.events.steps import START, Memory, Step, event_of
from statelift.verify.judging import Evidence, result_of
from statelift.verify.machine.guard import granted_rights
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import World
from statelift.verify.playing.driver import PERMISSION, run_steps
from statelift.verify.playing.schedule import FRESH
from statelift.verify.verdicts import Verdict

ACTIONS = (
    *("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem"),
    *("s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"),
)


def actions_of(name: str) -> tuple[str, ...]:
    """Chalice gets no bucket."""
    return tuple(action for action in ACTIONS if name != "chalice" or action.startswith("dynamodb:"))


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(hash_seeds=(0,)) as made:
        yield made


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Each project once: planning it takes longer than running it."""
    made: dict[str, Deploying] = {}

    def of(name: str) -> Deploying:
        if name not in made:
            made[name] = deploying(tmp_path_factory.mktemp(name), PROJECTS[name])
        return made[name]

    return of


def course_of(sandbox: Sandbox, project: Deploying, pair):
    return run_steps(sandbox, pair, project.steps, FRESH, 0)


@pytest.mark.parametrize("name", PROJECTS)
def test_it_answers_as_before_and_nothing_unused_is_granted(sandbox, projects, name):
    project = projects(name)
    deployed = project.pair.setting.deployed
    course = course_of(sandbox, project, project.pair)
    assert course.divergence is None, course.divergence
    assert {right.action for right in granted_rights(deployed)} == set(actions_of(name))
    assert granted_rights(deployed) == course.rights


def without(project: Deploying, action: str) -> Deploying:
    """The same deployment, but that one action is not granted: a line, or an argument, is gone from its files."""
    alone = re.compile(rf"""^[ \t]*(- )?["']?{action}["']?,?\r?\n""", re.MULTILINE)
    inside = re.compile(rf'"{action}"(, ?)?')
    files = {name: inside.sub("", alone.sub("", data.decode())).encode() for name, data in project.files.items()}
    operations = [
        replace(op, actions=tuple(each for each in op.actions if each != action)) if is_copied(op) else op
        for op in project.operations
    ]
    return replace(project, files=files, operations=operations)


def is_copied(operation) -> bool:
    """Whether a right is printed and not written to a file."""
    return isinstance(operation, EnsureGrant) and operation.template is None


def refusals(sandbox: Sandbox, project: Deploying, pair) -> list[str]:
    """What the migrated program is refused in one container; cheaper than a comparison."""
    found: list[str] = []
    with World(sandbox, pair.migrated, pair.setting) as world:
        container = world.start_container(pair.modules)
        for number, step in enumerate(project.steps):
            [seen] = world.run([(container, event_of(step, Memory(), number, START + number))])
            found += [reason for effect in seen.effects for reason in effect.missing]
    return found


@pytest.mark.parametrize(("name", "action"), [(name, action) for name in PROJECTS for action in actions_of(name)])
def test_without_any_one_of_the_actions_the_program_is_refused(sandbox, projects, name, action):
    project = projects(name)
    fewer = without(project, action).deployed()
    lost = granted_rights(project.pair.setting.deployed) - granted_rights(fewer)
    assert {right.action for right in lost} == {action}
    found = refusals(sandbox, project, project.under(fewer))
    assert found
    assert all(f"may not {action} on arn:aws:{action.partition(':')[0]}:" in reason for reason in found)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_refused_is_a_difference_that_names_the_right(sandbox, projects, action):
    project = projects("sam")
    found = course_of(sandbox, project, project.under(without(project, action).deployed())).divergence
    assert found is not None
    assert found.difference.aspect == PERMISSION
    assert f"Api may not {action} on " in found.difference.found


def test_without_a_variable_the_difference_is_seen(sandbox, projects):
    project = projects("sam")
    gone = b"          SESSIONS_TABLE_NAME: !Ref SessionsTable\n"
    template = project.files["template.yaml"]
    assert template.count(gone) == 1
    fewer = replace(project, files={**project.files, "template.yaml": template.replace(gone, b"")}).deployed()
    setting = replace(project.pair.setting, environment=variables_of(fewer), deployed=fewer)
    found = course_of(sandbox, project, replace(project.pair, setting=setting)).divergence
    assert found is not None
    assert "the environment variable SESSIONS_TABLE_NAME is not set" in found.difference.found


def verified(said, folder, events, *options):
    code, out, err = said(
        *("verify", folder, "--yes", "--runs", 0, "--concurrency", 1, "--format", "json"),
        *("--events", events, *options),
    )
    assert out, err
    [result] = json.loads(out)["results"]
    return code, result


@pytest.fixture
def events(tmp_path):
    file = tmp_path / "events.json"
    file.write_text(json.dumps([event for event in EVENTS if event["action"] in ("login", "who", "write", "read")]))
    return file


def test_a_right_that_was_taken_out_of_the_applied_template_is_named(tmp_path, said, events):
    folder = written(tmp_path / "app", {"src/app.py": PROGRAM, "template.yaml": SAM})
    assert said("apply", folder, "--tier", "review")[0] == 0
    template = folder / "template.yaml"
    lines = template.read_text().splitlines(keepends=True)
    template.write_text("".join(line for line in lines if line.strip() != "- dynamodb:UpdateItem"))
    code, result = verified(said, folder, events)
    assert (code, result["verdict"]) == (4, "DIVERGES")
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/SessionsTable"
    assert result["reason"] == f"a right is missing: Api may not dynamodb:UpdateItem on {arn}"
    assert [part["reason"] for part in result["handlers"]] == [f"Api may not dynamodb:UpdateItem on {arn}"]
    assert len(result["counterexample"]["events"]) == 1
    assert {part["name"][:5]: part["verdict"] for part in result["changes"]} == {
        "SL101": "DIVERGES", "SL301": "EQUIVALENT",
    }  # fmt: skip


def examined(sandbox, project: Deploying, *more: Step):
    """What one run says of the project: it is a part of what `examine` does."""
    course = run_steps(sandbox, project.pair, [*project.steps, *more], FRESH, 0)
    return result_of(project.subject, Evidence([course], telling=course), None, {})


def test_functions_that_share_a_role_show_what_they_do_not_need(tmp_path, sandbox):
    program = PROGRAM + "\n\ndef health(event, context):\n    return {'ok': True}\n"
    service = SERVICE + "  health:\n    handler: src/app.health\n"
    project = deploying(tmp_path, {"serverless.yml": service}, program)
    result = examined(sandbox, project, Step("src.app:health", "lambda", {}))
    assert result.verdict is Verdict.EQUIVALENT, result.reason
    assert {right.function for right in result.unused} == {"health"}
    assert any(note.startswith("health may dynamodb:DeleteItem, ") for note in result.notes)


def test_a_role_that_cannot_be_read_is_named_in_the_report(tmp_path, sandbox):
    text = CLOUDFORMATION.replace("!GetAtt ApiRole.Arn", "arn:aws:iam::1:role/x")
    result = examined(sandbox, deploying(tmp_path, {"template.yaml": text}))
    assert result.verdict is Verdict.EQUIVALENT, result.reason
    assert result.notes == ("not enforced: the role of Api is not in its template, so its rights are not known",)
