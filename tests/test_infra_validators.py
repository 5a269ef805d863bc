"""AWS's own tools read what we write: the SAM translator, then cfn-lint on what it makes of a template."""

import json

import pytest
import yaml
from infra_templates import ALL, EVERY_ACCEPTED, RESOURCES

from statelift.infra import patch_template, render_infrastructure
from statelift.infra.values import long_form, value_of
from statelift.locate.tree import compose_template
from statelift.model import EnsureResource

ALARM = EnsureResource("HitsAlarm", "alarm", (("metric", "Hits"), ("namespace", "app"), ("threshold", "1000")))
TRANSLATED = [
    "plain",
    "policies-scalar",
    "policies-mapping",
    "globals",
    "json",
    "role-on-serverless",
    "environment",
]


def findings(text):
    from cfnlint.api import ManualArgs, lint

    return sorted({str(match) for match in lint(text, config=ManualArgs(regions=["eu-west-1"]))})


def translated(data):
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    template = long_form(value_of(compose_template(data).root))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    session = boto3.Session(region_name="eu-west-1")
    return Translator({}, Parser(), boto_session=session).translate(template, {})


@pytest.mark.parametrize("name", TRANSLATED)
def test_patched_sam_templates_deploy_with_the_rights_and_without_findings(name):
    template = translated(patch_template(EVERY_ACCEPTED[name].encode(), ALL))
    role = template["Resources"].get("FRole") or template["Resources"]["R"]
    texts = json.dumps(role["Properties"]["Policies"])
    assert all(resource.id in texts for resource in RESOURCES)
    assert findings(json.dumps(template)) == []


def test_a_patched_cloudformation_template_has_no_findings():
    template = yaml.compose(patch_template(EVERY_ACCEPTED["role"].encode(), ALL), Loader=yaml.SafeLoader)
    value = long_form(value_of(template))
    value["Resources"]["F"]["Properties"]["Code"] = {"S3Bucket": "bucket", "S3Key": "key"}
    assert findings(json.dumps(value)) == []


@pytest.mark.parametrize("target", ["cloudformation", "sam"])
def test_rendered_stacks_have_no_findings(target):
    assert findings(render_infrastructure([*ALL, ALARM], target)) == []
