"""Bytes of one file -> ModuleFacts: pure, picklable, cacheable by content. No tree node leaves this package."""
