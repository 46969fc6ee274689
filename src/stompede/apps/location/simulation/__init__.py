"""Riders that do not exist: along the streets of a map, or along recorded traces; and the fleet that reports
them.
"""
