"""files -> functions and code roots: where the outside enters a project."""
