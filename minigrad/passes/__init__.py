"""Passes over graphs: functions Graph -> Graph that keep the meaning of the graph, as the interpreter defines it."""
