"""From a graph to loops: each step of its schedule becomes a loop nest."""
