"""Text of the pages that benchmarks and publishing commands write."""

import textwrap


def wrapped(line: str) -> str:
    """Wrap a paragraph or list item of a Markdown page at 100 characters."""
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
