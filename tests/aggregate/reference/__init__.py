"""SEMANTICS.md over a list of events in plain Python, as slow and plain as can be; shares only structs with datalab.

Each figure is a function over a `Reference` and a question, of the same name and arguments as the engine's.
"""
