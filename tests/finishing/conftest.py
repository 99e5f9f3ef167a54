"""The people of the tests."""

from tests.people import faces, sitter, stranger

__all__ = ["faces", "sitter", "stranger"]
