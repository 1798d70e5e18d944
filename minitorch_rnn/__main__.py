"""`python -m minitorch_rnn` is `minitorch-rnn`."""

import sys

from minitorch_rnn.cli import main

sys.exit(main())
