"""Handlers that may run again after a conflict: only those that change nothing but what is kept."""

import pytest
from repositories import written

from statelift.model import Edit, Options
from statelift.planning import make_plan

HEAD = (
    "import json\nimport boto3\nfrom somewhere import Client\n"
    "history = []\nclient = Client()\nother = []\ntotal = 0\n\n\n"
)


def is_repeated(tmp_path, body, more=""):
    text = f"{HEAD}{more}def handler(event, context):\n"
    text += "".join(f"    {line}\n" for line in ["if len(history) > 3:", "    history.pop(0)", *body])
    text += "    history.append(event['id'])\n    return history\n"
    plan = make_plan([written(tmp_path, {"app.py": text})], Options())
    [change] = [each for each in plan.changes if each.id.endswith("transaction") and "history" in each.title]
    [edit] = [op for op in change.ops if isinstance(op, Edit)]
    return "retry=True" in edit.text


@pytest.mark.parametrize(
    "body",
    [
        [],
        ["found = []", "found.append(json.dumps(event))", "found[0] = found[0].upper()"],
        ["names = sorted(event['names'], key=lambda name: len(name))"],
        ["counts = {}", "for word in event['words']:", "    counts[word] = counts.get(word, 0) + 1"],
        ["if not event:", "    raise ValueError('empty')"],
        ["size = helper(event)"],
    ],
)
def test_what_changes_nothing_else_runs_again(tmp_path, body):
    assert is_repeated(tmp_path, body, "def helper(event):\n    return len(event) + 1\n\n\n")


@pytest.mark.parametrize(
    "body",
    [
        ["print(event)"],
        ["boto3.client('sqs').send_message(QueueUrl='q', MessageBody='m')"],
        ["event['seen'] = True"],
        ["event.pop('id', None)"],
        ["items = event['items']", "items.append(1)"],
        ["items = also = event['items']", "items.append(1)"],
        ["box = {'items': event['items']}", "box['items'].append(1)"],
        ["other.append(1)"],
        ["global total", "total = 1"],
        ["list(map(print, event))"],
        ["sorted(event, key=print)"],
        ["with open('/tmp/x') as file:", "    file.read()"],
        ["helper(event)"],
        ["event['call']()"],
        ["for item in event['items']:", "    item['done'] = True"],
        ["setattr(context, 'x', 1)"],
        ["client.index(index='orders')"],
        ["event['n'] = client.sent"],
        ["client << event['id']"],
        ["items = event['items']", "items += [1]"],
    ],
)
def test_what_has_another_effect_does_not(tmp_path, body):
    assert not is_repeated(tmp_path, body, "def helper(event):\n    print(event)\n\n\n")


DECORATED = """def told(function):
    def run(*args):
        print(args)
        return function(*args)

    return run


@{}
def helper(event):
    return len(event)


"""


@pytest.mark.parametrize("decorator", ["told", "unknown"])
def test_a_decorator_runs_again_with_what_it_is_around(tmp_path, decorator):
    more = DECORATED.format(decorator) if decorator == "told" else "from somewhere import unknown\n\n\n"
    more += "" if decorator == "told" else "@unknown\ndef helper(event):\n    return len(event)\n\n\n"
    assert not is_repeated(tmp_path, ["size = helper(event)"], more)
