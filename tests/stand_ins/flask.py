"""A stand-in for the parts of Flask that hold state: `app.config`, `app.extensions` and `g` (one per request)."""

from types import SimpleNamespace


class Flask:
    def __init__(self, name):
        self.name = name
        self.config = {}
        self.extensions = {}
        self._rules = {}

    def route(self, rule, methods=("GET",)):
        def register(function):
            self._rules[rule] = function
            return function

        return register

    def dispatch(self, event):
        g.__dict__.clear()
        request.args = event.get("queryStringParameters") or {}
        request.json = event.get("json")
        return self._rules[event["path"]]()


g = SimpleNamespace()
request = SimpleNamespace(args={}, json=None)
current_app = SimpleNamespace(config={}, extensions={})


def jsonify(**values):
    return values
