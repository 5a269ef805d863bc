"""An operation on a cell -> whether it changes what the cell holds."""

from statelift.catalogue.objects import METHODS
from statelift.facts.values import Cell

READS = frozenset(
    """get require contains lacks items keys values iterate len truth read attribute copy escape slice
    method:sort method:union method:intersection method:difference method:symmetric_difference method:issubset
    method:issuperset method:isdisjoint method:index method:count unknown:union unknown:intersection
    unknown:difference unknown:symmetric_difference unknown:issubset unknown:issuperset unknown:isdisjoint
    unknown:index unknown:count""".split()
)
GIVING = frozenset(
    "get require items keys values iterate copy slice".split()
)  # what is held, or a new collection of it
ANSWERS = frozenset({"contains", "lacks", "len"})  # operations that give a new number or truth value
STORES = frozenset({"dynamic", "rebind", "unbind", "augment", "augment_key", "put", "delete", "nested", "advance"})
CONTAINER_CALLS = frozenset(
    """collections.defaultdict collections.Counter collections.OrderedDict collections.deque queue.Queue
    queue.SimpleQueue queue.LifoQueue queue.PriorityQueue array.array collections.ChainMap
    weakref.WeakValueDictionary weakref.WeakKeyDictionary collections.UserDict dict list set cachetools.Cache
    cachetools.TTLCache cachetools.LRUCache cachetools.LFUCache cachetools.FIFOCache cachetools.TLRUCache
    json.load json.loads yaml.safe_load tomllib.load tomllib.loads""".split()
)


def is_container(cell: Cell) -> bool:
    """Whether the cell holds a collection, as far as its definition tells."""
    return cell.kind in ("dict", "list", "set") or (cell.kind == "call" and cell.callee in CONTAINER_CALLS)


def is_tuple(cell: Cell) -> bool:
    """Whether the cell holds a tuple, as it is written: what that holds may change."""
    return cell.kind == "other" and cell.value is not None and cell.value.text.startswith("(")


def may_hold_others(cell: Cell, op: str) -> bool:
    """Whether what an operation gives is an object that the cell holds: of a ContextVar, a field."""
    is_given = cell.kind == "other" and cell.home == "instance" and op == "read"
    is_default = cell.callee == "contextvars.ContextVar" and op == "method:get"
    return op == "require" or is_given or is_default


def is_write(cell: Cell | None, op: str) -> bool:
    """Whether an operation changes the cell. An unknown method may change a container; on any other object
    (a client, a logger) a call is its use, and only assignments count.
    """
    if cell is not None and not is_container(cell):
        known = METHODS.get(cell.callee)
        return op in STORES or (known is not None and op in known.values())
    return op not in READS
