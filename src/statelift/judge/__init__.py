"""Program -> Judgements: every cell, path and connection gets a verdict, a tier and reasons."""
