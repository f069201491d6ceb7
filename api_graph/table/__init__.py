"""A graph over a table: rows in, one journal of results out, which a killed run resumes."""
