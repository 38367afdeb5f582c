"""A corpus that stays: encodings, their keys and what made them, in one file that is mapped."""

from ._index import Index as Index
