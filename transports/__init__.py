"""The servers: one file per transport over the room core. Starlette lives here, and nowhere else."""
