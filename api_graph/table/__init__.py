"""A graph over a table: rows in, a journal of results out, which a killed run resumes, and a report of it."""
