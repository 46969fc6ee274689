"""Who is on a destination, and who hears of it."""
