"""`instructseq bench`: how fast it is, beside what one would use instead and beside what the machine allows."""
