"""Small configurations of Chalice and policies, one per edge, for the tests of the patcher."""

import json

CONFIG = {
    "version": "2.0",
    "app_name": "shop",
    "stages": {"dev": {"api_gateway_stage": "api", "autogen_policy": False}},
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "arn:aws:logs:*:*:*"}],
}


def config(stage=None, **top):
    """The plain configuration with more in its stage and at the top."""
    whole = json.loads(json.dumps(CONFIG)) | top
    whole["stages"]["dev"] |= stage or {}
    return whole


PLAIN = json.dumps(CONFIG, indent=2) + "\n"

# name -> text of config.json
ACCEPTED = {
    "plain": PLAIN,
    "four-columns": json.dumps(CONFIG, indent=4),
    "one-line": json.dumps(CONFIG),
    "compact": json.dumps(CONFIG, separators=(",", ":")),
    "crlf": PLAIN.replace("\n", "\r\n"),
    "bom": "\ufeff" + PLAIN,
    "variables": json.dumps(config({"environment_variables": {"A": "a"}}), indent=2),
    "variables-empty": json.dumps(config({"environment_variables": {}}), indent=2),
    "variables-of-all-stages": json.dumps(config(environment_variables={"A": "a"}), indent=2),
    "variables-of-a-function": json.dumps(
        config({"lambda_functions": {"login": {"environment_variables": {"A": "a"}}}}), indent=2
    ),
    "empty-stage": '{\n  "app_name": "shop",\n  "stages": {"dev": {}}\n}\n',
    "two-stages": json.dumps(
        CONFIG | {"stages": {"dev": {"autogen_policy": False}, "prod": {"autogen_policy": False}}}, indent=2
    ),
    "unicode": json.dumps(config(tags={"é": "😀"}), indent=2, ensure_ascii=False),
}

# name -> (text, words of the reason)
REFUSED = {
    "not-json": ("{", "not valid YAML"),
    "a-list": ("[]", "no mapping"),
    "twice": ('{"app_name": "a", "app_name": "b", "stages": {"dev": {}}}', "stands twice"),
    "no-stages": ('{"app_name": "a"}', "names no stage"),
    "stages-list": ('{"app_name": "a", "stages": []}', "not a plain mapping"),
    "stage-text": ('{"app_name": "a", "stages": {"dev": "x"}}', "not a plain mapping"),
    "no-name": ('{"stages": {"dev": {}}}', "no app_name"),
    "odd-name": ('{"app_name": "a b", "stages": {"dev": {}}}', "no app_name"),
    "odd-stage": ('{"app_name": "a", "stages": {"d/v": {}}}', "no app_name"),
    "variables-list": (json.dumps(config({"environment_variables": []})), "not a plain mapping"),
    "taken": (json.dumps(config({"environment_variables": {"ORDERS_TABLE_NAME": "mine"}})), "of another value"),
    "taken-for-all": (json.dumps(config(environment_variables={"ORDERS_TABLE_NAME": "mine"})), "of another value"),
    "taken-by-a-function": (
        json.dumps(config({"lambda_functions": {"f": {"environment_variables": {"ORDERS_TABLE_NAME": "x"}}}})),
        "of another value",
    ),
    "full": (json.dumps(config(environment_variables={"A": "a" * 4000})), "Lambda allows 4096"),
    "full-by-a-function": (
        json.dumps(config({"lambda_functions": {"f": {"environment_variables": {"A": "a" * 4000}}}})),
        "Lambda allows 4096",
    ),
}  # fmt: skip

# name -> text of the policy
POLICIES = {
    "plain": json.dumps(POLICY, indent=2) + "\n",
    "one-line": json.dumps(POLICY),
    "empty": '{"Version": "2012-10-17", "Statement": []}',
    "crlf": json.dumps(POLICY, indent=4).replace("\n", "\r\n"),
}
POLICIES_REFUSED = {
    "no-list": ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow"}}', "no list of statements"),
    "no-statement": ('{"Version": "2012-10-17"}', "no list of statements"),
    "twice": ('{"Statement": [], "Statement": []}', "stands twice"),
}
