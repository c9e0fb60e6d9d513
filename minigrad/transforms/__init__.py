"""Transformations: tracing of functions to graphs; interpretation, gradients and batching of graphs."""
