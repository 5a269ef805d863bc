"""One program -> what it does in containers, on one simulated AWS."""
