"""Files and programs -> the events that both programs get."""
