"""An extension of griffe, which reads the docstrings for the documentation site.

Our docstrings have no blank line between their sections ("Args:", "Returns:", "Raises:"), but
griffe finds a section only after one.
"""

import re
from typing import Any

import griffe

SECTION = re.compile(r"\n(?=(?:Args|Attributes|Returns|Yields|Raises|Source|Example):)")


class BlankLines(griffe.Extension):
    """Put a blank line before each section."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of a module, a class, a function or an attribute."""
        if obj.docstring:
            obj.docstring.value = SECTION.sub("\n\n", obj.docstring.value)
