"""The settings that the code of training reads: the sections `features`, `trainer` and `tuner` of a configuration.

A module for each, so that a step depends on the settings that it reads and on no others. Imports neither TensorFlow nor
`pipeline`.
"""
