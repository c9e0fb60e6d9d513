"""Control flow: loops over time, branches, calls. Each primitive stands with its gradient, its batching rule and its function for users."""
