"""One self-contained HTML page that shows what a run over a table gave."""
