"""From arguments to an application that is ready to run or to be looked at."""

from __future__ import annotations

import os

from stompede._app import Stompede
from stompede.apps import create_app
from stompede.cli._loading import load_application
from stompede.cli._values import Effective


def application(name: str | None, effective: Effective, *, demo: bool = False) -> Stompede:
    """The application that ``name`` says, or the reference services, with the given settings.

    An application makes its settings when its module is imported. So what file and command line say is put
    into the environment of this process before, where ``Settings()`` finds it.
    """
    os.environ.update(effective.environment)
    return create_app(effective.node, demo=demo) if name is None else load_application(name)
