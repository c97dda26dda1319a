"""The report: one HTML file with everything in it, for any browser, without a network."""
