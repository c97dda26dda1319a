"""The console program `instructseq`."""
