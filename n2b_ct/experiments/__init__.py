"""The papers' tables on natural images; only the command ``benchmark`` uses this package."""
