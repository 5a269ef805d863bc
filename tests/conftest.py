"""Programs in temporary folders, and the command line in this process."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from repositories import copied, written

from statelift.cli import run

os.environ["STATELIFT_CACHE_DIR"] = tempfile.mkdtemp(prefix="statelift-cache-")  # not the one of who runs the tests
atexit.register(shutil.rmtree, os.environ["STATELIFT_CACHE_DIR"], ignore_errors=True)
SHOP = Path(__file__).parents[1] / "fixtures" / "projects" / "shop"


@pytest.fixture
def clean(tmp_path):
    return written(tmp_path / "clean", {"app.py": "def handler(event, context):\n    return event\n"})


@pytest.fixture
def shop(tmp_path):
    return copied(SHOP, tmp_path / "shop")


@pytest.fixture
def said(capfd):
    """Run the command line in this process: exit code, stdout, stderr."""

    def call(*arguments):
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call
