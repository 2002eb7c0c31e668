"""One name for what JSON gives: its values are checked where they are used, not by the type."""

from typing import Any

Json = dict[str, Any]
