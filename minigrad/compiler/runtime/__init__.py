"""Compiled programs at work: assembled, kept on disk, called on one thread or two."""
