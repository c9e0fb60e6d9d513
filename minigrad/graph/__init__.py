"""The graph: run-time sizes, types, operations, nodes, the construction of nodes, and printing. No array operation is defined here."""
