"""What the texts of a column mean: numbers, booleans, dates, durations, missing."""
