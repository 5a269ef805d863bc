"""A stand-in for the routes of Powertools."""

import json
import re
from types import SimpleNamespace


class APIGatewayRestResolver:
    def __init__(self, **options):
        self._routes = []
        self.current_event = None

    def _route(self, method, rule):
        pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", rule) + "$")

        def register(function):
            self._routes.append((method, pattern, function))
            return function

        return register

    def get(self, rule, **options):
        return self._route("GET", rule)

    def post(self, rule, **options):
        return self._route("POST", rule)

    def put(self, rule, **options):
        return self._route("PUT", rule)

    def delete(self, rule, **options):
        return self._route("DELETE", rule)

    def resolve(self, event, context):
        body = event.get("body")
        self.current_event = SimpleNamespace(
            json_body=json.loads(body) if body else None,
            query_string_parameters=event.get("queryStringParameters") or {},
        )
        for method, pattern, function in self._routes:
            found = pattern.match(event["path"])
            if found and method == event["httpMethod"]:
                return {"statusCode": 200, "body": json.dumps(function(**found.groupdict()))}
        return {"statusCode": 404, "body": "{}"}


APIGatewayHttpResolver = APIGatewayRestResolver
