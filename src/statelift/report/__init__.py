"""Plan -> reports: the diff, the text for people, the formats for machines."""
