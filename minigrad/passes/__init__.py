"""Passes over graphs, each a function Graph -> Graph that preserves what the interpreter gives."""
