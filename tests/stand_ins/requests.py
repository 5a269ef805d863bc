"""A stand-in for requests: the answer is made from the address."""

import json as _json

from outside import note


class RequestException(OSError):  # noqa: N818 - its real name
    pass


class _Response:
    status_code = 200

    def __init__(self, url):
        self.url = url
        self.text = _json.dumps({"url": url, "rate": len(url)})

    def json(self):
        return _json.loads(self.text)

    def raise_for_status(self):
        pass


class Session:
    def __init__(self):
        self.headers = {}

    def get(self, url, timeout=None, **options):
        return _Response(url)

    def post(self, url, json=None, timeout=None, **options):
        note("POST", url, _json.dumps(json, sort_keys=True))
        return _Response(url)


def get(url, timeout=None, **options):
    return _Response(url)


def post(url, json=None, timeout=None, **options):
    return Session().post(url, json)
