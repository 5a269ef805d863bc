"""Terraform itself reads what we write, with the real provider: skipped where either cannot be had."""

import json
import os
import shutil
import subprocess

import pytest
from update_goldens import FIXTURES, kept

from statelift.infra.patching import patch_file
from statelift.model import EnsureEnv, EnsureGrant

pytestmark = [
    pytest.mark.complete,  # the provider is several hundred megabytes
    pytest.mark.skipif(shutil.which("terraform") is None, reason="Terraform is not installed"),
]
FUNCTION = "aws_lambda_function.notes"


def deployed(name):
    folder = FIXTURES / "deployments" / name
    whole = kept(folder / "before") | kept(folder / "after")
    return {path: data for path, data in whole.items() if path.endswith(".tf")}


def existing():
    main = deployed("terraform")["main.tf"].split(b"  environment {")[0] + b"}\n" + ROLE
    asked = [EnsureGrant(FUNCTION, each, actions, role="aws_iam_role.notes.id") for each, actions in EXISTING]
    variables = [EnsureEnv(FUNCTION, "SESSIONS_TABLE_NAME", "table/user-sessions", "name")]
    return {
        "main.tf": patch_file("main.tf", main, variables),
        "statelift.tf": patch_file("statelift.tf", None, asked),
    }


ROLE = b'\nresource "aws_iam_role" "notes" {\n  assume_role_policy = "{}"\n}\n'
EXISTING = (
    ("table/user-sessions", ("dynamodb:GetItem",)),
    ("bucket/user-files", ("s3:GetObject", "s3:ListBucket")),
)
MADE = {
    "function": lambda: deployed("terraform"),
    "module": lambda: deployed("terraform_module"),
    "printed": lambda: {"main.tf": (FIXTURES / "deployments/no_template/printed/terraform.tf").read_bytes()},
    "existing": existing,
}


def terraform(folder, *arguments):
    environment = os.environ | {
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
        "TF_PLUGIN_CACHE_DIR": str(folder.parents[1]),
    }
    command = ["terraform", *arguments, "-no-color"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("name", MADE)
def test_it_is_valid_and_nothing_of_it_is_deprecated(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    for path, data in MADE[name]().items():
        (folder / path).write_bytes(data)
    assert terraform(folder, "fmt", "-check", "-diff").returncode == 0
    started = terraform(folder, "init", "-backend=false", "-input=false")
    if started.returncode:
        pytest.skip(f"the provider cannot be fetched: {' '.join(started.stderr.split())[:200]}")
    found = json.loads(terraform(folder, "validate", "-json").stdout)
    assert (found["valid"], found["diagnostics"]) == (True, [])
