"""The page at ``/``: a live map of riders and a STOMP test page, served by the node itself."""

from ._routes import console_router as console_router
from ._routes import content_security_policy as content_security_policy

__all__ = ["console_router", "content_security_policy"]
