"""The shelf of styles: list, check, add, show by a preview, train. Portraits in a style are made elsewhere."""
