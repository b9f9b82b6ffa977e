"""What a week of requests says: is it valid, is it harmful, what moved; and what to do about it."""
