"""Paged lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `after` says where the next part begins; it is empty when there is none."""

    items: tuple[T, ...]
    after: str = ""
