"""Contract -> JSON Schema: the published shapes of `scan --format json` and of plan.json (draft 2020-12)."""
