"""Code generation, from loops to LLVM IR text: expressions, elementwise functions, sorting, matrix products, work sharing."""
