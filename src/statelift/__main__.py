"""`python -m statelift`."""

import os
import sys


def leave_working_folder() -> None:
    """Take the working folder off the module path, where `python -m` has put it.

    It may be a project that nobody has read yet, with a yaml.py of its own, or with a dist-info folder that
    registers a codemod. Where statelift itself was found there, it stays. Until this is done, nothing may be
    imported that Python has not loaded at its start.
    """
    home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is not loaded
    first = os.path.realpath(sys.path[0]) if sys.path else home
    if not sys.flags.safe_path and first == os.path.realpath(os.curdir) and first != home:
        del sys.path[0]


if __name__ == "__main__":
    leave_working_folder()
    from statelift.cli import main

    main()
