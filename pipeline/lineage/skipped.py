"""What a step leaves on record when it had nothing to do, for those who tell of it."""

SKIPPED_BECAUSE = "skipped"
"""Custom property of an artifact: why the step that put it out had nothing to do."""
NOT_BLESSED, NOT_FIT = "not blessed", "not fit to serve"
