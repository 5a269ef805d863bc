"""path and bytes + operations -> bytes: which patcher writes which file."""

import re
from collections.abc import Sequence

from statelift.infra.cdk import patch_program
from statelift.infra.chalice import is_chalice, patch_chalice
from statelift.infra.packages import with_copies, with_patterns
from statelift.infra.patch import patch_template
from statelift.infra.services import patch_service
from statelift.infra.terraform import patch_terraform
from statelift.infra.validators import new_findings
from statelift.infra.yamlpatch import Document, Refusal
from statelift.model import EnsurePackaged, InfraOperation

_SERVICE = re.compile(r"(?:.*/)?serverless[\w.-]*\.(?:ya?ml|json)")


def patch_file(path: str, before: bytes | None, operations: Sequence[InfraOperation]) -> bytes:
    """The file with all that the operations ask for. Raises Refusal; then nothing may be written."""
    packaged = [op for op in operations if isinstance(op, EnsurePackaged)]
    operations = [op for op in operations if not isinstance(op, EnsurePackaged)]
    if packaged:
        before = _with_packages(path, before, packaged)
        if not operations:
            return before
    if path.endswith((".tf", ".tofu")):
        return patch_terraform(path, before, operations)
    if is_chalice(path):
        return patch_chalice(path, before, operations)
    if before is None:
        raise Refusal(f"{path} does not exist.")
    if path.endswith(".py"):
        return patch_program(before, operations)
    return patch_service(before, operations) if _SERVICE.fullmatch(path) else _validated(before, operations)


def _validated(before: bytes, operations: Sequence[InfraOperation]) -> bytes:
    """The patched template, where a validator that is installed finds nothing new in it."""
    after = patch_template(before, operations)
    found = new_findings(before, after)
    if found:
        rule, resource = found[0]
        raise Refusal(f"A validator would find {rule} at {resource or 'the template'}, which it does not find now.")
    return after


def _with_packages(path: str, before: bytes | None, operations: Sequence[EnsurePackaged]) -> bytes:
    if before is None:
        raise Refusal(f"{path} does not exist.")
    if _SERVICE.fullmatch(path):
        return with_patterns(Document.parse(before), operations).tree.data
    if path.endswith((".tf", ".tofu", ".py", ".yaml", ".yml", ".json")):
        raise Refusal(f"{path} is not where packages are made.")
    return with_copies(before, operations)
