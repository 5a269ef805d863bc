"""patched templates -> what every function is deployed with, in the names of the simulated AWS."""
