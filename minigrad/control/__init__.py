"""Control flow: loops over time, branches, calls. Each file has a primitive, its gradient, its batching rule and its function for users."""
