"""What Lambda's runtime gives a handler: the context object, the logger, the environment."""

from __future__ import annotations

import logging
import os
import sys
import time

REGION = "us-east-1"
FUNCTION = "function"
_MEMORY = "512"
_SECONDS = 30


class CognitoIdentity:
    """The identity of a caller without one."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self) -> None:
        self.cognito_identity_id = None
        self.cognito_identity_pool_id = None


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, request_id: str) -> None:
        self.aws_request_id = request_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = f"arn:aws:lambda:{REGION}:123456789012:function:{self.function_name}"
        self.tenant_id = None
        self.client_context = None
        self.identity = CognitoIdentity()
        self._deadline_ms = int(time.time() * 1000) + _SECONDS * 1000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would stop the event."""
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        """Write to the log as it is."""
        sys.stdout.write(str(message))


class _Handler(logging.Handler):
    """Lambda's: to the standard output of that moment."""

    request_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = _Handler.request_id
        text = self.format(record)  # a traceback has no line end, and Lambda takes each record for itself
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


def start_logging() -> None:
    """Give the root logger the handler that it has on Lambda."""
    logging.Formatter.converter = time.gmtime
    handler = _Handler()
    form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
    handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)


def begin_event(request_id: str) -> LambdaContext:
    """Make the context of an event, and let the log carry its id."""
    _Handler.request_id = request_id
    return LambdaContext(request_id)


def lambda_environment(root: str) -> dict[str, str]:
    """The variables that Lambda sets by itself, with credentials that are worth nothing."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_SESSION_TOKEN": "not-a-token",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": _MEMORY,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{FUNCTION}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2023/11/14/[$LATEST]00000000000000000000000000000000",
        "LAMBDA_TASK_ROOT": root,
        "HOME": "/tmp",  # noqa: S108 - the container's own
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }
