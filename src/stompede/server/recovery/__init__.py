"""Histories, positions, and what a subscriber missed."""
