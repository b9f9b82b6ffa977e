"""Vertex AI Pipelines on this machine: runs a compiled job, each step by its own command.

buckets.py     gs:// as a folder
store.py       artifacts and executions that were made, and who finds them
conditions.py  whether a step's condition holds
step.py        what one step is told, and its command
process.py     that command as a process: a fresh one, or a fork of one that has imported TFX
job.py         the walk over the graph
"""
