"""What is known of objects that remember: which methods of theirs change what a later call sees.

Source: the documentation of the Python standard library and of the libraries named.
"""

from collections.abc import Mapping

ANY = "*"
ITERATORS = frozenset(
    """iter map filter zip enumerate reversed open io.open csv.reader csv.DictReader re.finditer os.scandir os.walk
    glob.iglob""".split()
)  # and all of itertools
FILES = frozenset({"open", "io.open"})
CONSUMING = frozenset({"contains", "lacks", "read", "escape"})  # `x in pairs`, `dict(pairs)`
GENERATING = frozenset({"iterate", "unknown:send", "unknown:__next__"})
_FILE = dict.fromkeys("read readline readlines write writelines seek truncate".split(), "advance")
_BUFFER = _FILE | {
    "truncate": "clear",
    "seek": "attribute",
    "escape": "advance",
}  # a writer gets it: csv.writer(buf)
_INSTRUMENT = dict.fromkeys(
    "labels inc dec set observe time count_exceptions track_inprogress set_to_current_time".split(), "append"
)
_SQLITE = dict.fromkeys("execute executemany executescript".split(), "advance")
_LOGGER = (
    dict.fromkeys("addHandler addFilter".split(), "append")
    | dict.fromkeys("append_keys append_context_keys structure_logs set_correlation_id".split(), "nested")
    | {"handlers.clear": "clear"}
)
_QUEUE = {"put": "append", "put_nowait": "append", "get": "advance", "get_nowait": "advance"}
_STACK = dict.fromkeys("callback push enter_context push_async_callback push_async_exit".split(), "append") | {
    "close": "clear",
    "pop_all": "clear",
}
_SWITCH = {"set": "rebind", "clear": "rebind"}

# constructor -> method -> what calling it does to the object: rebind, unbind, append, nested or advance.
METHODS: Mapping[str, Mapping[str, str]] = {
    "contextvars.ContextVar": {"set": "rebind", "reset": "unbind"},
    "random.Random": {ANY: "advance"},
    "numpy.random.default_rng": {ANY: "advance"},
    "numpy.random.RandomState": {ANY: "advance"},
    "open": _FILE,
    "io.open": _FILE,
    "io.StringIO": _BUFFER,
    "io.BytesIO": _BUFFER,
    "prometheus_client.Counter": _INSTRUMENT,
    "prometheus_client.Gauge": _INSTRUMENT,
    "prometheus_client.Histogram": _INSTRUMENT,
    "prometheus_client.Summary": _INSTRUMENT,
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
    "threading.Event": _SWITCH,
    "asyncio.Event": _SWITCH,
    "contextlib.ExitStack": _STACK,
    "contextlib.AsyncExitStack": _STACK,
}  # fmt: skip
WRAPPERS = frozenset(
    "csv.writer csv.DictWriter io.TextIOWrapper gzip.GzipFile zipfile.ZipFile tarfile.open".split()
)  # what is done to what they make, is done to the stream that they are given
# Collections of libraries that every call of a process shares, and that anybody may change.
REGISTRIES = frozenset(
    """copyreg.dispatch_table mimetypes.types_map mimetypes.common_types warnings.filters sys.meta_path
    sys.path_hooks logging.root.handlers json.encoder.ESCAPE_DCT encodings.aliases.aliases
    flask.current_app.config flask.current_app.extensions flask.current_app.jinja_env.globals
    flask.current_app.jinja_env.filters""".split()
)
# What sets something for the whole process: by an attribute of what it gives, or by calling it.
SETTERS: Mapping[str, str] = {
    "decimal.getcontext": "attribute",
    "decimal.setcontext": "call",
    "locale.setlocale": "call",
    "socket.setdefaulttimeout": "call",
}
SETTINGS = frozenset(f"{name}()" for name in SETTERS)
CHANGING = frozenset({"rebind", "unbind", "append", "nested", "advance"})


def effect_of(constructor: str, op: str) -> str:
    """What an operation of the facts does to an object made by `constructor`: the operation itself if unknown."""
    is_iterator = constructor in ITERATORS or constructor.startswith("itertools.")
    if is_iterator and op in ("iterate", "unknown:__next__"):
        return "advance"
    if is_iterator and op in CONSUMING and constructor not in FILES:
        return "nested"
    known = METHODS.get(constructor)
    if known is None:
        return op
    method = op.rpartition(":")[2]
    is_method = ":" in op or op in known
    return known.get(method, known.get(ANY, op)) if is_method else op
