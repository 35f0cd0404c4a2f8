"""Commands that write pages, tables and figures of docs/ from run folders."""
