"""Where rooms live: in this process (`memory`), or shared through Redis."""
