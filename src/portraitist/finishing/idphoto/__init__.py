"""ID photos: what a format asks (`formats`), where the cut lies (`geometry`), the cut itself (`cut`), the sheet."""
