"""The published datasets of the paper, read in the formats people download (paper, sections 3.2.2 and 4.1)."""
