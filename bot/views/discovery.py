"""Every button, menu and modal: loads the modules of this package, whose classes and functions register themselves."""

import importlib
import pkgutil

from bot import views
from bot.views.base import ITEMS, MODALS, IdButton

__all__ = ["BUTTONS", "ITEMS", "MODALS"]

for _module in pkgutil.walk_packages(views.__path__, f"{views.__name__}."):
    importlib.import_module(_module.name)
ITEMS.sort(key=lambda kind: kind.action)  # the order of imports differs between processes
BUTTONS = [kind for kind in ITEMS if issubclass(kind, IdButton)]
"""Every button whose custom id holds an id."""
