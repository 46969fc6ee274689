"""The application's handlers: found by routes, run in turn, answered for."""
