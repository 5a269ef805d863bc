"""Original against migrated: shows by running, under adversarial containers, that both answer alike."""
