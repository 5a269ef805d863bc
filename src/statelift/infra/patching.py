"""path and bytes + operations -> bytes: which patcher writes which file."""

import re
from collections.abc import Sequence

from statelift.infra.cdk import patch_program
from statelift.infra.patch import patch_template
from statelift.infra.services import patch_service
from statelift.infra.terraform import patch_terraform
from statelift.infra.yamlpatch import Refusal
from statelift.model import InfraOperation

_SERVICE = re.compile(r"(?:.*/)?serverless[\w.-]*\.(?:ya?ml|json)")


def patch_file(path: str, before: bytes | None, operations: Sequence[InfraOperation]) -> bytes:
    """The file with all that the operations ask for. Raises Refusal; then nothing may be written."""
    if path.endswith((".tf", ".tofu")):
        return patch_terraform(path, before, operations)
    if before is None:
        raise Refusal(f"{path} does not exist.")
    if path.endswith(".py"):
        return patch_program(before, operations)
    return patch_service(before, operations) if _SERVICE.fullmatch(path) else patch_template(before, operations)
