"""The page at ``/``: a live map of riders and a STOMP test page, served by the node itself.

`install` adds it to an application.
"""

from ._routes import console_router as console_router
from .install import install as install
from .settings import ConsoleSettings as ConsoleSettings

__all__ = ["ConsoleSettings", "console_router", "install"]
