"""`python -m statelift`."""

from statelift.cli import main

if __name__ == "__main__":
    main()
