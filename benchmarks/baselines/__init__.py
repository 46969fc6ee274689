"""The yardsticks: the least Python that does the same work on the same libraries.

They have no sessions, limits, guards or metrics, and are as fast as plain code gets.
"""
