"""FileWrites -> user files: the one place that writes them, journaled first, all or none, undoable."""
