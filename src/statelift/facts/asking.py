"""Questions about the nodes of one tree -> the same questions, each answered once."""

from collections.abc import Callable
from functools import cache
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


class answered_once(Generic[Asked, Answer]):  # noqa: N801 - a decorator, as cached_property is one
    """A method whose answers are kept in its object: for hashable arguments, of an object that never changes.

    The collectors ask the same of a node from many sides. As with cached_property, the object needs a `__dict__`.
    """

    def __init__(self, question: Callable[Concatenate[Any, Asked], Answer]) -> None:
        self.question = question
        self.__doc__ = question.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "answered_once[Asked, Answer]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> Callable[Asked, Answer]: ...
    def __get__(
        self, instance: object | None, owner: type
    ) -> "answered_once[Asked, Answer] | Callable[Asked, Answer]":
        if instance is None:
            return self
        instance.__dict__[self.question.__name__] = ask = cache(MethodType(self.question, instance))
        return cast("Callable[Asked, Answer]", ask)
