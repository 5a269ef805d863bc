"""What the stand-ins were asked to do: effects outside of the container, in order."""

CALLS = []


def note(*what):
    CALLS.append([str(each) for each in what])
