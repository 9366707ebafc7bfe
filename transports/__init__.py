"""The servers: one file per transport over the room core. Starlette lives here, and nowhere else."""

import sys
from pathlib import Path

# Run from inside this folder, its files would stand before the packages of the same name: `import socketio` is one.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
