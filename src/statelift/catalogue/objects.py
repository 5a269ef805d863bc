"""What is known of objects that remember: which methods of theirs change what a later call sees.

Source: the documentation of the Python standard library and of the libraries named.
"""

from collections.abc import Mapping

ANY = "*"
ITERATORS = frozenset(
    """iter map filter zip enumerate reversed open io.open csv.reader csv.DictReader re.finditer os.scandir os.walk
    glob.iglob""".split()
)  # and all of itertools
_FILE = dict.fromkeys("read readline readlines write writelines seek truncate".split(), "advance")
_SQLITE = dict.fromkeys("execute executemany executescript".split(), "advance")
_LOGGER = dict.fromkeys("addHandler addFilter".split(), "append") | dict.fromkeys(
    "append_keys append_context_keys structure_logs set_correlation_id".split(), "nested"
)
_QUEUE = {"put": "append", "put_nowait": "append", "get": "advance", "get_nowait": "advance"}

# constructor -> method -> what calling it does to the object: rebind, unbind, append, nested or advance.
METHODS: Mapping[str, Mapping[str, str]] = {
    "contextvars.ContextVar": {"set": "rebind", "reset": "unbind"},
    "random.Random": {ANY: "advance"},
    "numpy.random.default_rng": {ANY: "advance"},
    "numpy.random.RandomState": {ANY: "advance"},
    "open": _FILE,
    "io.open": _FILE,
    "io.StringIO": _FILE,
    "io.BytesIO": _FILE,
    "sqlite3.connect": _SQLITE,
    "logging.getLogger": _LOGGER,
    "aws_lambda_powertools.Logger": _LOGGER,
    "aws_lambda_powertools.logging.Logger": _LOGGER,
    "queue.Queue": _QUEUE,
    "queue.SimpleQueue": _QUEUE,
    "queue.LifoQueue": _QUEUE,
    "queue.PriorityQueue": _QUEUE,
    "multiprocessing.Queue": _QUEUE,
    "asyncio.Queue": _QUEUE,
}  # fmt: skip
CHANGING = frozenset({"rebind", "unbind", "append", "nested", "advance"})


def effect_of(constructor: str, op: str) -> str:
    """What an operation of the facts does to an object made by `constructor`: the operation itself if unknown."""
    if op == "iterate" and (constructor in ITERATORS or constructor.startswith("itertools.")):
        return "advance"
    known = METHODS.get(constructor)
    if known is None:
        return op
    method = op.rpartition(":")[2]
    is_method = ":" in op or method in known
    return known.get(method, known.get(ANY, op)) if is_method else op
