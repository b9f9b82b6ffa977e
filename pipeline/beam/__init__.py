"""From a Beam runner's name to its arguments; job servers and workers for clusters."""
