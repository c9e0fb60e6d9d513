"""Proofs for all sizes that loops stay inside their buffers and that threads have no data race. Used by tests."""
