"""The type of a JSON object. Its values are checked where they are used."""

from typing import Any

Json = dict[str, Any]
