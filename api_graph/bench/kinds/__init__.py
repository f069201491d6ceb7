"""The benchmarks that are declared, in a file for each kind of answer."""
