"""A stand-in for Powertools: a logger with keys that stay, routes, metrics."""

import functools
import json
import sys

from outside import note


class Logger:
    def __init__(self, service="", **options):
        self.service = service
        self.keys = {}

    def _say(self, level, message, *arguments, extra=None, **more):
        text = message % arguments if arguments else message
        print(
            json.dumps({"level": level, "message": str(text), **self.keys, **(extra or {})}, default=str),
            file=sys.stderr,
        )

    def debug(self, message, *arguments, **more):
        self._say("DEBUG", message, *arguments, **more)

    def info(self, message, *arguments, **more):
        self._say("INFO", message, *arguments, **more)

    def warning(self, message, *arguments, **more):
        self._say("WARNING", message, *arguments, **more)

    def error(self, message, *arguments, **more):
        self._say("ERROR", message, *arguments, **more)

    def exception(self, message, *arguments, **more):
        self._say("ERROR", message, *arguments, **more)

    def append_keys(self, **keys):
        self.keys.update(keys)

    def remove_keys(self, keys):
        for key in keys:
            self.keys.pop(key, None)

    def clear_state(self):
        self.keys.clear()

    def get_current_keys(self):
        return dict(self.keys)

    def inject_lambda_context(self, function=None, *, clear_state=False, log_event=False, correlation_id_path=None):
        if function is None:
            return functools.partial(self.inject_lambda_context, clear_state=clear_state)

        @functools.wraps(function)
        def wrapped(event, context):
            if clear_state:
                self.clear_state()
            return function(event, context)

        return wrapped


class Tracer:
    def capture_lambda_handler(self, function):
        return function

    def capture_method(self, function):
        return function


class Metrics:
    def __init__(self, namespace="", service=""):
        self.namespace = namespace

    def add_metric(self, name, unit, value):
        note(self.namespace, name, value)

    def log_metrics(self, function=None, **options):
        return function if function is not None else (lambda inner: inner)
