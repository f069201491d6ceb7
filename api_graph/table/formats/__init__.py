"""One reader for each kind of table. All of them stream: no table is ever in memory as a whole."""
