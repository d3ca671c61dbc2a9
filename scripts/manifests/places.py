"""Words that stand in an object for what a template says there, until the object is text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass
class Places:
    """The words that were given out. A word is a value: an item of a list, or what a key has."""

    _templates: dict[str, str] = field(default_factory=dict)

    def inline(self, expression: str) -> str:
        """A value, within a line."""
        return self._word(f"{{{{ {expression} }}}}")

    def block(self, expression: str) -> str:
        """A list or an object below its key; also when it is empty."""
        return self._word(f"KEY\n  {{{{- toYaml ({expression}) | nindent DEEPER }}}}")

    def maybe(self, expression: str) -> str:
        """A list or an object below its key; neither when it is empty."""
        return self._word(f"{{{{- with {expression} }}}}\nKEY\n  {{{{- toYaml . | nindent DEEPER }}}}\n{{{{- end }}}}")

    def more(self, expression: str) -> str:
        """An item that stands for any number of items, of a list or (whatever its key) of an object."""
        return self._word(f"{{{{- with {expression} }}}}\n{{{{- toYaml . | nindent INDENT }}}}\n{{{{- end }}}}")

    def when(self, condition: str, items: Sequence[Any]) -> str:
        """An item that stands for these items of a list, where a condition holds."""
        text = yaml.safe_dump(list(items), sort_keys=False).rstrip("\n")
        return self._word(f"{{{{- if {condition} }}}}\n{text}\n{{{{- end }}}}")

    def _word(self, template: str) -> str:
        word = f"PLACE{len(self._templates):03d}"
        self._templates[word] = template
        return word

    def fill(self, text: str) -> str:
        """The template of a text that the words stand in."""
        return "\n".join(self._filled(line) for line in text.split("\n"))

    def _filled(self, line: str) -> str:
        found = re.search(r"PLACE\d{3}", line)
        if found is None:
            return line
        template = self._templates[found[0]]
        if "\n" not in template:
            return line.replace(found[0], template)
        key = line[: found.start()].strip()
        indent = line[: len(line) - len(line.lstrip())]
        for name, value in (("KEY", key), ("INDENT", len(indent)), ("DEEPER", len(indent) + 2)):
            template = template.replace(name, str(value))
        return "\n".join(indent + each for each in template.split("\n"))
