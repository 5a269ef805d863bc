"""infrastructure operations -> patched or new templates."""

from statelift.infra.examples import render_example
from statelift.infra.names import alarm_id, bucket_id, env_name, table_id
from statelift.infra.patch import patch_template
from statelift.infra.render import render_infrastructure
from statelift.infra.yamlpatch import Refusal

__all__ = [
    "Refusal",
    "alarm_id",
    "bucket_id",
    "env_name",
    "patch_template",
    "render_example",
    "render_infrastructure",
    "table_id",
]
