"""The sections of a configuration file, one module each: what each field means, and which values it may have.

docs/configuration.md lists them for users; pipeline/config/loading.py reads a file whole.
"""
