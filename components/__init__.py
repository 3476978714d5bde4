"""The page: one package per tab, each with its widgets, handlers and wiring. Nothing else here."""
