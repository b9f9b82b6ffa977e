"""Trains anew and rolls out by itself: triggers, guards, the paired test, and a journal that a kill cannot tear."""
