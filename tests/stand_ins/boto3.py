"""A stand-in for boto3: answers made from the question, effects noted. No network, nothing remembered."""

import io
import json
from types import SimpleNamespace

from outside import note


class _Client:
    def __init__(self, service):
        self.service = service

    def get_parameter(self, Name, WithDecryption=False):  # noqa: N803
        return {"Parameter": {"Name": Name, "Value": json.dumps({"name": Name, "limit": len(Name)})}}

    def get_secret_value(self, SecretId):  # noqa: N803
        return {"SecretString": json.dumps({"password": SecretId[::-1]})}

    def get_object(self, Bucket, Key):  # noqa: N803
        return {"Body": io.BytesIO(json.dumps({"bucket": Bucket, "key": Key}).encode())}

    def __getattr__(self, name):
        def call(*positional, **named):
            note(self.service, name, *positional, json.dumps(named, sort_keys=True, default=str))
            return {"MessageId": "m", "ResponseMetadata": {"HTTPStatusCode": 200}}

        return call


class _Table:
    def __init__(self, name):
        self.name = name

    def get_item(self, Key, **options):  # noqa: N803
        key = next(iter(Key.values()))
        if str(key).startswith("missing"):
            return {}
        return {"Item": {**Key, "name": str(key).title(), "rate": len(str(key)), "table": self.name}}

    def __getattr__(self, name):
        def call(**named):
            note(self.name, name, json.dumps(named, sort_keys=True, default=str))
            return {}

        return call


def client(service, **options):
    return _Client(service)


def resource(service, **options):
    return SimpleNamespace(Table=_Table, Bucket=_Client)
