"""Point-to-point queues, their consumers, and what waits to be acknowledged."""
