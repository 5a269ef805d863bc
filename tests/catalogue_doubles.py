"""Stand-ins for every client library of the catalogue: they open nothing, and count what is called.

An attribute of a double is a double, so is the answer of a call. `CALLS` holds the dotted names of all calls,
`psycopg2.connect` or `boto3.Session().client`; `constructed` counts those that open a connection.
"""

import importlib.util
import json
import sys
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from types import ModuleType

from statelift.catalogue import CONSTRUCTORS

CALLS: list[str] = []
REAL = ("sqlite3",)
STANDARD = ("http", "urllib", "smtplib", "ftplib", "imaplib", "poplib", "socket")
EXTRA = ("requests_aws4auth", "aws_requests_auth", "pymysqlreplication", "botocore", "aiobotocore", "aws_xray_sdk")
ROOTS = ({name.partition(".")[0] for name in CONSTRUCTORS} | set(EXTRA)) - {*REAL, *STANDARD}
DERIVED = ("Session().client", "Session().resource", "get_session().create_client", "get_session().client")
SECRET = json.dumps(
    {"username": "app", "password": "hush", "host": "db", "dbname": "shop", "token": "t", "key": "k"}
)
ENDS = ("close", "disconnect", "quit", "logout", "dispose", "shutdown", "unbind", "terminate", "aclose")
FIXED = {
    "text": "", "content": b"{}", "status_code": 200, "status": 200, "rowcount": 1, "ok": True, "headers": {},
    "returncode": 0, "server_version": 150000, "autocommit": False,
}  # fmt: skip
ANSWERS = {
    "json": {}, "fetchall": [], "fetchmany": [], "fetchone": (1,), "getvalue": b"", "noop": (250, b"OK"),
    "voidcmd": "200 OK", "status": 200, "hexists": False, "exists": False, "recv": b"+OK", "getcode": 200,
    "ismember": False, "retrieve": b"", "read_text": "",
}  # fmt: skip
ITEMS = {"SecretString": SECRET, "Value": "value", "StatusCode": 200, "Items": [], "Messages": [], "Contents": []}


def constructed():
    """How many connections were opened so far."""
    return sum(name in CONSTRUCTORS or name.endswith(DERIVED) for name in CALLS)


class Stood:
    """What a class of a double's module is made of, where a program inherits from it."""

    def __init__(self, *args, **kwargs):
        pass


class Double:
    """Anything a library may give."""

    def __init__(self, name, parent=None):
        self.__dict__.update(_name=name, _parent=parent, _is_closed=False, _is_read=False)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = known(self, name)
        self.__dict__[name] = found
        return found

    def __call__(self, *args, **kwargs):
        CALLS.append(self._name)
        word, owner = self._name.rpartition(".")[2], self._parent
        if word in ENDS and isinstance(owner, Double):
            owner.__dict__["_is_closed"] = True
        if word == "read" and owner is not None:
            seen, owner.__dict__["_is_read"] = owner.__dict__.get("_is_read"), True
            return b"" if seen else b"{}"
        download(word, args, kwargs)
        if word == "exec_command":
            return tuple(Double(f"{self._name}()", owner) for _ in range(3))
        return ANSWERS[word] if word in ANSWERS else Double(f"{self._name}()", owner)

    def __mro_entries__(self, bases):
        return (Stood,)

    def __getitem__(self, key):
        return ITEMS[key] if key in ITEMS else Double(f"{self._name}[{key!r}]")

    def __setitem__(self, key, value): ...

    def __delitem__(self, key): ...

    def __contains__(self, key):
        return False

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    def __bool__(self):
        return True

    def __int__(self):
        return 1

    __index__ = __int__

    def __float__(self):
        return 1.0

    def __add__(self, other):
        return other

    def __radd__(self, other):
        return other

    def __lt__(self, other):
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __hash__(self):
        return id(self)

    def __repr__(self):
        return f"<{self._name}>"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __await__(self):
        yield from ()
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return False

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration


def known(owner, name):
    """What an attribute of a double is."""
    path = f"{owner.__dict__.get('_name', owner.__dict__.get('__name__'))}.{name}"
    is_closed = owner.__dict__.get("_is_closed", False)
    if name[:1].isupper() and (".exceptions." in path or name.endswith(("Error", "Exception", "Timeout"))):
        return type(name, (Exception,), {})
    if name in ("closed", "broken") or (name == "is_closed" and path.startswith("httpx")):
        return is_closed
    if name in ("is_open", "bound", "open") and isinstance(owner, Double):
        return not is_closed
    if name in ("is_closed", "is_active", "is_connected", "is_healthy", "is_usable"):
        return lambda: owner.__dict__["_is_closed"] == (name == "is_closed")
    is_fixed = name in FIXED and isinstance(owner, Double)
    return FIXED[name] if is_fixed else Double(path, owner)


def download(word, args, kwargs):
    """Downloads write a file whose text depends on what is asked for only."""
    if word in ("download_file", "urlretrieve"):
        given = [*map(str, args), *map(str, kwargs.values())]
        Path(given[-1]).write_text(" ".join(given[:-1]))
    if word == "download_fileobj":
        args[-1].write(" ".join(map(str, args[:-1])).encode())


class StandIns(MetaPathFinder, Loader):
    """Finds a double for every module below a library's root."""

    def find_spec(self, name, path=None, target=None):
        is_ours = name.partition(".")[0] in ROOTS
        return importlib.util.spec_from_loader(name, self, is_package=True) if is_ours else None

    def create_module(self, spec):
        return Library(spec.name)

    def exec_module(self, module): ...


class Library(ModuleType):
    """A module all of whose names are doubles."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = known(self, name)
        setattr(self, name, found)
        return found


def install(sources):
    """Put doubles in place of the libraries, and of the standard library's clients that the sources name."""
    sys.meta_path.insert(0, StandIns())
    for name in CONSTRUCTORS:
        module, _, attribute = name.rpartition(".")
        root = module.partition(".")[0]
        if root in STANDARD and any(root in text for text in sources):
            setattr(importlib.import_module(module), attribute, Double(name))
        if root in REAL:
            real = importlib.import_module(module)
            setattr(real, attribute, counting(name, getattr(real, attribute)))


def counting(name, function):
    """The function itself, whose calls are counted."""

    def called(*args, **kwargs):
        CALLS.append(name)
        return function(*args, **kwargs)

    return called
