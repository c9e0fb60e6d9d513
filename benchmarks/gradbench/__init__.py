"""minigrad in GradBench, a public benchmark of automatic differentiation: the tool itself, and its times beside those of others."""
