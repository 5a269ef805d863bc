"""A stand-in."""


class LambdaContext:
    """Only a name for annotations."""
