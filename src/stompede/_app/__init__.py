"""The application facade."""

from stompede._app.application import Stompede as Stompede

__all__ = ["Stompede"]
