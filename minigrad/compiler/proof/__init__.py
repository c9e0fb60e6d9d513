"""Proofs for all sizes that loops stay inside their buffers and that two threads have no data race. Used by tests."""
