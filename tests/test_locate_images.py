import pytest
from located import locate, only, the_problem

SAM = """Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata:
      DockerContext: ./img
    Properties:
      PackageType: Image
"""
BASE = "FROM public.ecr.aws/lambda/python:3.12\n"


def project(dockerfile, *names, sam=SAM, **others):
    files = {f"img/{name}": "" for name in names}
    return {"template.yaml": sam, "img/Dockerfile": dockerfile, **files, **others}


@pytest.mark.parametrize(
    ("lines", "names", "root"),
    [
        ('COPY . ${LAMBDA_TASK_ROOT}\nCMD ["app.handler"]\n', ["app.py"], "img"),
        ('COPY src/ $LAMBDA_TASK_ROOT/\nCMD [ "app.handler" ]\n', ["src/app.py"], "img/src"),
        ('WORKDIR /var/task\nCOPY . .\nCMD ["src/app.handler"]\n', ["src/app.py"], "img"),
        ('COPY src ./src\nCOPY *.py ./\nCMD ["src.app.handler"]\n', ["src/app.py"], "img"),
        ('COPY *.py requirements.txt ${LAMBDA_TASK_ROOT}/\nCMD ["app.handler"]\n', ["app.py"], "img"),
        ('ARG DIR=code\nCOPY ${DIR} ${LAMBDA_TASK_ROOT}\nCMD ["app.handler"]\n', ["code/app.py"], "img/code"),
        ('COPY [".", "./"]\nCMD app.handler\n', ["app.py"], "img"),
        ('COPY --chown=1:1 . \\\n  # all\n  ./\nCMD ["app.handler"]\n', ["app.py"], "img"),
        ('ENV HOME=/fn\nWORKDIR ${HOME}\nENTRYPOINT ["python", "-m", "awslambdaric"]\nCOPY app ./\n'
         'CMD ["app.handler"]\n', ["app/app.py"], "img/app"),
        ('COPY . ./\nCMD ["pkg.handler"]\n', ["pkg/__init__.py"], "img"),
    ],
)  # fmt: skip
def test_the_code_of_an_image_is_found(lines, names, root):
    function = only(project(BASE + lines, *names))
    assert (function.root, function.path, function.packaging) == (root, f"img/{names[0]}", "")


@pytest.mark.parametrize(
    "lines",
    [
        'COPY app.py ${LAMBDA_TASK_ROOT}\nCMD ["app.handler"]\n',
        'COPY app.py other.py ./\nCMD ["app.handler"]\n',
        'COPY a*.py ./\nCMD ["app.handler"]\n',
    ],
)
def test_an_image_of_named_files_leaves_new_ones_out(lines):
    function = only(project(BASE + lines, "app.py", "other.py"))
    assert function.packaging == "img/Dockerfile does not copy new files of img into the image."


@pytest.mark.parametrize(
    ("ignore", "is_packaged"), [("*.py\n!app.py\n", False), ("*.pyc\n# x\n.git\n", True), ("*\n", False)]
)
def test_dockerignore_counts(ignore, is_packaged):
    files = project(BASE + 'COPY . ./\nCMD ["app.handler"]\n', "app.py") | {"img/.dockerignore": ignore}
    assert (only(files).packaging == "") == is_packaged


def test_the_ignore_file_of_a_dockerfile_counts_in_place_of_the_other():
    files = project(BASE + 'COPY . ./\nCMD ["app.handler"]\n', "app.py") | {"img/.dockerignore": "*.pyc\n"}
    function = only(files | {"img/Dockerfile.dockerignore": "*.py\n!app.py\n"})
    assert function.is_left_out
    assert function.packaging.startswith("img/Dockerfile.dockerignore keeps")


@pytest.mark.parametrize(
    ("base", "others", "has_it"),
    [
        ("python:3.12-slim", {}, False),
        ("python:3.12-slim", {"img/requirements.txt": "boto3==1.40\n"}, True),
        ("python:3.12-slim", {"img/requirements.txt": "requests\n"}, False),
        ("python:3.12-slim", {"img/pyproject.toml": 'dependencies = ["boto3"]\n'}, True),
        ("python:3.12-slim\nRUN pip install boto3 awslambdaric", {}, True),
        ("amazon/aws-lambda-python:3.12", {}, True),
        ("public.ecr.aws/lambda/provided:al2023", {}, False),
        ("${BASE}", {}, False),
    ],
)
def test_boto3_has_to_be_in_the_image(base, others, has_it):
    function = only(project(f'FROM {base}\nCOPY . ./\nCMD ["app.handler"]\n', "app.py") | others)
    assert ("boto3" not in function.packaging) == has_it
    assert not function.is_left_out


def test_the_base_of_the_base_counts():
    stages = f'{BASE.strip()} AS base\nRUN x\nFROM base\nCOPY . ./\nCMD ["app.handler"]\n'
    assert only(project(stages, "app.py")).packaging == ""
    builder = f'{BASE.strip()} AS build\nRUN x\nFROM python:3.12\nCOPY . ./\nCMD ["app.handler"]\n'
    assert "boto3" in only(project(builder, "app.py")).packaging


def test_the_last_stage_counts_unless_one_is_named():
    stages = (
        'FROM x AS build\nCOPY lib ./\nCMD ["lib.main"]\n'
        f'{BASE.strip()} AS run\nCOPY --from=build /out ./\nCOPY src ./\nCMD ["app.handler"]\n'
    )
    assert only(project(stages, "src/app.py", "lib/lib.py")).path == "img/src/app.py"
    named = SAM.replace("DockerContext: ./img", "DockerContext: ./img\n      DockerBuildTarget: build")
    assert only(project(stages, "src/app.py", "lib/lib.py", sam=named)).path == "img/lib/lib.py"


def test_stages_build_on_each_other():
    stages = 'FROM x AS base\nCOPY src ./\nFROM base\nCMD ["app.handler"]\n'
    assert only(project(stages, "src/app.py")).path == "img/src/app.py"


def test_the_template_overrides_the_command():
    sam = SAM + "      ImageConfig:\n        Command: [other.run]\n"
    function = only(project(BASE + 'COPY . ./\nCMD ["app.handler"]\n', "app.py", "other.py", sam=sam))
    assert (function.path, function.attribute) == ("img/other.py", "run")


def test_another_dockerfile():
    sam = SAM.replace("DockerContext: ./img", "DockerContext: ./img\n      Dockerfile: docker/Run")
    files = {"template.yaml": sam, "img/docker/Run": BASE + 'COPY . ./\nCMD ["app.handler"]\n', "img/app.py": ""}
    assert only(files).path == "img/app.py"


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        (BASE + "COPY . ./\n", "does not start a handler"),
        (BASE + 'COPY . ./\nCMD ["python", "app.py"]\n', "does not start a handler"),
        (BASE + 'COPY . ./\nCMD ["gone.handler"]\n', "copies no file of this project that holds the handler"),
        (BASE + 'COPY --from=build /out ./\nCMD ["app.handler"]\n', "copies no file"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_images_that_cannot_be_followed_are_reported(dockerfile, words):
    problem = the_problem({"template.yaml": SAM, "img/Dockerfile": dockerfile, "img/app.py": ""})
    assert problem.kind == "not-located"
    assert words in problem.message


def test_a_missing_dockerfile():
    assert "img/Dockerfile is not in this project" in the_problem({"template.yaml": SAM, "img/app.py": ""}).message


def test_without_a_context_the_only_fitting_dockerfile_is_assumed():
    sam = SAM.replace("    Metadata:\n      DockerContext: ./img\n", "")
    one = project(BASE + 'COPY . ./\nCMD ["app.handler"]\n', "app.py", sam=sam)
    assert "is assumed to build the image" in only(one).packaging
    two = one | {"b/Dockerfile": BASE + 'COPY . ./\nCMD ["b.handler"]\n', "b/b.py": ""}
    assert "does not say which folder" in the_problem(two).message


@pytest.mark.parametrize(
    "dockerfile", ["", "CMD", "FROM", "COPY a", 'FROM x\nCOPY ["a"\nCMD [1]', 'FROM x\nENV\nARG "', "\\\n"]
)
def test_no_dockerfile_is_a_crash(dockerfile):
    found = locate(project(dockerfile, "app.py"))
    assert len(found.problems) == 1
