"""Facts of all files of a code root -> Program: names resolved, uses joined per cell, reachability."""
