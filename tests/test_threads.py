"""What threads of a program may share is kept at REVIEW; what they may not share is never shared."""

import pytest
from repositories import written

from statelift.catalogue import constructors
from statelift.model import Options, Tier
from statelift.planning import make_plan

OPENED = {
    "boto3.client": ("import boto3", 'boto3.client("s3")', Tier.REVIEW),
    "boto3.resource": ("import boto3", 'boto3.resource("s3")', Tier.MANUAL),
    "redis": ("import redis", 'redis.Redis(host="cache")', Tier.REVIEW),
    "pymongo": ("import pymongo", 'pymongo.MongoClient("mongodb://db")', Tier.REVIEW),
    "requests": ("import requests", "requests.Session()", Tier.MANUAL),
    "httpx": ("import httpx", "httpx.Client()", Tier.REVIEW),
    "http.client": ("import http.client", 'http.client.HTTPSConnection("example.org")', Tier.MANUAL),
    "psycopg2": ("import psycopg2", 'psycopg2.connect("dbname=shop")', Tier.MANUAL),
}
WORK = "def work(key):\n    made = {made}\n    made.use(key)\n    made.close()\n    return key\n"
STARTS = {
    "pool": """from concurrent.futures import ThreadPoolExecutor
def handler(event, context):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, event["keys"]))
""",
    "submit of a lambda": """import concurrent.futures
def handler(event, context):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [pool.submit(lambda: work(each)).result() for each in event["keys"]]
""",
    "kept pool": """from concurrent.futures import ThreadPoolExecutor
POOL = ThreadPoolExecutor(4)
def handler(event, context):
    return list(POOL.map(work, event["keys"]))
""",
    "thread": """import threading
def handler(event, context):
    threads = [threading.Thread(target=work, args=(each,)) for each in event["keys"]]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
""",
    "by another name": """from threading import Thread as T
def handler(event, context):
    thread = T(target=work, args=(event["key"],))
    thread.start()
    thread.join()
""",
    "class": """import threading
class Worker(threading.Thread):
    def run(self):
        work(self.name)
def handler(event, context):
    worker = Worker()
    worker.start()
    worker.join()
""",
    "method": """from concurrent.futures import ThreadPoolExecutor
class Jobs:
    def one(self, key):
        return work(key)
    def all(self, keys):
        with ThreadPoolExecutor() as pool:
            return list(pool.map(self.one, keys))
def handler(event, context):
    return Jobs().all(event["keys"])
""",
    "function inside": """from concurrent.futures import ThreadPoolExecutor
def handler(event, context):
    def one(key):
        return work(key)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, event["keys"]))
""",
    "loop": """import asyncio
async def every(keys):
    return [await asyncio.to_thread(work, each) for each in keys]
def handler(event, context):
    return asyncio.run(every(event["keys"]))
""",
}


def tier_of(tmp_path, text):
    plan = make_plan([written(tmp_path / "code", {"app.py": text})], Options())
    (finding,) = [each for each in plan.findings if each.family == "connection"]
    return finding.tier


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("opened", ["boto3.client", "boto3.resource"])
def test_every_way_into_a_thread_is_seen(opened, start, tmp_path):
    line, made, tier = OPENED[opened]
    assert tier_of(tmp_path, f"{line}\n{WORK.format(made=made)}{STARTS[start]}") is tier


@pytest.mark.parametrize("opened", OPENED)
def test_what_threads_may_share_depends_on_the_library(opened, tmp_path):
    line, made, tier = OPENED[opened]
    assert tier_of(tmp_path, f"{line}\n{WORK.format(made=made)}{STARTS['pool']}") is tier


@pytest.mark.parametrize(("opened", "tier"), [("boto3.client", Tier.SAFE), ("boto3.resource", Tier.REVIEW)])
def test_what_only_the_handler_uses_is_no_worse_for_threads_elsewhere(opened, tier, tmp_path):
    line, made, _ = OPENED[opened]
    text = f"""{line}
from concurrent.futures import ThreadPoolExecutor
def double(number):
    return 2 * number
def many(numbers):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(double, numbers))
def handler(event, context):
    made = {made}
    made.use(event["key"])
    return many(event["numbers"])
"""
    assert tier_of(tmp_path, text) is tier


def test_only_known_constructors_are_called_safe():
    for name, library in constructors().items():
        assert library.thread_safe <= set(library.constructors), name
    assert not any("async" in name.lower() for library in constructors().values() for name in library.thread_safe)
