"""The text that statelift generates. Nothing in here decides anything."""
