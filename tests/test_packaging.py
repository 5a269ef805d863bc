"""What is published works: sdist -> wheel -> an empty environment that plans like this one."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from statelift.cli import run

ROOT = Path(__file__).parents[1]
SHOP = ROOT / "fixtures" / "projects" / "shop"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


def quiet(*command, **options):
    """Run a command that has to work, without what this process says about Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(list(map(str, command)), capture_output=True, env=environment, **options)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    quiet(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The command in an environment that holds the wheel and what it depends on, nothing else."""
    home = tmp_path_factory.mktemp("empty")
    quiet(sys.executable, "-m", "venv", home)
    python = home / "bin" / "python"
    quiet(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *built.glob("*.whl"))
    return python.with_name("statelift")


def test_the_sdist_holds_what_its_tests_need(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = ("pyproject.toml", "LICENSE", "Makefile", "tests/test_packaging.py", "tools/update_goldens.py")
    assert names.issuperset(needed)
    assert any(name.startswith("fixtures/projects/shop.after/") for name in names)


def test_the_wheel_holds_data_types_and_no_tests(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        names = set(archive.namelist())
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"statelift", "statelift_codemods", "statelift_templates"}
    for package in tops:
        assert f"{package}/py.typed" in names
    sources = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.json")}
    sources |= {path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*.j2")}
    assert sources <= names and len(sources) > 10


def test_the_installed_command_plans_like_this_one(installed, tmp_path, capfdbinary):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([installed, "plan", SHOP], capture_output=True, cwd=tmp_path, env=environment)
    assert done.returncode == 1, done.stderr.decode()
    capfdbinary.readouterr()
    assert run(["plan", str(SHOP)]) == 1
    assert done.stdout == capfdbinary.readouterr().out
    assert b"+++ b/src/statelift_state.py" in done.stdout


def test_the_installed_command_finds_codemods_and_templates(installed, tmp_path):
    page = quiet(installed, "explain", "SL401", cwd=tmp_path).decode()
    assert "## Becomes" in page
    assert b"AWS::DynamoDB::Table" in quiet(installed, "infra", SHOP, cwd=tmp_path)
