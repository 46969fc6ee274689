"""The yardsticks: the least Python that does the same work on the same libraries, without sessions, limits, guards or metrics."""
