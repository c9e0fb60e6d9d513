"""Lowering, from a graph to loops: each step of the graph's schedule becomes a loop nest."""
