"""`cache clear`: lets go what earlier runs kept."""

import click

from statelift.cli.options import UsageError, talk


@click.group()
def cache() -> None:
    """What runs keep for later ones, in a folder of this user."""


@cache.command("clear")
def clear() -> int:
    """Remove everything that was kept."""
    from statelift.cache import UnsafeFolderError, default_folder, open_cache

    folder = default_folder()
    try:
        kept = None if folder is None else open_cache(folder)
    except UnsafeFolderError as error:
        raise UsageError(str(error)) from error
    if kept is None:
        talk("There is no folder for a cache here: nothing is kept.")
        return 0
    talk(f"{kept.clear()} entries removed from {kept.folder}")
    return 0
