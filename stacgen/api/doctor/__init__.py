"""What this installation is made of, whether it works, and what it reaches.

Whatever is broken or missing, this still runs: it needs Python's own library alone, loads every
other one where it looks at it, and tells of an error as a finding.
"""

from stacgen.api.doctor.examination import examine
from stacgen.api.doctor.show import tell

__all__ = ["examine", "tell"]
