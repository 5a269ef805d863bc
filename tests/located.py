"""Projects as dictionaries of texts, for the tests of locate."""

from statelift.locate.functions import locate_functions


def locate(files):
    """`files`: path -> text or bytes."""
    data = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    return locate_functions(list(data), data.__getitem__)


def only(files):
    """The one function of a project without problems."""
    found = locate(files)
    assert found.problems == ()
    (function,) = found.functions
    return function


def the_problem(files):
    """The one problem."""
    (problem,) = locate(files).problems
    return problem
