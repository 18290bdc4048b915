"""``python -m dreamtalk.bench CASE``: measure one case; ``dreamtalk bench`` calls it."""

import json
import sys
from dataclasses import asdict

from ..errors import DreamTalkError
from .stages import Case, measure

if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(asdict(measure(Case(**json.loads(sys.argv[1]))))) + "\n")
    except DreamTalkError as error:
        sys.exit(str(error))
