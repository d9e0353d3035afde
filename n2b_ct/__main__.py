"""``python -m n2b_ct`` is ``n2b-ct``."""

from n2b_ct.cli import main

main()
