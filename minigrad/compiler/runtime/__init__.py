"""The runtime: machine code is compiled, cached on disk and called on one thread or two."""
