"""The proof that loops stay inside their buffers and that two threads keep apart, for all sizes. For tests."""
