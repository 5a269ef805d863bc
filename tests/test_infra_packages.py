"""Where a Dockerfile or serverless.yml leaves new files out, the change adds the line that packages its helper."""

from functools import partial

import pytest
from located import locate
from repositories import tree, written
from test_infra_patch import is_subsequence
from test_packages import DOCKER, IMAGE, SERVICE, STATE

from statelift.compose import compose
from statelift.discover import read_file
from statelift.infra import Refusal
from statelift.infra.patching import patch_file
from statelift.model import EnsurePackaged, EnsureResource, Options, Tier
from statelift.planfile import load_plan, save_plan
from statelift.planning import make_plan

BASE = "FROM public.ecr.aws/lambda/python:3.12\n"
END = 'CMD ["app.handler"]\n'
HELPER = "statelift_state.py"

# Dockerfile -> the line that is added
COPIES = {
    "file": (BASE + "COPY app.py ${LAMBDA_TASK_ROOT}\n" + END, f"COPY {HELPER} ${{LAMBDA_TASK_ROOT}}/"),
    "files": (BASE + "COPY app.py requirements.txt ./\nRUN pip install -r x\n" + END, f"COPY {HELPER} /var/task/"),
    "glob": (BASE + "COPY a*.py ./\n" + END, f"COPY {HELPER} /var/task/"),
    "continued": (BASE + "COPY app.py \\\n  # all\n  req.txt \\\n  ./\n" + END, f"COPY {HELPER} /var/task/"),
    "folder": (BASE + "COPY src ./src\n" + END.replace("app.", "src.app."), f"COPY {HELPER} /var/task/"),
    "deep": (BASE + "COPY src/app.py ./\n" + END, f"COPY src/{HELPER} /var/task/"),
    "stages": (f"FROM x AS build\nCOPY app.py /x\n{BASE}COPY --from=build /x /y\nCOPY app.py ./\n{END}",
               f"COPY {HELPER} /var/task/"),
    "own-base": ("FROM python:3.12\nWORKDIR /fn\nRUN pip install boto3\nCOPY app.py ./\n"
                 'ENTRYPOINT ["python", "-m", "awslambdaric"]\n' + END, f"COPY {HELPER} /fn/"),
    "crlf": ((BASE + "COPY app.py ./\n" + END).replace("\n", "\r\n"), f"COPY {HELPER} /var/task/"),
    "comment-behind": (BASE + "COPY app.py ./\n# COPY no\n" + END.rstrip(), f"COPY {HELPER} /var/task/"),
}  # fmt: skip


def image(name):
    dockerfile, line = COPIES[name]
    home = "src/app.py" if "src" in line or name == "folder" else "app.py"
    return {"template.yaml": IMAGE, "Dockerfile": dockerfile, home: STATE}


SERVICES = {
    "patterns": "package:\n  patterns:\n    - '!**'\n    - app.py\n",
    "in-line": "package:\n  patterns: ['!**', app.py]\n",
    "include": "package:\n  exclude:\n    - '**'\n  include:\n    - app.py\n",
    "own": "    package:\n      individually: true\n      patterns:\n        - '!**'\n        - app.py\n",
    "both": "    package:\n      patterns: [app.py]\npackage:\n  individually: true\n  patterns: ['!**']\n",
}


def applied(folder, plan):
    read = partial(read_file, folder)
    writes = compose(plan, {change.id for change in plan.changes}, read)
    written(folder, {write.path: write.after for write in writes})
    return {write.path: (write.before, write.after) for write in writes}


def the_plan(folder):
    plan = make_plan([folder], Options())
    (change,) = plan.changes
    assert change.tier is Tier.REVIEW
    assert any(f"gets a line that packages {HELPER}" in reason for reason in change.reasons)
    return plan


@pytest.mark.parametrize("name", COPIES)
def test_a_dockerfile_copies_the_helper(tmp_path, name):
    folder = written(tmp_path, image(name))
    writes = applied(folder, the_plan(folder))
    before, after = writes["Dockerfile"]
    added = [line for line in after.decode().splitlines() if line not in before.decode().splitlines()]
    assert added == [COPIES[name][1]]
    assert is_subsequence(before, after)
    (function,) = locate(tree(folder)).functions
    assert (function.packaging, function.packager) == ("", "")
    assert make_plan([folder], Options()).findings == ()


@pytest.mark.parametrize("name", SERVICES)
def test_patterns_name_the_helper(tmp_path, name):
    folder = written(tmp_path, {"serverless.yml": SERVICE + SERVICES[name], "app.py": STATE})
    before, after = applied(folder, the_plan(folder))["serverless.yml"]
    assert is_subsequence(before, after)
    assert after.count(HELPER.encode()) == 1
    (function,) = locate(tree(folder)).functions
    assert (function.packaging, function.is_left_out) == ("", False)
    assert make_plan([folder], Options()).findings == ()


@pytest.mark.parametrize(
    "files",
    [
        {"serverless.yml": SERVICE + "package:\n  exclude: ['*.py', '!app.py']\n"},
        {"serverless.yml": SERVICE + "package:\n  patterns: &p ['!**', app.py]\ncustom:\n  more: *p\n"},
        {"template.yaml": IMAGE, "Dockerfile": DOCKER.format("app.py"), ".dockerignore": "*\n!app.py\n"},
        {"template.yaml": IMAGE, "Dockerfile": "FROM python:3.12\nCOPY app.py ./\n" + END},
        {"template.yaml": IMAGE.replace("DockerContext: .", "DockerContext: .\n      DockerBuildTarget: one"),
         "Dockerfile": DOCKER.format("app.py").replace("3.12", "3.12 AS one") + "FROM x AS two\nCOPY app.py ./\n"},
    ],
)  # fmt: skip
def test_where_no_line_would_help_the_finding_stays_manual(tmp_path, files):
    plan = make_plan([written(tmp_path, {"app.py": STATE, **files})], Options())
    assert plan.changes == ()
    assert [finding.tier for finding in plan.findings] == [Tier.MANUAL]


def test_a_packager_that_cannot_be_written_to_makes_the_change_manual(tmp_path):
    dockerfile = BASE + "COPY <<EOF /x\ntext\nEOF\nCOPY app.py ./\n" + END
    plan = make_plan(
        [written(tmp_path, {"template.yaml": IMAGE, "Dockerfile": dockerfile, "app.py": STATE})], Options()
    )
    (finding,) = plan.findings
    assert finding.tier is Tier.MANUAL
    assert any("Dockerfile is not patched" in reason for reason in finding.reasons)


def test_a_second_time_adds_nothing():
    asked = [EnsurePackaged("F", "img/statelift_state.py", "img/Dockerfile", "img")]
    text = (BASE + "COPY app.py ./\n" + END).encode()
    once = patch_file("img/Dockerfile", text, asked)
    assert patch_file("img/Dockerfile", once, asked * 2) == once


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("Dockerfile", EnsurePackaged("F", "a b.py", "Dockerfile")),
        ("Dockerfile", EnsurePackaged("F", "a.py\nRUN curl", "Dockerfile")),
        ("Dockerfile", EnsurePackaged("F", "a.py", "Dockerfile", "img")),
        ("Dockerfile", EnsurePackaged("F", "$HOME/a.py", "Dockerfile")),
        ("main.tf", EnsurePackaged("F", "a.py", "main.tf")),
        ("template.yaml", EnsurePackaged("F", "a.py", "template.yaml")),
        ("serverless.yml", EnsurePackaged("F", "!a.py", "serverless.yml")),
    ],
)
def test_names_and_files_that_are_none_are_refused(path, operation):
    with pytest.raises(Refusal):
        patch_file(path, (BASE + "COPY app.py ./\n" + END).encode(), [operation])
    with pytest.raises(Refusal):
        patch_file(path, None, [operation, EnsureResource("T", "table")])


def test_the_plan_file_keeps_the_operation(tmp_path):
    plan = the_plan(written(tmp_path / "p", image("file")))
    save_plan(plan, tmp_path / "plan.json")
    (change,) = load_plan(tmp_path / "plan.json").changes
    assert [op for op in change.ops if isinstance(op, EnsurePackaged)] == [
        EnsurePackaged("F", HELPER, "Dockerfile", "")
    ]
