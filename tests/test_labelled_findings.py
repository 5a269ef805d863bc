"""What reading the misses on labelled handlers of public repositories taught."""

import pytest

from statelift.model import Options
from statelift.planning import make_plan

FLAGGED = {
    "names that only functions bind": (
        "def load(order):\n    if order['new']:\n        global target\n        target = order['a']\n\n"
        "def handler(event, context):\n    load(event)\n    return target == event['k']\n",
        "SL103",
        "target",
    ),
    "derived from the time of import": (
        "from datetime import datetime\nnow = datetime.now()\nday = datetime.strftime(now, '%Y')\n"
        "name = 'report_{}'.format(day)\n\ndef handler(event, context):\n    return name + event['k']\n",
        "SL105",
        "name",
    ),
    "one more log handler per call": (
        "import logging, sys\n\ndef handler(event, context):\n    log = logging.getLogger('x')\n"
        "    log.addHandler(logging.StreamHandler(sys.stdout))\n    log.info('called')\n    return 1\n",
        "SL102",
        "logging.getLogger()",
    ),
    "rows read by one call are gone for the next": (
        "import csv\nrows = csv.reader(open('names.csv'))\n\ndef handler(event, context):\n"
        "    for row in rows:\n        if row[0] == event['k']:\n            return row[1]\n",
        "SL103",
        "rows",
    ),
    "unpacked beside another value": (
        "import time\nCALLS = {'a': []}\n\ndef handler(event, context):\n"
        "    now, calls = time.time(), CALLS['a']\n    calls.append(now)\n    return len(calls)\n",
        "SL102",
        "CALLS",
    ),
}
QUIET = {
    "a logger that a function asks for": (
        "import logging\n\ndef handler(event, context):\n    log = logging.getLogger(__name__)\n"
        "    log.setLevel(logging.INFO)\n    log.info('called')\n    return 1\n"
    ),
    "a log handler only where there is none": (
        "import logging, sys\n\ndef handler(event, context):\n    log = logging.getLogger('x')\n"
        "    if not log.handlers:\n        log.addHandler(logging.StreamHandler(sys.stdout))\n    return 1\n"
    ),
    "set by a method that only the constructor calls": (
        "import redis\n_limiter = None\n\nclass Limiter:\n    def __init__(self):\n        self.url = 'x'\n"
        "        self._connect()\n\n    def _connect(self):\n        self.client = self.url + '/0'\n\n"
        "    def ask(self, key):\n        return self.client + key\n\n"
        "def handler(event, context):\n    global _limiter\n    if _limiter is None:\n"
        "        _limiter = Limiter()\n    return _limiter.ask(event['k'])\n"
    ),
    "set by such a method, which another class has, too": (
        "_limiter = None\n\nclass Store:\n    def __init__(self):\n        self._connect()\n\n"
        "    def _connect(self):\n        self.path = 'y'\n\n"
        "class Limiter:\n    def __init__(self):\n        self.client = None\n        self._connect()\n\n"
        "    def _connect(self):\n        self.client = open(Store().path)\n\n"
        "    def ask(self, key):\n        return key if self.client else None\n\n"
        "def handler(event, context):\n    global _limiter\n    if _limiter is None:\n"
        "        _limiter = Limiter()\n    return _limiter.ask(event['k'])\n"
    ),
    "a global that every call sets first": (
        "def load(order):\n    global target\n    target = order['a']\n\n"
        "def handler(event, context):\n    load(event)\n    return target == event['k']\n"
    ),
}


def found(folder, source):
    (folder / "app.py").write_text(source)
    plan = make_plan([folder], Options())
    return {(each.rule, suspect_name(each)) for each in plan.findings}


def suspect_name(finding):
    return finding.message.split(" ")[0]


@pytest.mark.parametrize("case", FLAGGED)
def test_found(tmp_path, case):
    source, rule, symbol = FLAGGED[case]
    assert (rule, symbol) in found(tmp_path, source)


@pytest.mark.parametrize("case", QUIET)
def test_left_in_peace(tmp_path, case):
    assert found(tmp_path, QUIET[case]) == set()
