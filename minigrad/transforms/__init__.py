"""From a function to a graph, and from a graph to values, gradients and batches."""
