"""`python -m weir_cli`."""

import sys

from weir_cli.main import main

sys.exit(main())
