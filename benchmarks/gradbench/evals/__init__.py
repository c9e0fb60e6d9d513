"""The evals, one a file: each function that GradBench names makes a Task of an input."""
