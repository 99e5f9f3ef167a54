"""The people of the tests."""

from tests.people import couple, faces, landscape, sitter, stranger

__all__ = ["couple", "faces", "landscape", "sitter", "stranger"]
