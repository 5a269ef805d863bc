"""A stand-in for statsd: every call is one packet."""

from outside import note


class StatsClient:
    def __init__(self, host="localhost", port=8125, prefix=None):
        self.prefix = prefix

    def incr(self, name, count=1, rate=1):
        note("incr", self.prefix, name, count)

    def decr(self, name, count=1, rate=1):
        note("decr", self.prefix, name, count)

    def gauge(self, name, value):
        note("gauge", self.prefix, name, value)

    def timing(self, name, delta):
        note("timing", self.prefix, name)
