"""`python -m weir_operator`."""

from weir_operator.main import main

main()
