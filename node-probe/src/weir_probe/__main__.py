"""`python -m weir_probe`."""

import sys

from weir_probe.main import main

sys.exit(main())
