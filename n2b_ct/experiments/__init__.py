"""The papers' tables on natural images: they use the product, and nothing but their command uses them."""
