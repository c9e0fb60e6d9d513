"""The graph: run-time sizes, types, operations and nodes, how they are made and how they print. No operation is defined here."""
