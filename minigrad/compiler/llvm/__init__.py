"""From loops to LLVM text: expressions, functions of numbers, sorting, matrix products."""
